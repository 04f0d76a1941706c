"""What holds for all tests.

In CI nothing is skipped. Property tests draw the same examples on every run, however slow the
machine: what one run finds, all find. A site and a node are there for whoever asks.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.faults.disks import can_mount
from tests.server.real_service import CATALOG, EVERYBODY_LEARNED, Node, Site, site_at

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")

collect_ignore = (
    [] if can_mount() else ["deploy/test_deploy_read_only_root.py", "faults/test_mounted_disk.py"]
)


def pytest_report_header() -> str:
    """Say how disks are made to fail here."""
    if can_mount():
        return "disks: small ones are mounted, filled and made read-only"
    return (
        "disks: none can be mounted here, which takes a superuser; left out is "
        f"{', '.join(collect_ignore)}, and limits on files stand for a full disk"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where ``CI=true``: what CI lacks, ``.ci/run`` must install."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A whole Marquee in this process, with everybody in the learned share."""
    with site_at(tmp_path, EVERYBODY_LEARNED) as site:
        yield site


@pytest.fixture
def node(site: Site) -> Node:
    """A worker of the site that serves the tests' catalog."""
    node = site.node()
    assert node.http.put("/v1/catalog", json=CATALOG).status_code == 200
    return node
