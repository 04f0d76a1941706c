"""``evaluate`` on logs larger than memory: one pass, a batch at a time, in bounded memory.

For estimators whose terms of one round depend on no other round: IPS and SNIPS, clipped or not.
Their intervals are normal ones. They take a viewer's rounds together, as those of a whole log do:
memory grows with the viewers, a few numbers each; without viewers, or where they are not to be told
apart, rounds are taken as independent. Ctrl-C keeps what was read until then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from simulator.datasets.registry import Source
from simulator.datasets.source import PartedSource
from simulator.errors import EstimationError, NotApplicableError
from simulator.estimators.registry import estimator_named
from simulator.jobs import Workers, one_thread, run_jobs
from simulator.logged import LoggedChoices
from simulator.progress import Watch
from simulator.results import Evaluation
from simulator.studies.about import Begun
from simulator.studies.asked import Asked
from simulator.studies.bench import entrants
from simulator.studies.plans import JudgePlan, LogPlan
from simulator.studies.stream_parts import Judging, StreamSums, judge_part
from simulator.studies.stream_sums import LoggedSums
from simulator.studies.stream_training import trained

STREAMED_BYTES: Final = 1_000_000_000
"""Logs of more bytes than these are streamed, unless it is said otherwise."""
STREAMED_ROUNDS: Final = 5_000_000
"""So are logs of more rounds, which compressed files may hold in few bytes."""


def is_large(
    source: Source, *, rounds: int = STREAMED_ROUNDS, size_bytes: int = STREAMED_BYTES
) -> bool:
    """Tell whether a log of more than so many rounds or bytes is there, to be streamed."""
    files = source.path.rglob("*") if source.path.is_dir() else [source.path]
    size = sum(file.stat().st_size for file in files if file.is_file())
    return source.rounds_max > rounds or size > size_bytes


def evaluate_streamed(
    source: Source,
    policies: Sequence[str],
    log_plan: LogPlan,
    plan: JudgePlan,
    begun: Begun,
    *,
    jobs: Workers = 1,
    watch: Watch,
) -> tuple[Evaluation, bool]:
    """Judge policies in one pass; return what was found, and whether Ctrl-C cut it short.

    Parquet is judged in parts, by whoever ``jobs`` names; other logs in this process.

    Raises:
        NotApplicableError: an estimator or interval needs all rounds at once.
        LoggedDataError: the log is wrong, or holds no single choices.
        EstimationError: there are too few rounds.
    """
    for asked in plan.estimators:
        check_streamable(asked)
    if "normal" not in plan.intervals:
        raise NotApplicableError(
            "a streamed log has normal intervals alone",
            hint="ask for --intervals normal, or for --no-stream where memory suffices",
        )
    named, learning = entrants(policies)
    found = trained(source, learning, log_plan, watch, workers=jobs)
    judging = Judging(source, named, found.training, found.others, plan)
    sums = StreamSums(plan, [entrant.name for entrant in named])
    interrupted = _by_parts(judging, sums, found.rest, jobs=jobs, watch=watch)
    logged, notes = sums.logged, list(found.notes)
    if interrupted:
        notes.append(f"interrupted: estimates are of {logged.rounds:,} rounds")
    if not logged.rounds:
        raise EstimationError("there are no rounds that judge", hint="train on fewer, or log more")
    evaluation = Evaluation(
        about=begun.about(),
        data=logged.summary(source),
        estimates=[one for name, kept in sums.policies.items() for one in kept.estimates(name)],
        weights={name: kept.histogram() for name, kept in sums.policies.items()},
        calibration=[],
        segments=[],
        positions=[],
        notes=[
            *notes,
            *_inference(plan, logged),
            "streamed: calibration and tables by group need all rounds at once",
        ],
    )
    return evaluation, interrupted


def _by_parts(
    judging: Judging,
    sums: StreamSums,
    rest: Iterator[LoggedChoices] | None,
    *,
    jobs: Workers,
    watch: Watch,
) -> bool:
    """Judge a part at a time, or the ``rest`` that has none; return whether Ctrl-C came first."""
    source, label = judging.source, f"streaming {judging.source.name}"
    if rest is None and isinstance(source, PartedSource):
        parts = source.parts()
        sizes = [part.rows for part in parts]
        return run_jobs(
            judge_part,
            judging,
            parts,
            jobs=jobs,
            watch=watch,
            label=label,
            unit="rows",
            sizes=sizes,
            take=sums.merge,
        ).interrupted
    with watch.task(label, None, "rounds") as advance, one_thread():
        try:
            for batch in judging.that_judge(source.choices()) if rest is None else rest:
                sums.take(judging, batch)
                advance(len(batch))
        except KeyboardInterrupt:
            return True
    return False


def _inference(plan: JudgePlan, logged: LoggedSums) -> list[str]:
    if plan.clustered and logged.tells_viewers:
        return []
    return ["intervals take rounds as independent: where viewers come again, they are too narrow"]


def check_streamable(asked: Asked) -> None:
    """Check that an estimator's terms of one round depend on no other.

    Raises:
        NotApplicableError: they do.
    """
    spec = estimator_named(asked.name)
    tuned = asked.parameter == "tuned"
    rejecting = asked.name in ("replay", "take-fraction")
    if spec.needs_model or spec.weighting == "balanced" or tuned or rejecting:
        raise NotApplicableError(
            f"{asked.label} needs all rounds at once",
            hint="a streamed log is judged by ips, ips=CLIP and snips; --no-stream reads it whole",
        )
