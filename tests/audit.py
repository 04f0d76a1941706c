"""Asks whether anything that is installed has a known vulnerability: ``python -m tests.audit``.

pip-audit asks the advisory service of the package registry. A vulnerability fails. Where the
service cannot be asked, as behind a mirror that does not have it, that is said plainly and fails
nothing: a check of the code must not depend on the network. One package is asked for first, so that
where there is no service it is not asked a hundred times.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

FIRST: Final = "flask"
"""The package that is asked for first."""

TIMEOUT_S: Final = 120.0

_UNASKED: Final = "audit: the advisory service could not be asked, so nothing was audited"


class Vulnerability(msgspec.Struct):
    """A known one, as pip-audit tells it."""

    id: str
    fix_versions: list[str] = []


class Audited(msgspec.Struct):
    """What pip-audit tells of one package; ``skip_reason`` where it could not be asked for."""

    name: str
    version: str = ""
    vulns: list[Vulnerability] = []
    skip_reason: str | None = None


class Report(msgspec.Struct):
    """All that pip-audit tells."""

    dependencies: list[Audited]


class Verdict(NamedTuple):
    """What to say, and the exit code."""

    lines: list[str]
    code: int


def judge(report: Report | None) -> Verdict:
    """Return what a report means; None is one that did not come."""
    asked = [each for each in report.dependencies if each.skip_reason is None] if report else []
    if report is None or not asked:
        return Verdict([_UNASKED], 0)
    found = [
        f"audit: {each.name} {each.version}: {vulnerability.id}, fixed in "
        f"{', '.join(vulnerability.fix_versions) or 'no release'}"
        for each in asked
        for vulnerability in each.vulns
    ]
    unknown = sorted(each.name for each in report.dependencies if each.skip_reason is not None)
    lines = [f"audit: {len(asked)} packages asked for, {len(found)} vulnerabilities known"]
    lines += [f"audit: could not be asked for: {', '.join(unknown)}"] if unknown else []
    return Verdict([*lines, *found], 1 if found else 0)


def ask(arguments: Sequence[str], environ: Mapping[str, str]) -> Report | None:
    """Run pip-audit; return its report, None if there is none."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off",
             "--timeout", "10", *arguments],
            env=dict(environ),
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )  # fmt: skip
        return msgspec.json.decode(done.stdout, type=Report)
    except (subprocess.TimeoutExpired, msgspec.DecodeError):
        return None


def audit(environ: Mapping[str, str]) -> Verdict:
    """Ask for the first package, and if that is answered for all that is installed."""
    with tempfile.TemporaryDirectory() as directory:
        first = Path(directory) / "first.txt"
        first.write_text(f"{FIRST}=={version(FIRST)}\n")
        verdict = judge(ask(["--requirement", str(first), "--no-deps", "--disable-pip"], environ))
    if verdict.lines == [_UNASKED]:
        return verdict
    return judge(ask(["--local", "--skip-editable"], environ))


def main() -> int:
    """Audit what is installed; return the exit code."""
    # Fails where it is not installed at all: that is no matter of the network.
    version("pip-audit")
    verdict = audit(os.environ)
    sys.stdout.write("\n".join(verdict.lines) + "\n")
    return verdict.code


if __name__ == "__main__":
    sys.exit(main())
