"""What every environment keeps to: shapes, seeds, the end of a run, and what it says is true."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bandit.types import Page, PageRow
from simulator.environments import make_environment
from simulator.environments.carousel import Carousel, CarouselSettings
from simulator.environments.replayed import Replayed
from simulator.errors import SimulationError
from simulator.pages import Displays, Environment, Pages, Served
from tests.simulator.environment_cases import deezer_like, uniform_log, uniform_served

PAGES, BATCH = 70, 32


def _homepage(**settings: object) -> Environment:
    small = {"rows": 5, "titles_a_row": 4, "templates": 12, "viewers": 60, "titles": 80}
    return make_environment("homepage", pages=PAGES, batch=BATCH, **{**small, **settings})


def _carousel(settings: CarouselSettings) -> Environment:
    return Carousel(PAGES, BATCH, settings, data=deezer_like())


ENVIRONMENTS: dict[str, Callable[[], Environment]] = {
    "homepage": _homepage,
    "homepage, some rows": lambda: _homepage(rows=8, rows_served=3),
    "homepage, leaves": lambda: _homepage(leaves_after_play=True),
    "homepage, moving": lambda: _homepage(drift=0.8, new_titles=0.3),
    "homepage, example": lambda: make_environment("homepage", pages=PAGES, batch=BATCH),
    "carousel": lambda: _carousel(CarouselSettings(slots=6)),
    "carousel, synthetic": lambda: _carousel(
        CarouselSettings(slots=6, users="synthetic", population=40)
    ),
    "carousel, as coded": lambda: _carousel(CarouselSettings(slots=6, behaviour="as_coded")),
    "supervised": lambda: make_environment("supervised", pages=PAGES, batch=BATCH, data="iris"),
    "supervised, noisy": lambda: make_environment(
        "supervised", pages=PAGES, batch=BATCH, data="wine", noise=0.3
    ),
    "logged": lambda: Replayed(PAGES, BATCH, logged=uniform_log(200)),
}
KNOWS_TRUTH = [name for name in ENVIRONMENTS if name != "logged"]


@pytest.fixture(params=list(ENVIRONMENTS))
def environment(request: pytest.FixtureRequest) -> Environment:
    return ENVIRONMENTS[request.param]()


@pytest.fixture(params=KNOWS_TRUTH)
def knowing(request: pytest.FixtureRequest) -> Environment:
    return ENVIRONMENTS[request.param]()


def _run(
    environment: Environment, seed: int, choices: int = 1
) -> list[tuple[Pages, Served, Displays]]:
    """Run uniform choices, drawn from ``choices``, to the end."""
    random = np.random.default_rng(choices)
    rounds = []
    pages: Pages | None = environment.reset(seed)
    while pages is not None:
        served = uniform_served(environment, pages, random)
        step = environment.step(served)
        rounds.append((pages, served, step.displays))
        pages = step.pages
    return rounds


def _same(one: tuple[object, ...], two: tuple[object, ...]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))  # type: ignore[arg-type]


def test_pages_have_the_shapes_and_types_they_should(environment: Environment) -> None:
    first = 0
    for pages, _, _ in _run(environment, 1):
        size, rows = pages.rows.shape
        assert pages.first == first
        assert size == pages.size == min(BATCH, PAGES - first)
        first += size
        assert pages.now_us.dtype == pages.viewers.dtype == np.int64
        assert (np.diff(pages.now_us) >= 0).all()
        assert pages.contexts.shape == (size, len(environment.context_names))
        assert pages.contexts.dtype == np.float32
        assert pages.segments.dtype == pages.rows.dtype == pages.titles.dtype == np.int32
        assert (pages.segments >= 0).all()
        assert (pages.segments < len(environment.segment_names)).all()
        assert pages.titles.shape[:2] == (size, rows)
        assert 1 <= pages.rows_served <= rows
        assert (pages.rows < len(environment.document.rows)).all()
        for titles in pages.titles.reshape(size, -1):
            there = titles[titles >= 0]
            assert len(set(there.tolist())) == len(there)
    assert first == PAGES


def test_items_are_those_of_the_document(environment: Environment) -> None:
    counts = [len(title.artworks) for title in environment.document.titles]
    assert np.diff(environment.items.artwork_offsets).tolist() == counts
    assert len(environment.items.artworks) == sum(counts)
    assert len(environment.items.rows) == len(environment.document.rows)
    assert environment.items.artworks.dtype == environment.items.rows.dtype == np.float32


def test_displays_lie_on_the_pages_in_order(environment: Environment) -> None:
    for pages, served, displays in _run(environment, 2):
        size = len(displays.page)
        assert all(len(part) == size for part in displays)
        assert displays.page.dtype == displays.position.dtype == np.int32
        place = (displays.page * 1000 + displays.position) * 1000 + displays.column
        assert (np.diff(place) > 0).all()
        assert ((displays.page >= 0) & (displays.page < pages.size)).all()
        row = served.order[displays.page, displays.position]
        assert (row >= 0).all()
        if pages.titles.shape[2]:
            assert (pages.titles[displays.page, row, displays.column] >= 0).all()
        else:
            assert not displays.column.any()
        assert (displays.clicked | ~displays.played).all()
        assert ((displays.seconds > 0) == displays.played).all()
        assert ((displays.fraction >= 0) & (displays.fraction <= 1)).all()
        assert ((displays.reward >= 0) & (displays.reward <= 1)).all()
        assert displays.reward.dtype == np.float64
        assert (displays.delay_s >= 0).all()


def test_the_same_seed_brings_the_same_viewers_whatever_is_served(
    environment: Environment,
) -> None:
    one, two = _run(environment, 3, choices=1), _run(environment, 3, choices=2)
    assert len(one) == len(two)
    for (pages, _, _), (others, _, _) in zip(one, two, strict=True):
        assert _same(pages, others)


def test_the_same_choices_come_to_the_same(environment: Environment) -> None:
    one, two = _run(environment, 3), _run(environment, 3)
    for (_, _, displays), (_, _, others) in zip(one, two, strict=True):
        assert _same(displays, others)


def test_another_seed_brings_other_viewers_or_feedback(environment: Environment) -> None:
    one, two = _run(environment, 3), _run(environment, 4)
    if environment.name == "logged":
        assert all(_same(a[0], b[0]) for a, b in zip(one, two, strict=True))
    else:
        assert not all(_same(a[0], b[0]) for a, b in zip(one, two, strict=True))


def test_a_step_before_a_reset_or_past_the_end_is_refused(environment: Environment) -> None:
    other = _run(environment, 1)[-1]
    with pytest.raises(SimulationError, match="over"):
        environment.step(other[1])


def test_a_step_without_a_run_is_refused() -> None:
    for make in ENVIRONMENTS.values():
        environment = make()
        pages = make().reset(1)
        served = uniform_served(environment, pages, np.random.default_rng(1))
        with pytest.raises(SimulationError, match="no run was started"):
            environment.step(served)


def test_what_does_not_fit_is_refused(environment: Environment) -> None:
    pages = environment.reset(1)
    lawful = uniform_served(environment, pages, np.random.default_rng(1))
    twice, zero = lawful.order.copy(), lawful.order_propensities.copy()
    twice[0] = pages.rows.shape[1]
    zero[0] = 0.0
    for wrong in (
        lawful._replace(order=lawful.order[:-1]),
        lawful._replace(order=twice),
        lawful._replace(order_propensities=zero),
        lawful._replace(artworks=lawful.artworks[:, :0]),
    ):
        with pytest.raises(SimulationError):
            environment.step(wrong)
    if pages.titles.shape[2]:
        unknown = np.where(lawful.artworks >= 0, 64, -1).astype(np.int32)
        with pytest.raises(SimulationError, match="artworks served are none of"):
            environment.step(lawful._replace(artworks=unknown))
    environment.step(lawful)


@pytest.mark.parametrize("name", [name for name in KNOWS_TRUTH if "supervised" not in name])
def test_a_row_served_twice_is_refused(name: str) -> None:
    environment = ENVIRONMENTS[name]()
    pages = environment.reset(1)
    served = uniform_served(environment, pages, np.random.default_rng(1))
    served.order[0, 1] = served.order[0, 0]
    with pytest.raises(SimulationError, match="twice"):
        environment.step(served)


def test_a_page_says_what_its_arrays_say(environment: Environment) -> None:
    pages = environment.reset(5)
    document = environment.document
    for index in (0, pages.size - 1):
        page = environment.page(pages, index)
        assert isinstance(page, Page)
        rows = [document.rows[code].id for code in pages.rows[index] if code >= 0]
        assert [row.id for row in page.rows] == rows
        for row, titles in zip(page.rows, pages.titles[index], strict=True):
            assert isinstance(row, PageRow)
            assert list(row.titles) == [document.titles[code].id for code in titles if code >= 0]
        assert (page.max_rows or len(page.rows)) == pages.rows_served
        assert page.viewer_id
        assert page.viewer_id.endswith(f"-{pages.viewers[index]}")
    told = {repr(environment.page(pages, index).context) for index in range(pages.size)}
    assert len(told) == len({context.tobytes() for context in pages.contexts})


def test_what_is_expected_is_what_happens_on_average(knowing: Environment) -> None:
    # Alpha 1e-4 for each of two means, over pages; a page's luck is drawn anew in each run.
    rewards, displays = [], []
    for seed in range(40):
        for pages, served, seen in _run(knowing, seed, choices=seed):
            expected = knowing.expected(pages, served)
            assert expected.reward.shape == expected.displays.shape == (pages.size,)
            count = np.bincount(seen.page, minlength=pages.size)
            total = np.bincount(seen.page, weights=seen.reward, minlength=pages.size)
            rewards.append(total - expected.reward)
            displays.append(count - expected.displays)
    for part in (rewards, displays):
        differences = np.concatenate(part)
        error = differences.std() / np.sqrt(len(differences))
        assert abs(differences.mean()) <= 3.9 * error + 1e-12


def test_the_best_is_lawful_and_no_worse_than_chance(knowing: Environment) -> None:
    best = chance = 0.0
    random = np.random.default_rng(1)
    pages: Pages | None = knowing.reset(6)
    while pages is not None:
        served = knowing.best(pages)
        found = knowing.expected(pages, served).reward
        other = knowing.expected(pages, uniform_served(knowing, pages, random)).reward
        best, chance = best + float(found.sum()), chance + float(other.sum())
        pages = knowing.step(served).pages
    assert best > chance


def test_nothing_served_earns_more_than_the_best() -> None:
    for name in KNOWS_TRUTH:
        if name in ("homepage, leaves", "carousel, as coded"):
            continue  # the best is stated to be greedy, or users are permuted behind its back
        knowing = ENVIRONMENTS[name]()
        pages = knowing.reset(7)
        bar = knowing.expected(pages, knowing.best(pages)).reward
        for choice in range(20):
            served = uniform_served(knowing, pages, np.random.default_rng(choice))
            assert (knowing.expected(pages, served).reward <= bar + 1e-9).all()


def test_a_log_says_that_it_does_not_know() -> None:
    environment = ENVIRONMENTS["logged"]()
    pages = environment.reset(1)
    served = uniform_served(environment, pages, np.random.default_rng(1))
    with pytest.raises(SimulationError, match="does not know"):
        environment.expected(pages, served)
    with pytest.raises(SimulationError, match="does not know"):
        environment.best(pages)
