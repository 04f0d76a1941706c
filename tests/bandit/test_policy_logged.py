"""A logged decision judged anew: the policy that made it finds its own propensities."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from bandit.catalog import Catalog, CatalogDocument
from bandit.config import Config
from bandit.engine import ModelArrays
from bandit.events import DecisionRecord, decode_record, encode_record
from bandit.policy import Policy, ServedModel, Serving
from bandit.scoring import ModelShape
from bandit.types import Artwork, Page, PageRow, Row, Surface, Title

NOW_US = 1_800_000_000_000_000
BITS = 10
DOCUMENT = CatalogDocument(
    [
        Title(
            f"t{title}", [Artwork(f"a{art}", {"mood": f"m{art}"}) for art in range(2 + title % 3)]
        )
        for title in range(12)
    ],
    [Row(f"r{row}", {"kind": f"k{row}"}) for row in range(6)],
)
CATALOG = Catalog.build(DOCUMENT)


def model(surface: Surface, seed: int, size: float = 0.1) -> ServedModel:
    rng = np.random.default_rng(seed)
    shape = ModelShape(surface, BITS, (("context", "artwork"),) if surface == "artwork" else (),
                       constant=False)  # fmt: skip
    weights = (size * rng.uniform(-1, 1, 1 << BITS)).astype(np.float32)
    return ServedModel(f"{surface}-{seed}", shape, ModelArrays(weights, np.abs(weights)))


SERVING = Serving(CATALOG, {"artwork": model("artwork", 1), "rows": model("rows", 2)})


def configured(**surfaces: dict[str, Any]) -> Config:
    return msgspec.convert({"surfaces": surfaces}, Config)


def pages() -> list[Page]:
    """Return pages with pins, inline titles and rows, loose titles, repeats and unknown titles."""
    inline = Title("new", [Artwork(f"x{art}", {"mood": f"m{art}"}) for art in range(3)])
    rows = [PageRow(f"r{row}", titles=[f"t{row}", f"t{row + 6}"]) for row in range(6)]
    return [
        Page(viewer_id="v1", context={"taste": "m1", "age": 30}, rows=rows),
        Page(viewer_id="v2", context={"taste": "m0"}, rows=rows, max_rows=3),
        Page(
            viewer_id="v3",
            rows=[
                rows[0],
                PageRow("r1", pinned=0, titles=[inline, "t3"]),
                PageRow("fresh", features={"kind": "k1"}, titles=["t3", "gone"]),
                PageRow("r3", pinned=9),
                rows[4],
            ],
            titles=["t5", inline],
            max_rows=3,
        ),
        Page(context={"taste": "m2"}, titles=["t1", "t2"]),
        Page(viewer_id="v4", rows=[PageRow("r5"), PageRow("r2"), PageRow("r0")]),
    ]


CONFIGS = {
    "default": configured(),
    "learned": configured(
        artwork={"holdout": 0, "explore": 0, "exploration": {"type": "thompson", "scale": 1.0}},
        rows={"holdout": 0, "explore": 0, "exploration": {"type": "plackett_luce"}},
    ),
    "greedy": configured(
        artwork={"exploration": {"type": "greedy"}}, rows={"exploration": {"type": "greedy"}}
    ),
    "explore": configured(artwork={"explore": 1, "holdout": 0}, rows={"explore": 1, "holdout": 0}),
    "holdout": configured(
        artwork={"explore": 0, "holdout": 1},
        rows={"explore": 0, "holdout": 1, "baseline": "uniform"},
    ),
    "apprentice": configured(artwork={"mode": "apprentice"}, rows={"mode": "log_only"}),
}


def logged(config: Config, serving: Serving) -> list[DecisionRecord]:
    """Decide all pages, and take what a log would hold."""
    policy = Policy(config)
    made = [
        policy.decide(page, decision_id=f"d{number}", now_us=NOW_US, serving=serving).record
        for number, page in enumerate(pages())
    ]
    records = [decode_record(encode_record(record)) for record in made]
    return [record for record in records if isinstance(record, DecisionRecord)]


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("serving", [SERVING, Serving(CATALOG)], ids=["warm", "cold"])
def test_the_logging_policy_finds_its_own_propensities(name: str, serving: Serving) -> None:
    config = CONFIGS[name]
    policy = Policy(config)
    for record in logged(config, serving):
        found = policy.artwork_pmf(record, serving)
        assert found.titles == [choice.title for choice in record.titles]
        assert found.pmf.shape == found.eligible.shape
        if found.titles:
            np.testing.assert_allclose(found.pmf.sum(axis=1), 1.0, atol=1e-12)
            assert (found.logged >= 0).all()
            probabilities = np.take_along_axis(found.pmf, found.logged[:, None], 1)[:, 0]
            expected = [choice.propensity for choice in record.titles]
            np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(
            policy.row_propensities(record, serving),
            [row.propensity for row in record.rows],
            rtol=0,
            atol=1e-12,
        )


def test_another_policy_judges_by_its_own_settings() -> None:
    record = logged(CONFIGS["explore"], SERVING)[0]
    greedy = configured(
        artwork={"holdout": 0, "explore": 0, "exploration": {"type": "greedy"}},
        rows={"holdout": 0, "explore": 0, "exploration": {"type": "greedy"}},
    )
    own = logged(greedy, SERVING)[0]
    found = Policy(greedy).artwork_pmf(record, SERVING)
    best = {choice.title: choice.artwork for choice in own.titles}
    for title, row in zip(found.titles, found.pmf.tolist(), strict=True):
        assert row[int(best[title][1:])] == 1.0
        assert sum(row) == 1.0
    expected = [row.id for row in own.rows] == [row.id for row in record.rows]
    assert (Policy(greedy).row_propensities(record, SERVING).prod() == 1.0) == expected


def test_what_the_catalog_lacks_is_left_out_and_unknown_artworks_have_no_column() -> None:
    record = logged(CONFIGS["default"], SERVING)[0]
    fewer = CatalogDocument(
        [
            msgspec.structs.replace(title, artworks=title.artworks[:1])
            for title in DOCUMENT.titles[:4]
        ]
    )
    policy = Policy(configured(artwork={"holdout": 0, "explore": 0}))
    found = policy.artwork_pmf(record, Serving(Catalog.build(fewer)))
    shown = {choice.title: choice.artwork for choice in record.titles}
    assert sorted(found.titles) == ["t0", "t1", "t2", "t3"]
    for title, column in zip(found.titles, found.logged.tolist(), strict=True):
        assert column == (0 if shown[title] == "a0" else -1)


def test_a_model_without_finite_scores_is_not_asked() -> None:
    config = configured(artwork={"holdout": 0, "explore": 0}, rows={"holdout": 0, "explore": 0})
    broken = Serving(
        CATALOG, {"artwork": model("artwork", 1, 1e38), "rows": model("rows", 2, 1e38)}
    )
    page = Page(viewer_id="v", context={"age": 1e9}, rows=pages()[0].rows)
    policy = Policy(config)
    made = policy.decide(page, decision_id="d", now_us=NOW_US, serving=broken)
    assert made.unusable == ["artwork", "rows"]
    found = policy.artwork_pmf(made.record, broken)
    np.testing.assert_array_equal(found.pmf.max(axis=1), 1 / found.eligible.sum(axis=1))
    np.testing.assert_array_equal(
        policy.row_propensities(made.record, broken),
        [row.propensity for row in made.record.rows],
    )
