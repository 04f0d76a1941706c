"""How far estimates may be trusted: verdicts, diagnostics, and what no reader may miss.

An interval without width is the worst of them: a policy for which no rewarded round counts is
estimated at 0 with no spread at all, and looks certain where nothing is known. Its mark is hollow,
and where the estimate is 0 a bound is drawn in the interval's place, by the rule of three: events
that never came in n trials have a rate below 3/n, 19 times in 20 (Hanley and Lippman-Hand, 1983).
"""

from __future__ import annotations

from collections.abc import Sequence

from simulator.report.forest import Whisker
from simulator.report.numbers import compact, number, p_value, share
from simulator.report.page import Block, Column, Note, Table, Verdict
from simulator.results import Diagnostics, Estimate

TRUST = (
    "An estimate leans on the rounds in which the policy might have done what was logged. "
    "Effective rounds say how many those are worth, telling rounds how many of them an interval's "
    "width rests on; the mean weight should be 1."
)
RULE_OF_THREE = "rule of three"
CARDS_MAX = 8
"""With more verdicts, those in doubt have cards, and all are in the table."""

COLUMNS = (
    Column("policy", "Policy"),
    Column("estimators", "Estimators"),
    Column("sound", "Sound"),
    Column("rounds", "Rounds", "count"),
    Column("effective_rounds", "Effective rounds", "count"),
    Column("telling_rounds", "Telling rounds", "count"),
    Column("weight_max", "Largest weight", "number"),
    Column("weight_mean", "Mean weight", "number"),
    Column("weight_mean_p", "p of mean 1", "p"),
    Column("zero_overlap_share", "Without overlap", "share"),
    Column("verdict", "Verdict"),
)


def is_flat(estimate: Estimate) -> bool:
    """Return whether no interval of an estimate has a width."""
    return bool(estimate.intervals) and all(i.low == i.high for i in estimate.intervals)


def is_doubtful(estimate: Estimate) -> bool:
    """Return whether an estimate is nothing to lean on."""
    return is_flat(estimate) or not estimate.diagnostics.sound


def in_doubt(*estimates: Estimate) -> str:
    """Return what a headline must say of the estimates that it tells of, if anything."""
    doubts = [
        f" But {e.policy}: {e.diagnostics.verdict}." for e in estimates if not e.diagnostics.sound
    ]
    marks = [f" Mind that {mark}." for mark in dict.fromkeys(e.marked for e in estimates) if mark]
    return "".join([*doubts, *marks]).replace("..", ".")


def bound(estimate: Estimate) -> Whisker | None:
    """Return what stands in place of the interval of an estimate of 0 without spread."""
    effective = estimate.diagnostics.effective_rounds
    if estimate.value != 0 or not is_flat(estimate) or effective <= 0:
        return None
    return Whisker(RULE_OF_THREE, 0.95, 0.0, 3 / effective)


def cautions(estimates: Sequence[Estimate]) -> list[Note]:
    """Return what a reader must know before any estimate, once each."""
    marks = dict.fromkeys(e.marked for e in estimates if e.marked)
    notes = [Note(f"Marked with an asterisk: {mark}.", alarm=True) for mark in marks]
    return [*notes, *_flat_notes([e for e in estimates if is_flat(e)])]


def trust_blocks(estimates: Sequence[Estimate]) -> list[Block]:
    """Return the verdicts as cards, and the diagnostics as a table."""
    told = _told_once(estimates)
    cards = [_verdict(*one) for one in told]
    shown = cards if len(cards) <= CARDS_MAX else [card for card in cards if not card.sound]
    rows = [
        (
            policy,
            ", ".join(names),
            found.sound,
            found.rounds,
            found.effective_rounds,
            found.telling_rounds,
            found.weight_max,
            found.weight_mean,
            found.weight_mean_p,
            found.zero_overlap_share,
            found.verdict,
        )
        for policy, names, found, *_ in told
    ]
    folded = len(shown) == len(cards)
    return [*shown, Table("diagnostics", "Diagnostics", COLUMNS, rows, folded=folded)]


def _flat_notes(flat: Sequence[Estimate]) -> list[Note]:
    """Return notes on estimates without spread; of a policy, one bound by the first is told."""
    unseen: dict[str, list[Estimate]] = {}
    alike: dict[str, list[Estimate]] = {}
    for estimate in flat:
        kind = unseen if bound(estimate) else alike
        kind.setdefault(estimate.policy, []).append(estimate)
    notes = []
    if unseen:
        told = "; ".join(_unseen(policy, found) for policy, found in unseen.items())
        notes.append(
            "No round that counts earned anything, so that the estimate is 0 and its intervals "
            f"have no width. That is no certainty: {told} (rule of three)."
        )
    if alike:
        told = "; ".join(_judged(policy, found) for policy, found in alike.items())
        notes.append(
            "The rounds that count all tell the same, so that intervals have no width. That is no "
            f"certainty: {told}."
        )
    return [Note(note, alarm=True) for note in notes]


def _unseen(policy: str, estimates: Sequence[Estimate]) -> str:
    effective = estimates[0].diagnostics.effective_rounds
    return (
        f"{_judged(policy, estimates)} may be worth up to about {number(3 / effective, 4)}, for "
        f"all that {number(effective, 0)} effective rounds can tell"
    )


def _judged(policy: str, estimates: Sequence[Estimate]) -> str:
    return f"{policy} by {', '.join(e.estimator for e in estimates)}"


Told = tuple[str, list[str], Diagnostics, list[str], bool]
"""A policy, its estimators, their diagnostics, the warnings, whether it has others."""


def _told_once(estimates: Sequence[Estimate]) -> list[Told]:
    """Return diagnostics that a policy's estimators share once, warnings by who is warned of."""
    shared: dict[tuple[str, str], list[Estimate]] = {}
    for estimate in estimates:
        found = estimate.diagnostics
        numbers = (found.verdict, found.effective_rounds, found.weight_max, found.weight_mean)
        shared.setdefault((estimate.policy, repr(numbers)), []).append(estimate)
    policies = [policy for policy, _ in shared]
    return [
        (
            policy,
            [e.estimator for e in group],
            group[0].diagnostics,
            _warnings(group),
            policies.count(policy) > 1,
        )
        for (policy, _), group in shared.items()
    ]


def _warnings(group: Sequence[Estimate]) -> list[str]:
    warned: dict[str, list[str]] = {}
    for estimate in group:
        for warning in dict.fromkeys(estimate.diagnostics.warnings):
            warned.setdefault(warning, []).append(estimate.estimator)
    return [
        warning if len(names) == len(group) else f"{', '.join(names)}: {warning}"
        for warning, names in warned.items()
    ]


def _verdict(
    policy: str, names: Sequence[str], found: Diagnostics, warnings: Sequence[str], named: bool
) -> Verdict:
    facts = [
        ("effective rounds", f"{number(found.effective_rounds, 0)} of {number(found.rounds, 0)}"),
        ("largest weight", compact(found.weight_max)),
        ("mean weight", f"{compact(found.weight_mean)} (p {p_value(found.weight_mean_p)})"),
        ("without overlap", share(found.zero_overlap_share)),
    ]
    if found.telling_rounds is not None:
        facts.insert(1, ("telling rounds", f"about {number(found.telling_rounds, 0)}"))
    effective = found.effective_rounds / found.rounds if found.rounds else 0.0
    title = f"{policy}: {', '.join(names)}" if named else policy
    return Verdict(title, found.sound, found.verdict, warnings, facts, min(effective, 1.0))
