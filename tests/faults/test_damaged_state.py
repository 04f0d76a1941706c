"""Spools that are damaged or replaced: workers serve and log, and the learner goes on learning."""

from __future__ import annotations

import shutil
from pathlib import Path

from server.local import wait_until
from tests.server.real_service import CATALOG, EVERYBODY_LEARNED, Node, Site, event, site_at

WAIT_S = 30.0


def _teach(site: Site, node: Node, name: str) -> None:
    decision = node.rank(decision_id=name)
    assert node.report(event(f"e-{name}", decision, "play", "t0", seconds=600)) == (1, 0)
    site.close_windows()


def test_a_damaged_spool_keeps_no_worker_from_starting_and_no_learner_from_learning(
    tmp_path: Path,
) -> None:
    with site_at(tmp_path, EVERYBODY_LEARNED) as site:
        directory = Path(site.config.log.directory)
        directory.mkdir(parents=True)
        (directory / "spool-000.sqlite").write_bytes(b"this is no database" * 1000)
        node, other = site.node(), site.node()
        assert node.http.put("/v1/catalog", json=CATALOG).status_code == 200
        other.service._serving.refresh()
        _teach(site, node, "one")
        _teach(site, other, "two")

        def learned() -> bool:
            assert site.learner.step(site.clock.now_us()).failed is None
            return site.learner.counts.examples == {"artwork": 2, "rows": 2}

        wait_until(learned, WAIT_S, "learning both pages")
        status = site.learner.status(site.clock.now_us())
        assert status.unreadable_spools.keys() == {"spool-000"}
        assert status.lag_s < 1.0


def test_a_log_that_was_emptied_between_two_runs_is_learned_from_its_start(tmp_path: Path) -> None:
    with site_at(tmp_path, EVERYBODY_LEARNED) as site:
        node = site.node()
        assert node.http.put("/v1/catalog", json=CATALOG).status_code == 200
        for name in ("one", "two"):
            _teach(site, node, name)
        assert site.learn().learned.examples == {"artwork": 2, "rows": 2}
        site.stop(node)
        shutil.rmtree(site.config.log.directory)
        node = site.node()
        _teach(site, node, "three")

        status = site.learn()

        assert status.learned.examples == {"artwork": 3, "rows": 3}
        assert status.last_rejection is not None
        assert "another file" in status.last_rejection.why
