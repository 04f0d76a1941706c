"""``supervised``: classification data as a contextual bandit (Bietti, Agarwal and Langford, 2021).

A round shows the features of one example; the actions are the classes; the right class earns 1,
any other 0, and only the class chosen is told about. Each round is a page of one row with one
title, whose K artworks are the classes, and every page is seen. The examples come in a random
order, again and again in other orders where a run is longer than the data.

``noise`` turns that share of labels into any class, drawn anew at each visit: the right class then
earns 1 with the probability 1 - noise + noise / K, any other with noise / K.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta

from bandit.catalog import CatalogDocument
from bandit.reward import RewardRule
from bandit.types import (
    Artwork,
    Features,
    Float32Array,
    FloatArray,
    IndexArray,
    Page,
    PageRow,
    Row,
    Title,
)
from simulator.environments.frame import BatchedEnvironment
from simulator.errors import SimulationError
from simulator.pages import Displays, Expected, Items, Pages, Served
from simulator.streams import ORDERS, stream

DataName = Literal["digits", "iris", "wine", "breast_cancer"]
RULE: Final = RewardRule(click=0.0, play=1.0, play_fraction=0.0, quick_abandon_s=0.0)
"""The right class counts as a play, which earns 1."""


class SupervisedSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Settings of ``supervised``."""

    data: Annotated[DataName, Meta(description="Which of scikit-learn's bundled data.")] = "digits"
    noise: Annotated[
        float, Meta(ge=0, le=1, description="Share of labels that are drawn at random.")
    ] = 0.0
    page_every_s: Annotated[float, Meta(gt=0, description="Seconds between two rounds.")] = 1.0


class Supervised(BatchedEnvironment):
    """The environment; see the module."""

    name = "supervised"

    def __init__(self, pages: int, batch: int, settings: SupervisedSettings | None = None) -> None:
        """Make the environment.

        Raises:
            SimulationError: scikit-learn is not installed.
        """
        settings = settings or SupervisedSettings()
        super().__init__(pages, batch, settings.page_every_s)
        self.settings = settings
        self._features, self._labels, classes = load(settings.data)
        self.rule = RULE
        images = [Artwork(name, {"class": name}) for name in classes]
        title = Title(settings.data, images)
        self.document = CatalogDocument([title], [Row("classes", {}, [title.id])])
        count = len(classes)
        self.items = Items(
            np.array([0, count]), np.eye(count, dtype=np.float32), np.ones((1, 1), np.float32)
        )
        self.context_names = tuple(f"x[{at}]" for at in range(self._features.shape[1]))
        self.segment_names = ("everybody",)

    def _begin(self, seed: int) -> None:
        """Draw nothing: orders follow from the seed."""

    def _visits(self, first: int, count: int, random: np.random.Generator) -> Pages:
        examples = self._examples(first, count)
        return Pages(
            first=first,
            now_us=self._instants(first, count),
            viewers=examples.astype(np.int64),
            contexts=self._features[examples],
            segments=np.zeros(count, np.int32),
            rows=np.zeros((count, 1), np.int32),
            titles=np.zeros((count, 1, 1), np.int32),
            rows_served=1,
        )

    def _examples(self, first: int, count: int) -> IndexArray:
        """Return (count,): which example each page shows, in a new order each time round."""
        size = len(self._labels)
        rounds = range(first // size, (first + count - 1) // size + 1)
        orders = [stream(self.seed, ORDERS, n).permutation(size) for n in rounds]
        start = first - rounds[0] * size
        return np.asarray(np.concatenate(orders)[start : start + count])

    def _chances(self, pages: Pages, served: Served) -> FloatArray:
        """Return (m,): the chance that the class chosen counts as right; 0 if none was shown."""
        chosen = served.artworks[:, 0, 0]
        count = len(self.items.artworks)
        if ((chosen < 0) | (chosen >= count)).any():
            raise SimulationError(
                "artworks served are none of the classes",
                hint=f"choose one of the {count} artworks of the page's only title",
            )
        noise = self.settings.noise
        chances = (1 - noise) * (chosen == self._labels[pages.viewers]) + noise / count
        return np.where(served.order[:, 0] >= 0, chances, 0.0)

    def _respond(self, pages: Pages, served: Served, random: np.random.Generator) -> Displays:
        right = random.random(pages.size) < self._chances(pages, served)
        page = np.flatnonzero(served.order[:, 0] >= 0).astype(np.int32)
        played = right[page]
        none = np.zeros(len(page), np.int32)
        return Displays(
            page=page,
            position=none,
            column=none.copy(),
            clicked=played,
            played=played.copy(),
            seconds=played.astype(np.float32),
            fraction=played.astype(np.float32),
            reward=played.astype(np.float64),
            delay_s=np.zeros(len(page), np.float32),
        )

    def page(self, pages: Pages, index: int) -> Page:
        """Return one round as a request: the example's features, and one title."""
        context: Features = {"x": [float(value) for value in pages.contexts[index]]}
        row = self.document.rows[0]
        return Page(
            viewer_id=f"example-{pages.viewers[index]}",
            context=context,
            rows=[PageRow(row.id, titles=row.titles)],
        )

    def expected(self, pages: Pages, served: Served) -> Expected:
        """Return what a served batch of this run earns on average: exact, given these examples.

        Raises:
            SimulationError: no run was started.
        """
        _ = self.seed
        shown = (served.order[:, 0] >= 0).astype(np.float64)
        return Expected(self._chances(pages, served), shown)

    def best(self, pages: Pages) -> Served:
        """Return the right classes.

        Raises:
            SimulationError: no run was started.
        """
        _ = self.seed
        artworks = self._labels[pages.viewers].astype(np.int32)[:, None, None]
        order = np.zeros((pages.size, 1), np.int32)
        return Served(order, np.ones(order.shape), artworks, np.ones(artworks.shape))


def load(name: DataName) -> tuple[Float32Array, IndexArray, list[str]]:
    """Return features, scaled to mean 0 and standard deviation 1, labels, and classes' names.

    Raises:
        SimulationError: scikit-learn is not installed.
    """
    try:
        # Here and not at the top: who simulates homepages needs no scikit-learn.
        from sklearn import datasets
    except ImportError as error:
        raise SimulationError(
            "scikit-learn is not installed, which bundles the data",
            hint="install marquee[simulator]",
        ) from error
    found = getattr(datasets, f"load_{name}")()
    features = np.asarray(found.data, np.float64)
    spread = features.std(axis=0)
    scaled = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    classes = [str(label).replace(" ", "_") for label in found.target_names]
    return scaled.astype(np.float32), np.asarray(found.target, np.intp), classes
