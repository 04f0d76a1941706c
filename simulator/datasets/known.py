"""Data sets that a name suffices for: what they are, where they are looked for, how to get them.

They are looked for in the directory that ``MARQUEE_DATA`` names, then in ``data`` below the working
directory; the sample that comes with the project, in ``examples/logged``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NamedTuple

from simulator.errors import MissingDataError

DATA_VARIABLE: Final = "MARQUEE_DATA"
"""Environment variable that names the directory of data sets."""

_EXAMPLES: Final = Path(__file__).parents[2] / "examples"


class DatasetInfo(NamedTuple):
    """A data set that is known by name."""

    name: str
    title: str
    format: str
    """As ``open_source`` knows it."""
    licence: str
    citation: str
    description: str
    fetch: str
    """How to get it."""
    folder: str
    """Where it lies below the directory of data sets, or below ``examples/``."""
    shipped: bool = False
    """It comes with the project."""

    def where(self) -> Path:
        """Return where it lies.

        Raises:
            MissingDataError: it is not in any of the places; the hint tells how to get it.
        """
        places = [_EXAMPLES / self.folder] if self.shipped else _places(self.folder)
        for place in places:
            if place.exists():
                return place
        raise MissingDataError(
            f"the data set {self.name} is not at {' or '.join(map(str, places))}", hint=self.fetch
        )


def _places(folder: str) -> list[Path]:
    named = os.environ.get(DATA_VARIABLE)
    roots = [Path(named)] if named else []
    return [root / folder for root in (*roots, Path("data"))]


_OBD_FETCH: Final = (
    "download the folder obd/ of https://github.com/st-tech/zr-obp (small version), or the whole "
    "data from https://research.zozo.com/data.html, and name the directory that holds obd/ by "
    f"{DATA_VARIABLE}"
)
_OBD_CITATION: Final = (
    "Saito, Aihara, Matsutani and Narita: Open Bandit Dataset and Pipeline: Towards Realistic and "
    "Reproducible Off-Policy Evaluation. NeurIPS Datasets and Benchmarks, 2021 (arXiv 2008.07146)"
)
_OBD_LICENCE: Final = (
    "the small version stands in a repository under Apache-2.0; the whole data has terms of its own"
)
_OBD_POLICIES: Final = {"random": "uniform choices", "bts": "Bernoulli Thompson sampling"}
_OBD_ITEMS: Final = {"men": 34, "women": 46}


def _open_bandit(policy: str, campaign: str) -> DatasetInfo:
    return DatasetInfo(
        name=f"obd/{policy}/{campaign}",
        title=f"Open Bandit Dataset, {campaign}, {_OBD_POLICIES[policy]}",
        format="obd",
        licence=_OBD_LICENCE,
        citation=_OBD_CITATION,
        description=f"Fashion recommendations at three positions, {_OBD_ITEMS[campaign]} items, "
        f"clicks as rewards, logged by {_OBD_POLICIES[policy]}; 10,000 rows in the small version.",
        fetch=_OBD_FETCH,
        folder=f"obd/{policy}/{campaign}",
    )


DATASETS: Final[list[DatasetInfo]] = [
    DatasetInfo(
        name="sample",
        title="A log of the example service",
        format="export",
        licence="BSD-3-Clause, as the project",
        citation="none",
        description="Pages that the example service served to simulated viewers, with what they "
        "clicked and played: exported by `marquee log export`.",
        fetch="it comes with the project's repository, under examples/logged",
        folder="logged",
        shipped=True,
    ),
    *(_open_bandit(policy, campaign) for campaign in _OBD_ITEMS for policy in _OBD_POLICIES),
    DatasetInfo(
        name="deezer-carousel",
        title="Deezer's carousels: playlists and a few users",
        format="deezer",
        licence="none stated in the repository; ask before passing it on",
        citation="Bendada, Salha and Bontempelli: Carousel Personalization in Music Streaming "
        "Apps with Contextual Bandits. RecSys 2020 (arXiv 2009.06546)",
        description="Features of 862 playlists and nine users, from which the chance of a stream "
        "follows: for the environment `carousel`; it holds no logged choices.",
        fetch="download data/playlist_features.csv and data/user_features_small.csv of "
        "https://github.com/deezer/carousel_bandits into deezer_carousel/ below the directory "
        f"that {DATA_VARIABLE} names",
        folder="deezer_carousel",
    ),
]


def find_dataset(name: str) -> DatasetInfo | None:
    """Return the data set of that name, None if there is none."""
    return next((one for one in DATASETS if one.name == name), None)
