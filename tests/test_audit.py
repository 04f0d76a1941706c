"""The audit fails for what is vulnerable, and for nothing else."""

from __future__ import annotations

import os

import msgspec

from tests.audit import Audited, Report, Verdict, Vulnerability, audit, judge

GOOD = Audited("flask", "3.1.3")
BAD = Audited("left-pad", "1.0", [Vulnerability("PYSEC-2026-1", ["1.1"])])
UNKNOWN = Audited("marquee", skip_reason="not found")


def test_a_vulnerability_fails_and_is_named_with_its_cure() -> None:
    verdict = judge(Report([GOOD, BAD, UNKNOWN]))
    assert verdict.code == 1
    assert "audit: left-pad 1.0: PYSEC-2026-1, fixed in 1.1" in verdict.lines


def test_what_is_sound_passes_and_what_could_not_be_asked_for_is_told() -> None:
    verdict = judge(Report([GOOD, UNKNOWN]))
    assert verdict.code == 0
    assert "0 vulnerabilities" in verdict.lines[0]
    assert verdict.lines[1].endswith("could not be asked for: marquee")


def test_where_nothing_could_be_asked_it_says_so_and_fails_nothing() -> None:
    for report in (None, Report([]), Report([UNKNOWN, UNKNOWN])):
        assert judge(report) == Verdict(
            ["audit: the advisory service could not be asked, so nothing was audited"], 0
        )


def test_reports_are_read_as_they_are_written() -> None:
    written = b"""{"dependencies": [
        {"name": "a", "version": "1", "vulns": [
            {"id": "GHSA-1", "fix_versions": [], "aliases": [], "description": "..."}]},
        {"name": "b", "skip_reason": "Dependency not found"}], "fixes": []}"""
    report = msgspec.json.decode(written, type=Report)
    assert judge(report).lines[-1] == "audit: a 1: GHSA-1, fixed in no release"


def test_without_a_network_nothing_fails() -> None:
    nowhere = "http://127.0.0.1:9"
    verdict = audit({**os.environ, "HTTPS_PROXY": nowhere, "https_proxy": nowhere, "NO_PROXY": ""})
    assert verdict.code == 0
    assert "could not be asked" in verdict.lines[0]
