"""Weights under names: which feature or cross a weight belongs to, and which matter most."""

from __future__ import annotations

import numpy as np
import pytest

from bandit import weight_names
from bandit.engine import ModelArrays
from bandit.features import CONSTANT_HASH, CROSS_PRIME, feature_hash
from bandit.scoring import ModelShape
from bandit.types import Features
from bandit.vocabularies import Vocabulary, gather
from bandit.weight_names import named_weights

BITS = 16
MASK = (1 << BITS) - 1
SHAPE = ModelShape("artwork", BITS, (("context", "artwork"), ("context", "title", "artwork")), True)
CONTEXTS: list[Features] = [{"device": "tv", "hour": 20.0}, {"device": "phone", "hour": 10.0}]
TITLES: list[Features] = [{"genre": "New York noir"}, {}, {}, {}]
ARTWORKS: list[Features] = [{"mood": "eerie"}, {"mood": "eerie"}, {"mood": "calm"}, {"tags": ["x"]}]
WORDS = {"context": gather(CONTEXTS), "title": gather(TITLES), "artwork": gather(ARTWORKS)}


def place_of(*features: tuple[str, str]) -> int:
    place = 0
    for namespace, token in features:
        place = ((place * CROSS_PRIME) ^ feature_hash(namespace, token)) & 0xFFFFFFFF
    return place & MASK


def arrays(weights: dict[int, float]) -> ModelArrays:
    table = np.zeros(1 << BITS, np.float32)
    for place, weight in weights.items():
        table[place] = weight
    return ModelArrays(table, np.full(1 << BITS, 0.25, np.float32))


@pytest.mark.parametrize(
    ("features", "name"),
    [
        ([("artwork", "mood=eerie")], "artwork.mood=eerie"),
        ([("context", "hour")], "context.hour"),
        ([("title", "genre=New%20York%20noir")], "title.genre=New York noir"),
        ([("context", "device=tv"), ("artwork", "mood=calm")],
         "context.device=tv × artwork.mood=calm"),
        ([("context", "hour"), ("title", "genre=New%20York%20noir"), ("artwork", "tags=x")],
         "context.hour × title.genre=New York noir × artwork.tags=x"),
    ],
)  # fmt: skip
def test_a_weight_is_found_under_its_name(features: list[tuple[str, str]], name: str) -> None:
    found = named_weights(arrays({place_of(*features): -0.5}), SHAPE, WORDS, most=50)
    assert [(one.feature, one.weight, one.deviation) for one in found.weights] == [
        (name, -0.5, 0.5)
    ]
    assert (found.named, found.unnamed) == (1, 0)


def test_the_constant_has_a_name_and_strangers_have_none() -> None:
    strange = place_of(("artwork", "never=seen"))
    found = named_weights(arrays({CONSTANT_HASH & MASK: 0.1, strange: 9.0}), SHAPE, WORDS, most=50)
    assert [one.feature for one in found.weights] == ["constant"]
    assert (found.named, found.unnamed) == (1, 1)


def test_what_is_used_more_matters_more() -> None:
    eerie, calm = place_of(("artwork", "mood=eerie")), place_of(("artwork", "mood=calm"))
    hour = place_of(("context", "hour"))
    given = arrays({eerie: 1.0, calm: 1.5, hour: 0.1})
    found = named_weights(given, SHAPE, WORDS, most=50)
    # 0.1 × 15, 1.0 × 1/2, 1.5 × 1/4
    assert [one.feature for one in found.weights] == [
        "context.hour", "artwork.mood=eerie", "artwork.mood=calm"
    ]  # fmt: skip
    assert named_weights(given, SHAPE, WORDS, most=1).weights == found.weights[:1]


def test_the_least_used_go_without_where_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(weight_names, "TERM_MAX", 3)
    rare, common = (("artwork", f"mood={mood}") for mood in ("calm", "eerie"))
    tv = ("context", "device=tv")
    hour = ("context", "hour")
    given = arrays({place_of(hour, common): 1.0, place_of(tv, rare): 1.0})
    found = named_weights(given, SHAPE, WORDS, most=50)
    assert [one.feature for one in found.weights] == ["context.hour × artwork.mood=eerie"]
    assert (found.named, found.unnamed) == (1, 1)


def test_a_vocabulary_tells_the_mean_use() -> None:
    things: list[Features] = [{"a": -2.0, "b": "x"}, {"b": "x", "c": [0.0, 3.0]}, {}, {}]
    assert gather(things) == Vocabulary(["c[1]", "a", "b=x"], [0.75, 0.5, 0.5])
    assert gather(things, most=1).tokens == ["c[1]"]
    assert gather([]) == Vocabulary([], [])
