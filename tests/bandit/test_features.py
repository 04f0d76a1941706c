from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import vowpal_wabbit_next as vw
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit import features
from bandit.features import Encoded, encode, encode_id, encode_position, stack, to_vw_text
from bandit.types import Features, FeatureValue

BITS = 18
MASK = (1 << BITS) - 1

names = st.text("abcXYZ019_.@/-", min_size=1, max_size=8) | st.text(
    "0123456789", min_size=1, max_size=24
)
numbers = st.just(0.0) | st.floats(2**-20, 1e9) | st.floats(-1e9, -(2**-20))
texts = st.text(max_size=12) | st.sampled_from(["New York", "a|b", "a:1", "50%", "12", "\n\t", ""])
values = numbers | texts | st.lists(numbers, max_size=5) | st.lists(texts, max_size=5)
feature_maps = st.dictionaries(names, values, max_size=6)


@pytest.fixture(scope="module")
def parser() -> vw.TextFormatParser:
    return vw.TextFormatParser(vw.Workspace(["--quiet", "-b", str(BITS)]))


def parsed_by_vw(parser: vw.TextFormatParser, namespace: str, given: Features) -> Encoded:
    line = parser.parse_line(to_vw_text(namespace, given))
    assert isinstance(line, vw.Example)
    group = line[ord(namespace[0])]
    return Encoded(np.array(group.indices, np.uint32), np.array(group.values, np.float32))


@settings(max_examples=300, deadline=None)
@given(namespace=st.sampled_from(["context", "title", "artwork", "row", "id"]), given=feature_maps)
def test_encodes_as_vws_text_parser_does(
    parser: vw.TextFormatParser, namespace: str, given: Features
) -> None:
    ours = encode(namespace, given)
    theirs = parsed_by_vw(parser, namespace, given)
    np.testing.assert_array_equal(ours.hashes & MASK, theirs.hashes)
    np.testing.assert_allclose(ours.values, theirs.values, rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ({"n": 0.0}, 0),
        ({"n": 1e-60}, 0),
        ({"n": -0.5}, 1),
        ({"s": ""}, 1),
        ({"v": [1.0, 0.0, 3.0]}, 2),
        ({"s": ["a", "b", "a"]}, 2),
        ({"v": []}, 0),
        ({}, 0),
    ],
)
def test_each_kind_of_feature_gives_so_many(given: Features, count: int) -> None:
    encoded = encode("context", given)
    assert len(encoded.hashes) == len(encoded.values) == count
    assert (encoded.values != 0).all()


def test_the_index_of_a_vectors_item_does_not_depend_on_zeros_before_it() -> None:
    with_zero = encode("context", {"v": [0.0, 2.0]})
    without = encode("context", {"v": [1.0, 2.0]})
    assert with_zero.hashes[0] == without.hashes[1]


def test_a_namespace_seeds_its_features() -> None:
    assert encode("title", {"a": 1.0}).hashes != encode("artwork", {"a": 1.0}).hashes


def test_digits_alone_are_added_to_the_namespaces_hash() -> None:
    seed = features.namespace_hash("context")
    assert features.feature_hash("context", "12") == (seed + 12) & 0xFFFFFFFF
    assert features.feature_hash("context", "١٢") != (seed + 12) & 0xFFFFFFFF


def test_identities_and_positions_are_categories() -> None:
    assert encode_id("a").values.tolist() == [1.0]
    assert encode_id("a").hashes != encode_id("b").hashes
    assert encode_position(0).values.tolist() == [1.0]
    assert encode_position(0).hashes != encode_position(1).hashes


@settings(max_examples=50)
@given(things=st.lists(feature_maps, min_size=1, max_size=5))
def test_stacking_keeps_every_feature(things: list[Features]) -> None:
    encoded = [encode("artwork", thing) for thing in things]
    matrix = stack(encoded)
    assert matrix.hashes.shape == matrix.values.shape
    for index, one in enumerate(encoded):
        for kept, wanted in zip(matrix.one(index), one, strict=True):
            np.testing.assert_array_equal(kept, wanted)
    chosen = matrix.take([len(things) - 1, 0])
    np.testing.assert_array_equal(chosen.one(1).hashes, encoded[0].hashes)


def test_special_characters_cannot_forge_a_second_feature(parser: vw.TextFormatParser) -> None:
    theirs = parsed_by_vw(parser, "context", {"city": "a b:7 |artwork c\n1 |context d"})
    assert len(theirs.hashes) == 1
    assert theirs.values.tolist() == [1.0]


@pytest.mark.parametrize("value", ["unseen", ["unseen in a set", "and another"]])
def test_a_string_is_kept_once(value: FeatureValue) -> None:
    others = (features.string_token, features.feature_hash)
    before = [cache.cache_info().currsize for cache in others]
    kept = features.string_hash.cache_info().currsize
    hashes = encode("context", {"kept once": value}).hashes
    assert [cache.cache_info().currsize for cache in others] == before
    assert features.string_hash.cache_info().currsize == kept + len(hashes)
    wanted = [
        features.feature_hash("context", token) for token, _ in features.tokens("kept once", value)
    ]
    assert hashes.tolist() == wanted


@pytest.mark.parametrize("value", ["long " * 50, ["long " * 50], ["\U0001f3ac" * 256]])
def test_what_is_long_is_hashed_alike_and_not_kept(value: FeatureValue) -> None:
    kept = (features.string_token, features.feature_hash, features.string_hash)
    before = [cache.cache_info().currsize for cache in kept]
    (found,) = encode("context", {"a": value}).hashes.tolist()
    assert [cache.cache_info().currsize for cache in kept] == before
    text = value if isinstance(value, str) else "".join(map(str, cast("list[str]", value)))
    assert found == features.string_hash("context", "a", text)
