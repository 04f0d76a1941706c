"""From page to decision: versions, shares, modes, stickiness, and propensities that are exact."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from bandit.catalog import Catalog, CatalogDocument, empty_catalog
from bandit.config import Config
from bandit.engine import ModelArrays
from bandit.errors import PageError, UnknownItemError
from bandit.events import DecisionRecord, decode_record, encode_record
from bandit.features import ARTWORK, feature_hash
from bandit.policy import Decision, Policy, ServedModel, Serving
from bandit.ranking import UniformOrder
from bandit.scoring import ModelShape
from bandit.types import Artwork, Page, PageRow, Row, Surface, Title

NOW_US = 1_700_000_000_000_000

DOCUMENT = CatalogDocument(
    [
        Title(f"t{title}", [Artwork(f"a{art}", {"mood": f"m{art}"}) for art in range(4)])
        for title in range(6)
    ],
    [Row(f"r{row}", {"kind": f"k{row}"}) for row in range(5)],
)
CATALOG = Catalog.build(DOCUMENT)
ROWS = [PageRow(f"r{row}", titles=[f"t{row}", "t5"]) for row in range(5)]
PAGE = Page(viewer_id="viewer", context={"age": 30}, rows=ROWS)


def configured(**surfaces: object) -> Config:
    """Return the defaults with everybody in the learned share, changed as asked."""
    everybody = {"holdout": 0.0, "explore": 0.0}
    changed = {
        name: {**everybody, **dict(msgspec.to_builtins(surfaces.get(name, {})))}
        for name in ("artwork", "rows")
    }
    return msgspec.convert({"surfaces": changed}, Config)


def model(surface: Surface, weights: dict[tuple[str, str], float]) -> ServedModel:
    shape = ModelShape(surface, 12, (), constant=False)
    table = np.zeros(1 << 12, np.float32)
    for (namespace, token), weight in weights.items():
        table[feature_hash(namespace, token) & 0xFFF] = weight
    return ServedModel(f"{surface}-1", shape, ModelArrays(table, np.full_like(table, 0.01)))


LIKES_M2 = model("artwork", {(ARTWORK, "mood=m2"): 1.0})
LIKES_K3 = model("rows", {("row", "kind=k3"): 1.0})
SERVING = Serving(CATALOG, {"artwork": LIKES_M2, "rows": LIKES_K3})


def decide(page: Page = PAGE, config: Config | None = None, *, now_us: int = NOW_US,
           serving: Serving = SERVING, decision_id: str = "d") -> Decision:  # fmt: skip
    policy = Policy(config or configured())
    return policy.decide(page, decision_id=decision_id, now_us=now_us, serving=serving)


def artworks(decision: Decision) -> dict[str, str]:
    return {choice.title: choice.artwork for choice in decision.record.titles}


def test_the_best_artwork_and_row_are_served_with_their_probabilities() -> None:
    config = configured(
        artwork={"exploration": {"type": "epsilon_greedy", "epsilon": 0.2}},
        rows={"exploration": {"type": "plackett_luce", "temperature": 0.1}},
    )
    record = decide(config=config).record
    for choice in record.titles:
        best = choice.artwork == "a2"
        assert choice.propensity == pytest.approx(0.8 + 0.05 if best else 0.05)
    first = record.rows[0]
    weights = [np.exp(10.0) if row == "r3" else 1.0 for row in record.row_candidates]
    expected = weights[record.row_candidates.index(first.id)] / sum(weights)
    assert first.propensity == pytest.approx(expected)
    assert record.rows[-1].propensity == 1.0


def test_a_decision_names_what_it_was_made_from() -> None:
    record = decide().record
    assert record.catalog == CATALOG.version
    assert record.snapshots == {"artwork": "artwork-1", "rows": "rows-1"}
    assert record.shares == {"artwork": "learned", "rows": "learned"}
    assert record.row_candidates == [row.id for row in ROWS]
    assert sorted(artworks(decide())) == ["t0", "t1", "t2", "t3", "t4", "t5"]


def test_the_same_page_in_the_same_window_gets_the_same_decision() -> None:
    config = configured(artwork={"exploration": {"type": "uniform"}})
    assert decide(config=config).record == decide(config=config).record
    later = decide(config=config, now_us=NOW_US + 3600 * 1_000_000)
    assert artworks(later) != artworks(decide(config=config))


def test_without_a_viewer_the_decision_id_draws() -> None:
    config = configured(artwork={"exploration": {"type": "uniform"}})
    page = Page(rows=ROWS)
    first = decide(page, config, decision_id="one")
    assert artworks(first) == artworks(decide(page, config, decision_id="one"))
    drawn = {tuple(artworks(decide(page, config, decision_id=str(n))).values()) for n in range(9)}
    assert len(drawn) > 1


def test_without_a_model_artworks_are_uniform_and_rows_stand_as_asked() -> None:
    decision = decide(serving=Serving(CATALOG))
    assert decision.record.snapshots == {}
    assert {choice.propensity for choice in decision.record.titles} == {0.25}
    assert [row.id for row in decision.record.rows] == [row.id for row in ROWS]
    assert {row.propensity for row in decision.record.rows} == {1.0}


@pytest.mark.parametrize("mode", ["online", "apprentice", "log_only"])
def test_the_holdout_gets_the_baseline_in_every_mode(mode: str) -> None:
    surface = {"holdout": 1.0, "mode": mode}
    record = decide(config=configured(artwork=surface, rows=surface)).record
    assert record.shares == {"artwork": "holdout", "rows": "holdout"}
    assert {(choice.artwork, choice.propensity) for choice in record.titles} == {("a0", 1.0)}
    assert [row.id for row in record.rows] == [row.id for row in ROWS]


@pytest.mark.parametrize("mode", ["apprentice", "log_only"])
@pytest.mark.parametrize("explore", [0.0, 1.0])
def test_modes_other_than_online_serve_everybody_the_baseline(mode: str, explore: float) -> None:
    surface = {"explore": explore, "mode": mode}
    record = decide(config=configured(artwork=surface, rows=surface)).record
    assert {(choice.artwork, choice.propensity) for choice in record.titles} == {("a0", 1.0)}
    assert [row.id for row in record.rows] == [row.id for row in ROWS]


def test_the_explore_share_is_served_uniformly() -> None:
    surface = {"explore": 1.0}
    record = decide(config=configured(artwork=surface, rows=surface)).record
    assert {choice.propensity for choice in record.titles} == {0.25}
    assert [row.propensity for row in record.rows] == pytest.approx([1 / 5, 1 / 4, 1 / 3, 1 / 2, 1])


def test_an_apprentice_tells_how_often_it_would_have_chosen_the_same() -> None:
    config = configured(artwork={"mode": "apprentice"})
    assert decide(config=config).record.greedy_match == 0.0
    agrees = Serving(CATALOG, {"artwork": model("artwork", {(ARTWORK, "mood=m0"): 1.0})})
    assert decide(config=config, serving=agrees).record.greedy_match == 1.0
    assert decide().record.greedy_match is None


def test_titles_and_rows_may_come_with_the_request() -> None:
    title = Title("new", [Artwork("x", {"mood": "m1"}), Artwork("y", {"mood": "m2"})])
    page = Page(
        rows=[PageRow("fresh", features={"kind": "k3"}, titles=["t0", title])],
        titles=["new", "t1"],
    )
    config = configured(artwork={"exploration": {"type": "greedy"}})
    record = decide(page, config).record
    assert artworks(decide(page, config)) == {"t0": "a2", "new": "y", "t1": "a2"}
    assert record.inline_titles == [title]
    assert [(row.id, row.features) for row in record.inline_rows] == [("fresh", {"kind": "k3"})]
    assert record.loose_titles == ["new", "t1"]
    without_catalog = decide(Page(titles=[title]), config, serving=Serving(empty_catalog()))
    assert list(artworks(without_catalog)) == ["new"]


def test_a_withdrawn_title_is_left_out_and_named() -> None:
    record = decide(Page(rows=[PageRow("r0", titles=["gone", "t0"])])).record
    assert record.omitted == ["gone"]
    assert record.rows[0].titles == ["t0"]


def test_rows_alone_and_titles_alone_are_fine() -> None:
    rows = decide(Page(rows=[PageRow("r0"), PageRow("r1")])).record
    assert (len(rows.rows), rows.titles) == (2, [])
    titles = decide(Page(titles=["t0"])).record
    assert (titles.rows, titles.loose_titles) == ([], ["t0"])
    assert decide(Page()).record.titles == []


def test_pins_and_the_most_rows_are_respected() -> None:
    rows = [*ROWS[:4], PageRow("r4", pinned=1, titles=["t4"])]
    record = decide(Page(rows=rows, max_rows=2)).record
    assert [row.id for row in record.rows][1] == "r4"
    assert record.rows[1].pinned
    assert record.rows[1].propensity == 1.0
    assert len(record.rows) == 2
    served = {title for row in record.rows for title in row.titles}
    assert {choice.title for choice in record.titles} == served


def test_propensities_follow_from_the_record_also_with_pins_that_fell_off() -> None:
    config = configured(rows={"exploration": {"type": "uniform"}})
    pinned = {"r0": 1, "r2": 2, "r4": 9}
    rows = [PageRow(row.id, pinned=pinned.get(row.id)) for row in ROWS]
    record = decode_record(encode_record(decide(Page(rows=rows, max_rows=2), config).record))
    assert isinstance(record, DecisionRecord)
    assert record.pins == pinned
    places = {name: place for place, name in enumerate(record.row_candidates)}
    again = UniformOrder().conditional_propensities(
        np.zeros(len(places)),
        np.array([places[row.id] for row in record.rows]),
        {position: places[name] for name, position in record.pins.items()},
    )
    # Of five rows three were pinned, so that two could stand at the top.
    assert again.tolist() == [row.propensity for row in record.rows] == [0.5, 1.0]


def test_what_the_context_may_not_hold_is_neither_used_nor_kept() -> None:
    page = Page(context={"age": 3, "secret": "x", "city": "Paris"}, titles=["t0"])
    denied = msgspec.convert({"context": {"deny": ["secret"]}}, Config)
    assert decide(page, denied).record.context == {"age": 3, "city": "Paris"}
    allowed = msgspec.convert({"context": {"allow": ["age"]}}, Config)
    assert decide(page, allowed).record.context == {"age": 3}


@pytest.mark.parametrize(
    ("page", "field"),
    [
        (Page(titles=["gone"]), "titles"),
        (Page(rows=[PageRow("r0"), PageRow("r0")]), "rows"),
        (Page(rows=[PageRow("r0", pinned=1), PageRow("r1", pinned=1)]), "rows[1].pinned"),
        (Page(context={"mixed": [1, "a"]}), "context.mixed"),
        (Page(context={f"f{n}": 1 for n in range(300)}), "context"),
        (Page(rows=[PageRow("r0", features={"m": ["a", 1]})]), "rows[0].features.m"),
        (Page(titles=[Title("new", [Artwork("x"), Artwork("x")])]), "title new, artwork x"),
    ],
)
def test_a_page_that_cannot_be_decided_names_the_field_and_the_mend(page: Page, field: str) -> None:
    with pytest.raises(PageError) as caught:
        decide(page)
    assert caught.value.field == field
    assert caught.value.hint


def test_a_page_of_too_many_artworks_is_refused_by_the_limits_key() -> None:
    config = msgspec.convert({"limits": {"page_artworks_max": 24}}, Config)
    assert len(decide(config=config).record.titles) == 6
    more = Page(rows=ROWS, titles=[Title("one-more", [Artwork("x")])])
    with pytest.raises(PageError, match="25 artworks") as caught:
        decide(more, config)
    assert "limits.page_artworks_max" in caught.value.hint
    # Only what is served is scored: a row that falls off does not count.
    assert decide(msgspec.structs.replace(more, max_rows=4), config).record.titles


def test_an_unknown_title_alone_says_where_to_put_it() -> None:
    with pytest.raises(UnknownItemError, match="gone"):
        decide(Page(titles=["gone"]))


def test_a_row_of_withdrawn_titles_is_served_bare_whichever_rows_are_drawn() -> None:
    rows = [PageRow("r0", titles=["gone"]), PageRow("r1", titles=["t1"])]
    config = configured(rows={"exploration": {"type": "uniform"}})
    tops = set()
    for viewer in range(20):
        page = Page(viewer_id=f"v{viewer}", rows=rows, max_rows=1)
        record = decide(page, config).record
        (top,) = record.rows
        tops.add(top.id)
        assert (top.titles, record.omitted) == (([], ["gone"]) if top.id == "r0" else (["t1"], []))
    assert tops == {"r0", "r1"}
    bare = decide(Page(rows=[PageRow("r0", titles=["gone"]), PageRow("r1")])).record
    assert (len(bare.rows), bare.titles, bare.omitted) == (2, [], ["gone"])
    with pytest.raises(UnknownItemError, match="none of the 2"):
        decide(Page(rows=[PageRow("r0", titles=["gone"]), PageRow("r1", titles=["lost"])]))


def huge(surface: Surface, namespace: str, token: str) -> ServedModel:
    """Return a model whose every number is lawful, and whose scores of large features are not."""
    served = model(surface, {(namespace, token): 3e38})
    variances = np.full_like(served.arrays.variances, 3e38)
    return replace(served, arrays=ModelArrays(served.arrays.weights, variances))


def test_a_model_without_finite_scores_leaves_its_surface_to_the_cold_policy() -> None:
    large = Title("large", [Artwork("x", {"size": 1e9}), Artwork("y", {"size": -1e9})])
    page = Page(rows=[PageRow("r3", {"size": 1e9}), PageRow("r4")], titles=[large])
    too_much: dict[Surface, ServedModel] = {
        "artwork": huge("artwork", ARTWORK, "size"),
        "rows": huge("rows", "row", "size"),
    }
    for exploration in ({"type": "thompson"}, {"type": "squarecb"}):
        config = configured(artwork={"exploration": exploration})
        decision = decide(page, config, serving=Serving(CATALOG, too_much))
        assert decision.unusable == ["artwork", "rows"]
        assert decision.record.snapshots == {}
        assert {choice.propensity for choice in decision.record.titles} == {0.5}
        assert [row.propensity for row in decision.record.rows] == [1.0, 1.0]
    apprentice = configured(artwork={"mode": "apprentice"})
    decision = decide(page, apprentice, serving=Serving(CATALOG, too_much))
    assert decision.record.greedy_match is None
    half = decide(page, serving=Serving(CATALOG, {**SERVING.models, "rows": too_much["rows"]}))
    assert (half.unusable, half.record.snapshots) == (["rows"], {"artwork": "artwork-1"})
    assert decide().unusable == []


def test_entropy_is_told_for_the_learned_share_only() -> None:
    config = configured(artwork={"exploration": {"type": "uniform"}})
    assert decide(config=config).entropy_bits["artwork"] == pytest.approx(2.0)
    held = configured(artwork={"holdout": 1.0}, rows={"holdout": 1.0})
    assert decide(config=held).entropy_bits == {}
