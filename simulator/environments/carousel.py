"""``carousel``: Deezer's published model of listeners and playlists (Bendada et al., 2020).

A session shows 12 of 862 playlists side by side, three of them visible at first. A user streams a
playlist that is seen with the probability

    sigmoid([user, 1] · playlist),

goes through the slots in turn, and stops at the first stream: a session earns 1 or 0. Policies
see what came of a batch only when all of it is over: a batch is one round of the paper.

``behaviour="as_documented"``: the three visible slots are looked at in any order, the others from
left to right, and of a session without a stream only the visible slots count as seen.

``behaviour="as_coded"`` has the two faults of the published code: its test for "no stream" is
never true, so that all slots of such a session count as seen; and its shuffle of the visible slots
permutes as many users at the head of a batch instead, who then see each other's lists.

``users="nine"`` are the nine users that the data hold, all of one segment. ``users="synthetic"``
are drawn around them: with nine users u₁ … u₉ of mean μ and standard deviation σ by dimension,

    user = μ + √(1 - s) · Σ zₖ (uₖ - μ) / √8 + √s · σ ∘ e,   z and e standard normal, s = 0.3,

which has the nine's variance in every dimension, keeps most of how they vary together, and is not
confined to the eight directions that nine points span. A synthetic user's segment is the nearest
of the nine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta

from bandit.catalog import CatalogDocument
from bandit.reward import RewardRule
from bandit.types import Features, Float32Array, FloatArray, IndexArray, Page, PageRow, Row
from simulator.datasets.deezer import DeezerData, load_deezer
from simulator.datasets.known import find_dataset
from simulator.environments.browsing import Browsing
from simulator.environments.frame import BatchedEnvironment
from simulator.errors import MissingDataError, SimulationError
from simulator.pages import Displays, Expected, Items, Pages, Served
from simulator.streams import FAULTS, WORLD, stream

DATASET: Final = "deezer-carousel"
OWN_SHARE: Final = 0.3
"""The s of the module's formula."""
STREAM_S: Final = 180.0
"""Seconds that a stream is told to have lasted; they earn nothing."""
RULE: Final = RewardRule(click=0.0, play=1.0, play_fraction=0.0, quick_abandon_s=0.0)
"""A stream earns 1."""


class CarouselSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Settings of ``carousel``."""

    directory: Annotated[
        str, Meta(description="Where Deezer's two files lie; empty: where data sets are.")
    ] = ""
    users: Annotated[
        Literal["nine", "synthetic"],
        Meta(description="The data's nine users, or many drawn around them."),
    ] = "nine"
    population: Annotated[int, Meta(ge=1, description="How many synthetic users there are.")] = (
        10_000
    )
    behaviour: Annotated[
        Literal["as_documented", "as_coded"],
        Meta(description="As the paper has it, or with the two faults of its code."),
    ] = "as_documented"
    slots: Annotated[int, Meta(ge=1, le=862, description="Playlists shown in a session.")] = 12
    visible: Annotated[int, Meta(ge=1, description="Slots that are visible at first.")] = 3
    page_every_s: Annotated[float, Meta(gt=0, description="Seconds between two sessions.")] = 1.0
    world_seed: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Draws the synthetic users; unset: the seed of each run does."),
    ] = None


class Carousel(BatchedEnvironment):
    """The environment; see the module."""

    name = "carousel"

    def __init__(
        self,
        pages: int,
        batch: int,
        settings: CarouselSettings | None = None,
        *,
        data: DeezerData | None = None,
    ) -> None:
        """Make the environment, of given data or of the files that the settings name.

        Raises:
            MissingDataError: the files are not there; the hint tells how to get them.
        """
        settings = settings or CarouselSettings()
        super().__init__(pages, batch, settings.page_every_s)
        self.settings = settings
        data = data or _load(settings.directory)
        self._playlists = np.asarray(data.playlists, np.float64)
        self._nine = np.asarray(data.users, np.float64)
        self.rule = RULE
        self.document = _document(self._playlists)
        self._asked = [PageRow(row.id) for row in self.document.rows]
        nothing = np.zeros((0, 0), np.float32)
        self.items = Items(np.zeros(1, np.intp), nothing, self._playlists.astype(np.float32))
        self.context_names = tuple(f"user[{at}]" for at in range(self._nine.shape[1]))
        count = 1 if settings.users == "nine" else len(self._nine)
        self.segment_names = tuple(f"segment-{code}" for code in range(count))
        self._browsing = Browsing(
            settings.slots, min(settings.visible, settings.slots), settings.behaviour
        )
        self._world: int | None = None
        self._users: Float32Array
        self._segments: IndexArray
        self.chances: FloatArray
        """Shape (users, playlists): P(stream | seen) of the run under way."""
        self._best: IndexArray | None = None

    def _begin(self, seed: int) -> None:
        world = seed if self.settings.world_seed is None else self.settings.world_seed
        if self.settings.users == "nine":
            world = 0
        if world == self._world:
            return
        users, self._segments = self._nine, np.zeros(len(self._nine), np.intp)
        if self.settings.users == "synthetic":
            random = stream(world, WORLD)
            users, self._segments = draw_users(self._nine, self.settings.population, random)
        self._users = users.astype(np.float32)
        self.chances = stream_chances(users, self._playlists)
        self._world, self._best = world, None

    def _visits(self, first: int, count: int, random: np.random.Generator) -> Pages:
        viewers = random.integers(0, len(self._users), count)
        every = np.arange(len(self._playlists), dtype=np.int32)
        return Pages(
            first=first,
            now_us=self._instants(first, count),
            viewers=viewers,
            contexts=self._users[viewers],
            segments=self._segments[viewers].astype(np.int32),
            rows=np.broadcast_to(every, (count, len(every))),
            titles=np.zeros((count, len(every), 0), np.int32),
            rows_served=self.settings.slots,
        )

    def _looking(self, pages: Pages) -> IndexArray:
        """Return (m,): who looks at each list; as coded, the first few at each other's."""
        viewers = pages.viewers.astype(np.intp)
        if self.settings.behaviour == "as_coded":
            count = min(self.settings.visible, len(viewers))
            random = stream(self.seed, FAULTS, pages.first)
            viewers[:count] = viewers[random.permutation(count)]
        return viewers

    def _chances(self, pages: Pages, served: Served) -> FloatArray:
        """Return (m, slots): P(stream | seen) of what stands in each slot."""
        if served.order.min() < 0:
            raise SimulationError(
                "a session's slots are not all filled",
                hint=f"serve {self.settings.slots} of the {len(self._asked)} playlists",
            )
        return np.asarray(self.chances[self._looking(pages)[:, None], served.order])

    def _respond(self, pages: Pages, served: Served, random: np.random.Generator) -> Displays:
        chances = self._chances(pages, served)
        seen, streamed = self._browsing.draw(chances, random)
        page, position = np.nonzero(seen)
        played = streamed[page, position]
        return Displays(
            page=page.astype(np.int32),
            position=position.astype(np.int32),
            column=np.zeros(len(page), np.int32),
            clicked=played,
            played=played,
            seconds=(STREAM_S * played).astype(np.float32),
            fraction=played.astype(np.float32),
            reward=played.astype(np.float64),
            delay_s=np.zeros(len(page), np.float32),
        )

    def page(self, pages: Pages, index: int) -> Page:
        """Return one session as a request: the user's vector, and rows without titles."""
        context: Features = {
            "user": pages.contexts[index].tolist(),
            "segment": self.segment_names[pages.segments[index]],
        }
        return Page(
            viewer_id=f"user-{pages.viewers[index]}",
            context=context,
            rows=self._asked,
            max_rows=pages.rows_served,
        )

    def expected(self, pages: Pages, served: Served) -> Expected:
        """Return what a served batch of this run earns on average: exact, given these users.

        Raises:
            SimulationError: no run was started.
        """
        _ = self.seed
        return self._browsing.expected(self._chances(pages, served))

    def best(self, pages: Pages) -> Served:
        """Return each user's likeliest playlists: no other list earns more a session.

        A session earns 1 - Π (1 - p), which grows with every p in it.

        Raises:
            SimulationError: no run was started.
        """
        _ = self.seed
        if self._best is None:
            self._best = np.argsort(-self.chances, axis=1, kind="stable")[:, : self.settings.slots]
        order = self._best[pages.viewers].astype(np.int32)
        none = np.zeros(pages.titles.shape, np.int32)
        return Served(order, np.ones(order.shape), none, np.ones(none.shape))


def stream_chances(users: FloatArray, playlists: FloatArray) -> FloatArray:
    """Return (users, playlists): P(stream | seen), from (users, d) and (playlists, d + 1)."""
    odds = users @ playlists[:, :-1].T + playlists[:, -1]
    return np.asarray(1 / (1 + np.exp(-odds)))


def draw_users(
    nine: FloatArray, count: int, random: np.random.Generator
) -> tuple[FloatArray, IndexArray]:
    """Draw (count, d) users around some, by the module's formula, and (count,) the nearest."""
    mean = nine.mean(axis=0)
    together = random.normal(0, 1, (count, len(nine))) @ (nine - mean) / np.sqrt(len(nine) - 1)
    own = random.normal(0, 1, (count, nine.shape[1])) * nine.std(axis=0, ddof=1)
    users = mean + np.sqrt(1 - OWN_SHARE) * together + np.sqrt(OWN_SHARE) * own
    distance = np.square(nine).sum(axis=1) - 2 * users @ nine.T
    return users, distance.argmin(axis=1)


def _load(directory: str) -> DeezerData:
    if directory:
        return load_deezer(Path(directory))
    known = find_dataset(DATASET)
    if known is None:
        raise MissingDataError(
            f"the data set {DATASET} is not known", hint="give `directory` with its two files"
        )
    return load_deezer(known.where())


def _document(playlists: FloatArray) -> CatalogDocument:
    rows = [
        Row(f"playlist-{at:03d}", {"playlist": [float(part) for part in features]})
        for at, features in enumerate(playlists)
    ]
    return CatalogDocument([], rows)
