"""``logged``: a real log as an environment, by rejection (Li, Chu, Langford and Wang, 2011).

Logged rounds are offered one after the other. Where the policy chooses what was logged, the round
is accepted: it becomes a display with the logged reward, and the policy may learn from it. All
other rounds show nothing. If the log was written by choosing uniformly out of sets of one size,
what is accepted is distributed as if the policy had run for real.

Logs of other policies, or of sets of several sizes, are replayed too: a round that matches is kept
with the probability c / p, with p its logged propensity and c the smallest of the log, so that
every choice of the policy is accepted with the same probability c (rejection sampling, as in
Mandel et al., 2016). A log whose c would leave fewer than ``ACCEPTED_MIN`` rounds is refused:
importance weighting makes more of it.

What a viewer would have done with anything else is not known, so there is no true value and no
best choice.

Each page is one row with one title. Rounds with one action set have one title, and the artworks
of a title are the actions of its set.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta

from bandit.catalog import CatalogDocument
from bandit.reward import RewardRule
from bandit.types import Artwork, Float32Array, IndexArray, Page, PageRow, Row, Title
from simulator.datasets.registry import concatenate, open_source
from simulator.environments.frame import BatchedEnvironment
from simulator.errors import SimulationError
from simulator.logged import CodeArray, LoggedChoices
from simulator.pages import Displays, Expected, Items, Pages, Served
from simulator.streams import ORDERS, stream

ACCEPTED_MIN: Final = 30
RULE: Final = RewardRule(click=0.0, play=0.0, play_fraction=1.0, quick_abandon_s=0.0)
"""A logged reward is told as the fraction of a play."""
_ROW: Final = "logged"


class ReplayedSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Settings of ``logged``."""

    log: Annotated[str, Meta(description="Path of logged choices, or the name of a data set.")] = (
        "sample"
    )
    format: Annotated[
        str, Meta(description="Format of the log, as `marquee-sim datasets` has it; empty: guess.")
    ] = ""
    shuffled: Annotated[
        bool, Meta(description="Offer rounds in an order drawn from the seed, not the log's.")
    ] = False
    page_every_s: Annotated[float, Meta(gt=0, description="Seconds between two rounds.")] = 1.0


class Replayed(BatchedEnvironment):
    """The environment; see the module."""

    name = "logged"

    def __init__(
        self,
        pages: int,
        batch: int,
        settings: ReplayedSettings | None = None,
        *,
        logged: LoggedChoices | None = None,
    ) -> None:
        """Make the environment, of given rounds or of the log that the settings name.

        A run has no more pages than the log has rounds.

        Raises:
            MissingDataError: there is no such log.
            SimulationError: the log cannot be replayed.
        """
        settings = settings or ReplayedSettings()
        logged = _read(settings) if logged is None else logged
        _check(logged)
        super().__init__(min(pages, len(logged)), batch, settings.page_every_s)
        self.settings = settings
        self.rule = RULE
        self._logged = logged
        self._rarest = float(logged.propensity.min())
        sets, self._set_of = _action_sets(logged)
        self.document = _document(logged, sets)
        self.items = _items(logged, sets)
        self._counts = np.diff(self.items.artwork_offsets)
        self._contexts, self.context_names = _contexts(logged)
        segments = 1 if logged.segment is None else int(logged.segment.max(initial=0)) + 1
        named = tuple(logged.names.segments)
        self.segment_names = named or tuple(f"segment-{code}" for code in range(segments))
        self._rounds: IndexArray = np.arange(len(logged))

    def _begin(self, seed: int) -> None:
        if self.settings.shuffled:
            self._rounds = stream(seed, ORDERS).permutation(len(self._logged))

    def _visits(self, first: int, count: int, random: np.random.Generator) -> Pages:
        at = self._rounds[first : first + count]
        logged = self._logged
        nobody = np.zeros(count, np.int32)
        return Pages(
            first=first,
            now_us=self._instants(first, count),
            viewers=at.astype(np.int64) if logged.cluster is None else logged.cluster[at],
            contexts=self._contexts[at],
            segments=nobody if logged.segment is None else logged.segment[at],
            rows=np.zeros((count, 1), np.int32),
            titles=self._set_of[at].reshape(count, 1, 1),
            rows_served=1,
        )

    def _respond(self, pages: Pages, served: Served, random: np.random.Generator) -> Displays:
        at = self._rounds[pages.first : pages.first + pages.size]
        chosen = served.artworks[:, 0, 0]
        if ((chosen < 0) | (chosen >= self._counts[pages.titles[:, 0, 0]])).any():
            raise SimulationError(
                "artworks served are none of their titles'",
                hint="choose one of the actions of each round's set, from 0",
            )
        kept = random.random(pages.size) * self._logged.propensity[at] <= self._rarest
        accepted = (chosen == self._logged.action[at]) & (served.order[:, 0] == 0) & kept
        page = np.flatnonzero(accepted).astype(np.int32)
        reward = self._logged.reward[at[page]]
        touched = reward > 0
        none = np.zeros(len(page), np.int32)
        return Displays(
            page=page,
            position=none,
            column=none.copy(),
            clicked=touched,
            played=touched.copy(),
            seconds=touched.astype(np.float32),
            fraction=reward.astype(np.float32),
            reward=reward,
            delay_s=np.zeros(len(page), np.float32),
        )

    def page(self, pages: Pages, index: int) -> Page:
        """Return one round as a request: the context as one vector, one row, one title."""
        title = self.document.titles[int(pages.titles[index, 0, 0])]
        return Page(
            viewer_id=f"viewer-{pages.viewers[index]}",
            context={"x": [float(value) for value in pages.contexts[index]]},
            rows=[PageRow(_ROW, titles=[title.id])],
        )

    def expected(self, pages: Pages, served: Served) -> Expected:
        """Refuse.

        Raises:
            SimulationError: always.
        """
        raise SimulationError(
            "a log does not know its truth",
            hint="judge policies on it by `marquee-sim evaluate`, or simulate in `homepage`",
        )

    def best(self, pages: Pages) -> Served:
        """Refuse.

        Raises:
            SimulationError: always.
        """
        raise SimulationError(
            "a log does not know what would have been best",
            hint="leave out the oracle, or simulate in `homepage`",
        )


def _read(settings: ReplayedSettings) -> LoggedChoices:
    source = open_source(settings.log, format=settings.format or None)
    return concatenate(source.choices())


def _check(logged: LoggedChoices) -> None:
    if logged.propensity_source != "logged":
        raise SimulationError(
            "the log's propensities are estimated, and replay is right only with those logged",
            hint="judge policies on it by `marquee-sim evaluate`, which marks such estimates",
        )
    if ((logged.reward < 0) | (logged.reward > 1)).any():
        raise SimulationError(
            "the log has rewards outside [0, 1]", hint="scale its rewards to [0, 1]"
        )
    accepted = len(logged) * float(logged.propensity.min(initial=1.0))
    if accepted < ACCEPTED_MIN:
        raise SimulationError(
            f"replay would accept about {accepted:.1f} of the {len(logged)} rounds: "
            "the smallest propensity decides",
            hint="replay a log of uniform choices, or judge policies by `marquee-sim evaluate`",
        )


def _action_sets(logged: LoggedChoices) -> tuple[list[IndexArray], CodeArray]:
    """Return the distinct action sets, as item codes, and (n,) which of them each round has."""
    if logged.candidates is None:
        return [np.arange(logged.action_count)], np.zeros(len(logged), np.int32)
    distinct, set_of = np.unique(logged.candidates, axis=0, return_inverse=True)
    sets = [np.asarray(codes[codes >= 0], np.intp) for codes in distinct]
    return sets, set_of.reshape(-1).astype(np.int32)


def _document(logged: LoggedChoices, sets: list[IndexArray]) -> CatalogDocument:
    names = logged.names.items
    titles = []
    for place, codes in enumerate(sets):
        ids = [names[code] if names else f"item-{code}" for code in codes.tolist()]
        titles.append(Title(f"set-{place}", [Artwork(name, {"item": name}) for name in ids]))
    return CatalogDocument(titles, [Row(_ROW, {}, [title.id for title in titles])])


def _items(logged: LoggedChoices, sets: list[IndexArray]) -> Items:
    codes = np.concatenate(sets)
    if logged.item_features is not None:
        features = logged.item_features[codes]
    else:
        features = np.eye(int(codes.max()) + 1, dtype=np.float32)[codes]
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in sets])]).astype(np.intp)
    return Items(offsets, features, np.ones((1, 1), np.float32))


def _contexts(logged: LoggedChoices) -> tuple[Float32Array, tuple[str, ...]]:
    """Return (n, d) contexts, with the position one-hot where it is known, and columns' names."""
    count = len(logged)
    parts = [] if logged.context is None else [logged.context]
    names = list(logged.names.contexts)
    if logged.context is not None and not names:
        names = [f"x[{at}]" for at in range(logged.context.shape[1])]
    if logged.position is not None:
        positions = int(logged.position.max(initial=0)) + 1
        parts.append(np.eye(positions, dtype=np.float32)[logged.position])
        names += [f"position={at}" for at in range(positions)]
    if not parts:
        return np.zeros((count, 0), np.float32), ()
    return np.hstack(parts).astype(np.float32), tuple(names)
