"""What decisions are made from, and for whom: the words that both surfaces share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np

from bandit.catalog import Catalog
from bandit.engine import ModelArrays
from bandit.errors import ModelError
from bandit.features import Encoded
from bandit.scoring import ModelShape
from bandit.types import LineName, Surface

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A verified snapshot, ready to score."""

    version: str
    shape: ModelShape
    arrays: ModelArrays
    created_at_us: int = 0


@dataclass(frozen=True, slots=True)
class Serving:
    """What decisions are made from: swapped as a whole, between requests."""

    catalog: Catalog
    models: Mapping[Surface, ServedModel] = field(default_factory=dict)
    line: LineName = "champion"
    """Whose models they are, and whose policy is to decide by them."""


class Asker(NamedTuple):
    """Whose page it is, and how draws for it are keyed."""

    who: str
    """The viewer, or the decision where no viewer is known."""
    now_us: int
    context: Encoded


def with_model(
    surface: Surface, usable: dict[Surface, ServedModel], attempt: Callable[[ServedModel | None], T]
) -> T:
    """Return an attempt's outcome; without the model, and so told, where its scores are no use."""
    model = usable.get(surface)
    if model is not None:
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                return attempt(model)
        except ModelError:
            del usable[surface]
    return attempt(None)
