"""Why a logged decision was made so: its record, judged anew from what it names.

Scores, spreads and contributions come from the record's context, catalog version and snapshots, and
are what they were. Probabilities are recomputed for the record's shares under the exploration
settings in force *today*, so that they tell of a change of settings by differing from what was
logged. What cannot be had any more is left out, and a note says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from bandit import scoring
from bandit.artwork_policy import ArtworkPolicy, score_titles
from bandit.candidates import PageRows, PageTitles, rows_of, titles_of
from bandit.catalog import Catalog, CatalogDocument
from bandit.catalog.arrays import identity
from bandit.config.schema import Config
from bandit.contributions import Contributions, Named, contributions, crosses, named
from bandit.errors import CatalogError, MarqueeError, ModelError, SnapshotError
from bandit.events import DecisionRecord
from bandit.explained import Contribution, ExplainedArtwork, ExplainedRow, ExplainedTitle
from bandit.features import ARTWORK, CONTEXT, ID, ROW, TITLE
from bandit.policy import Policy
from bandit.row_policy import RowPolicy
from bandit.serving import Asker, ServedModel
from bandit.types import SURFACES, Features, FloatArray, Row, Surface, Title

CONTRIBUTIONS_MAX: Final = 10
"""How many contributions to a score are told; the rest is summed."""

CROSSES_MAX: Final = 4_000_000
"""Most contributions worked out for one decision: a page of 240 titles with 8 artworks each, 20
context features and 10 of each item has 800,000, which take 0.3 s."""

_ALIKE: Final[Mapping[Surface, tuple[str, ...]]] = {"artwork": (CONTEXT, TITLE), "rows": (CONTEXT,)}
"""What the artworks of one title, or the rows of a page, have in common."""

TOLERANCE: Final = 1e-6
"""Probabilities that differ by no more count as equal: sums may be rounded differently."""


class Sources(NamedTuple):
    """Where what a record names is found."""

    catalog: Callable[[str], Catalog]
    """A version, ready to score; raises CatalogError or OSError."""
    document: Callable[[str, Sequence[str], Sequence[str]], CatalogDocument]
    """What a version says of some titles and rows; raises likewise."""
    model: Callable[[Surface, str], ServedModel]
    """A snapshot; raises SnapshotError or OSError."""


class Explanation(NamedTuple):
    """What was found of how a decision was made."""

    titles: list[ExplainedTitle]
    rows: list[ExplainedRow]
    exact: bool
    """Whether every probability was recomputed and equals the one logged."""
    notes: list[str]


@dataclass
class _Evidence:
    """What is at hand for one record, and what there is to say about the rest."""

    record: DecisionRecord
    config: Config
    asker: Asker
    context: Named
    models: dict[Surface, ServedModel] = field(default_factory=dict)
    titles: dict[str, Title] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    crosses_left: int = CROSSES_MAX

    def is_lost(self, surface: Surface) -> bool:
        """Tell whether the model that decided cannot be had."""
        return surface in self.record.snapshots and surface not in self.models


class _Judged(NamedTuple):
    """A policy's arrays for N titles, each None where it cannot be had."""

    pmf: FloatArray | None
    scores: FloatArray | None
    spreads: FloatArray | None


class _Taken(NamedTuple):
    """A score taken apart, as it is told."""

    largest: list[Contribution]
    rest: float
    alike: float = 0.0


def explain(record: DecisionRecord, config: Config, sources: Sources) -> Explanation:
    """Explain a decision as far as what its record names is still there.

    ``config`` is today's, of the line that the record names.
    """
    evidence = _gathered(record, config, sources)
    try:
        catalog = sources.catalog(record.catalog)
    except (CatalogError, OSError) as error:
        evidence.notes.append(f"catalog {record.catalog} is not to be had: {_said(error)}")
        return Explanation(_plain_titles(record), _plain_rows(record), False, evidence.notes)
    try:
        document = sources.document(record.catalog, _title_ids(record), _row_ids(record))
        evidence.titles.update({title.id: title for title in document.titles})
        evidence.rows.update({row.id: row for row in document.rows})
    except (CatalogError, OSError) as error:
        evidence.notes.append(
            f"features have no names, so scores are not taken apart: {_said(error)}"
        )
    evidence.titles.update({title.id: title for title in record.inline_titles})
    evidence.rows.update({row.id: Row(row.id, row.features) for row in record.inline_rows})
    titles = _explain_titles(evidence, titles_of(record, catalog))
    rows = _explain_rows(evidence, rows_of(record, catalog)) if record.rows else []
    exact = _compare(evidence, titles, rows)
    return Explanation(titles, rows, exact, evidence.notes)


def _gathered(record: DecisionRecord, config: Config, sources: Sources) -> _Evidence:
    context = named(CONTEXT, record.context)
    who = record.viewer_id or record.decision_id
    evidence = _Evidence(
        record, config, Asker(who, record.decided_at_us, context.features), context
    )
    for surface in SURFACES:
        version = record.snapshots.get(surface)
        if version is None:
            continue
        try:
            evidence.models[surface] = sources.model(surface, version)
        except (SnapshotError, OSError) as error:
            evidence.notes.append(
                f"snapshot {version} of {surface} is not to be had, so its scores and "
                f"probabilities are not recomputed: {_said(error)}"
            )
    return evidence


def _explain_titles(evidence: _Evidence, titles: PageTitles) -> list[ExplainedTitle]:
    record = evidence.record
    judged = _judge_titles(evidence, titles)
    place_of = {name: place for place, name in enumerate(titles.ids)}
    artworks = _artwork_ids(titles)
    explained = []
    for plain in _plain_titles(record):
        place = place_of.get(plain.id)
        told = []
        if place is not None:
            told = [
                _explain_artwork(evidence, judged, (plain.id, artwork), (place, column))
                for column, artwork in enumerate(artworks[place])
            ]
        explained.append(ExplainedTitle(plain.id, plain.row, plain.artwork, plain.propensity, told))
    return explained


def _judge_titles(evidence: _Evidence, titles: PageTitles) -> _Judged:
    surface: Surface = "artwork"
    model = evidence.models.get(surface)
    scores = spreads = pmf = None
    if not titles.ids:
        return _Judged(None, None, None)
    settings = evidence.config.surfaces.artwork
    if model is not None:
        wants = settings.exploration.needs_spreads
        with np.errstate(over="ignore", invalid="ignore"):
            scores, spreads = score_titles(titles, evidence.asker.context, model, spreads=wants)
    share = evidence.record.shares[surface]
    if evidence.is_lost(surface) and share == "learned" and settings.mode == "online":
        return _Judged(None, scores, spreads)
    try:
        pmf = ArtworkPolicy(evidence.config).pmf(titles, evidence.asker, share, model)
    except ModelError as error:
        evidence.notes.append(f"probabilities of artworks cannot be recomputed: {_said(error)}")
    return _Judged(pmf, scores, spreads)


def _explain_artwork(
    evidence: _Evidence, judged: _Judged, names: tuple[str, str], at: tuple[int, int]
) -> ExplainedArtwork:
    title, artwork = names
    probability = None if judged.pmf is None else float(judged.pmf[at])
    if judged.scores is None:
        return ExplainedArtwork(artwork, probability)
    score = float(judged.scores[at])
    spread = None if judged.spreads is None else float(judged.spreads[at])
    taken = _Taken([], score)
    held = evidence.titles.get(title)
    if held is not None:
        features = next((one.features for one in held.artworks if one.id == artwork), {})
        groups = {
            TITLE: partial(named, TITLE, held.features),
            ARTWORK: partial(named, ARTWORK, features),
            ID: partial(named, ID, {"id": identity(title, artwork)}),
        }
        taken = _taken_apart(evidence, "artwork", score, groups)
    return ExplainedArtwork(artwork, probability, score, spread, *taken)


def _explain_rows(evidence: _Evidence, rows: PageRows) -> list[ExplainedRow]:
    record = evidence.record
    place_of = {name: place for place, name in enumerate(rows.ids)}
    scores = _row_scores(evidence, rows)
    probabilities = _row_probabilities(evidence, rows)
    explained = []
    for index, row in enumerate(record.rows):
        probability = None if probabilities is None else float(probabilities[index])
        score, taken = None, _Taken([], 0.0)
        if scores is not None:
            score = float(scores[place_of[row.id]])
            held = evidence.rows.get(row.id)
            features: Features = {} if held is None else held.features
            groups = {
                ROW: partial(named, ROW, features),
                ID: partial(named, ID, {"id": row.id}),
            }
            taken = _taken_apart(evidence, "rows", score, groups)
        explained.append(
            ExplainedRow(
                row.id, row.position, row.propensity, row.pinned, probability, score, *taken
            )
        )
    return explained


def _row_scores(evidence: _Evidence, rows: PageRows) -> FloatArray | None:
    model = evidence.models.get("rows")
    if model is None:
        return None
    groups: scoring.Groups = {
        CONTEXT: evidence.asker.context,
        ROW: rows.features,
        ID: rows.identity,
    }
    with np.errstate(over="ignore", invalid="ignore"):
        return scoring.scores(model.arrays.weights, model.shape, groups, len(rows.ids))


def _row_probabilities(evidence: _Evidence, rows: PageRows) -> FloatArray | None:
    """Return (L,) each served row's probability of its place, given the rows above it."""
    settings, share = evidence.config.surfaces.rows, evidence.record.shares["rows"]
    if evidence.is_lost("rows") and share == "learned" and settings.mode == "online":
        return None
    place_of = {name: place for place, name in enumerate(rows.ids)}
    order = np.array([place_of[row.id] for row in evidence.record.rows], np.intp)
    try:
        policy = RowPolicy(evidence.config)
        lottery = policy.lottery(rows, evidence.asker, share, evidence.models.get("rows"))
        return lottery.strategy.conditional_propensities(lottery.scores, order, lottery.pinned)
    except MarqueeError as error:
        evidence.notes.append(f"probabilities of rows cannot be recomputed: {_said(error)}")
        return None


def _taken_apart(
    evidence: _Evidence,
    surface: Surface,
    score: float,
    groups: Mapping[str, Callable[[], Named]],
) -> _Taken:
    """Take a score apart, while the decision's bound on that is not used up."""
    model = evidence.models[surface]
    if evidence.crosses_left <= 0:
        return _Taken([], score)
    known = {CONTEXT: evidence.context, **{name: make() for name, make in groups.items()}}
    evidence.crosses_left -= crosses(model.shape, known)
    if evidence.crosses_left <= 0:
        evidence.notes.append(
            f"more than {CROSSES_MAX:,} contributions: scores from here on are not taken apart"
        )
        return _Taken([], score)
    found: Contributions = contributions(model.arrays.weights, model.shape, known, _ALIKE[surface])
    largest = found.largest(CONTRIBUTIONS_MAX)
    return _Taken(largest, score - sum(one.value for one in largest), found.alike)


def _compare(evidence: _Evidence, titles: list[ExplainedTitle], rows: list[ExplainedRow]) -> bool:
    """Tell whether recomputed probabilities equal those logged, and note where they do not."""
    logged = [(title.propensity, _shown_probability(title)) for title in titles]
    logged += [(row.propensity, row.probability) for row in rows]
    unknown = sum(found is None for _, found in logged)
    differing = sum(
        found is not None and abs(found - propensity) > TOLERANCE for propensity, found in logged
    )
    record = evidence.record
    name = Policy(evidence.config).name
    if differing:
        by = f", it was decided by {record.policy} and not {name}" if name != record.policy else ""
        evidence.notes.append(
            f"{differing} of {len(logged)} logged probabilities differ from those recomputed under "
            f"today's settings: exploration, shares or the baseline were changed since{by}"
        )
    gone = [title.id for title in titles if not title.artworks]
    if gone:
        evidence.notes.append(f"catalog {record.catalog} lacks titles, such as {gone[0]!r}")
    return not unknown and not differing


def _shown_probability(title: ExplainedTitle) -> float | None:
    return next((one.probability for one in title.artworks if one.id == title.artwork), None)


def _artwork_ids(titles: PageTitles) -> list[list[str]]:
    """Return the ids of each title's artworks, in the order of their columns."""
    ids: list[list[str]] = [[] for _ in titles.ids]
    for part in titles.parts:
        places = range(len(titles.ids)) if part.places is None else part.places.tolist()
        for place, index in zip(places, part.titles.tolist(), strict=True):
            start, end = part.catalog.artwork_offsets[index : index + 2].tolist()
            ids[place] = list(part.catalog.artwork_ids[start:end])
    return ids


def _plain_titles(record: DecisionRecord) -> list[ExplainedTitle]:
    """Return what the record itself says of its titles."""
    row_of: dict[str, str] = {}
    for row in record.rows:
        for title in row.titles:
            row_of.setdefault(title, row.id)
    return [
        ExplainedTitle(choice.title, row_of.get(choice.title), choice.artwork, choice.propensity)
        for choice in record.titles
    ]


def _plain_rows(record: DecisionRecord) -> list[ExplainedRow]:
    return [ExplainedRow(row.id, row.position, row.propensity, row.pinned) for row in record.rows]


def _title_ids(record: DecisionRecord) -> list[str]:
    return [choice.title for choice in record.titles]


def _row_ids(record: DecisionRecord) -> list[str]:
    return [row.id for row in record.rows]


def _said(error: Exception) -> str:
    return error.message if isinstance(error, MarqueeError) else str(error)
