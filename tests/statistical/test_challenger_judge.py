"""What the judge says of logged pages is, on average, what either line earns there.

Pages are decided by production's policy under one line, and judged under both; the truth is known
of each page. Seeds are fixed; alpha is the chance that fresh ones would have failed a right judge.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import msgspec
import numpy as np
import pytest

from bandit.catalog import Catalog, CatalogDocument
from bandit.challenger.judge import Judge, PageValue
from bandit.config import Config
from bandit.engine import ModelArrays
from bandit.events import DecisionRecord, FeedbackRecord
from bandit.joiner import Outcome
from bandit.policy import Policy, ServedModel, Serving
from bandit.scoring import ModelShape
from bandit.types import Artwork, LineName, Page, Title

ALPHA = 1e-3
LIMIT = NormalDist().inv_cdf(1 - ALPHA / 2)
PAGES = 1500
BITS = 10
ARTWORKS = 4
PLAY_WORTH = 0.5
CATALOG = Catalog.build(
    CatalogDocument(
        [
            Title(f"t{title}", [Artwork(f"a{art}", {"mood": f"m{art}"}) for art in range(ARTWORKS)])
            for title in range(6)
        ]
    )
)


class OneCatalog:
    """Holds the world's catalog under any name."""

    def load(self, version: str) -> Catalog:
        assert version == CATALOG.version
        return CATALOG


def configured(**artwork: Any) -> Config:
    return msgspec.convert(
        {"surfaces": {"artwork": {"holdout": 0.1, "explore": 0.2, **artwork}}}, Config
    )


def model(seed: int) -> ServedModel:
    rng = np.random.default_rng(seed)
    shape = ModelShape("artwork", BITS, (("context", "artwork"),), constant=False)
    weights = (0.5 * rng.uniform(-1, 1, 1 << BITS)).astype(np.float32)
    return ServedModel(f"artwork-{seed}", shape, ModelArrays(weights, np.abs(weights)))


CONFIGS: dict[LineName, Config] = {
    "champion": configured(exploration={"type": "epsilon_greedy", "epsilon": 0.3}),
    "challenger": configured(exploration={"type": "softmax", "temperature": 0.2}),
}
MODELS: dict[LineName, ServedModel] = {"champion": model(1), "challenger": model(2)}
CHANCE = np.random.default_rng(3).uniform(0.05, 0.6, (3, ARTWORKS))
"""Of a play, by the viewer's mood and the artwork."""


def _truth(line: LineName, record: DecisionRecord, mood: int) -> float:
    config = configured(
        holdout=0.0,
        explore=0.0,
        exploration=msgspec.to_builtins(CONFIGS[line].surfaces.artwork.exploration),
    )
    pmf = Policy(config).artwork_pmf(record, Serving(CATALOG, {"artwork": MODELS[line]})).pmf
    return float((pmf * CHANCE[mood]).sum()) * PLAY_WORTH


def _page(
    number: int, policy: Policy, serving: Serving, rng: np.random.Generator
) -> tuple[Outcome, int]:
    mood = int(rng.integers(3))
    page = Page(
        viewer_id=f"v{number}",
        context={"mood": f"m{mood}"},
        titles=[f"t{title}" for title in range(6)],
    )
    record = policy.decide(
        page, decision_id=f"d{number}", now_us=1_800_000_000_000_000, serving=serving
    ).record
    events = [
        FeedbackRecord(
            event_id=f"{number}-{choice.title}-{kind}",
            decision_id=record.decision_id,
            type=kind,
            title=choice.title,
            seconds=600.0 if kind == "play" else None,
        )
        for choice in record.titles
        for kind in ("impression", "play")
        if kind == "impression" or rng.random() < CHANCE[mood, int(choice.artwork[1:])]
    ]
    return Outcome(record, 1, tuple(events), "window"), mood


@pytest.mark.parametrize("serving", ["champion", "challenger"])
def test_values_are_unbiased_under_either_line(serving: LineName) -> None:
    judge = Judge(CONFIGS, OneCatalog())
    policy = Policy(CONFIGS[serving])
    served = Serving(CATALOG, {"artwork": MODELS[serving]}, serving)
    rng = np.random.default_rng(4)
    off: dict[LineName, list[float]] = {"champion": [], "challenger": []}
    shares = set()
    for number in range(PAGES):
        outcome, mood = _page(number, policy, served, rng)
        if not judge.concerns(outcome.decision):
            assert outcome.decision.shares["artwork"] == "holdout"
            continue
        shares.add(outcome.decision.shares["artwork"])
        value = judge.value(outcome, MODELS)
        for line, errors in off.items():
            errors.append(getattr(value, line) - _truth(line, outcome.decision, mood))
    assert shares == {"learned", "explore"}
    for errors in off.values():
        z = np.mean(errors) / np.std(errors) * np.sqrt(len(errors))
        assert abs(z) < LIMIT, z


def test_a_line_is_judged_to_earn_what_it_earned_itself() -> None:
    """Of a page that it drew itself the weights are 1; and equal lines differ by exactly 0."""
    judge = Judge({**CONFIGS, "challenger": CONFIGS["champion"]}, OneCatalog())
    same: dict[LineName, ServedModel] = {**MODELS, "challenger": MODELS["champion"]}
    policy, rng = Policy(CONFIGS["champion"]), np.random.default_rng(5)
    served = Serving(CATALOG, {"artwork": MODELS["champion"]})
    learned = 0
    for number in range(60):
        outcome, _ = _page(number, policy, served, rng)
        if outcome.decision.shares["artwork"] != "learned":
            continue
        learned += 1
        value = judge.value(outcome, same)
        plays = sum(event.type == "play" for event in outcome.events)
        assert value.champion == pytest.approx(plays * PLAY_WORTH)
        assert value.champion == value.challenger
    assert learned > 20


def test_what_untouched_titles_earn_is_left_out() -> None:
    """It is the same under all lines, and would be noise."""
    config = msgspec.structs.replace(
        CONFIGS["champion"],
        reward=msgspec.structs.replace(CONFIGS["champion"].reward, default=0.1, click=0.1),
    )
    judge = Judge({"champion": config, "challenger": config}, OneCatalog())
    policy, rng = Policy(config), np.random.default_rng(6)
    outcome, _ = _page(1, policy, Serving(CATALOG, {"artwork": MODELS["champion"]}), rng)
    untouched = tuple(event for event in outcome.events if event.type == "impression")
    assert judge.value(outcome._replace(events=untouched), MODELS) == PageValue(0.0, 0.0)


def test_a_surface_that_is_served_by_the_baseline_tells_nothing() -> None:
    config = configured(mode="apprentice")
    judge = Judge({"champion": config, "challenger": config}, OneCatalog())
    outcome, _ = _page(1, Policy(config), Serving(CATALOG), np.random.default_rng(7))
    assert not judge.concerns(outcome.decision)
