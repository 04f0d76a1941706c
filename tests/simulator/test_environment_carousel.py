"""Carousels: Deezer's published figures, the two behaviours, and the synthetic users."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from simulator.environments import make_environment
from simulator.environments.browsing import Browsing
from simulator.environments.carousel import Carousel, CarouselSettings, draw_users, stream_chances
from simulator.errors import MissingDataError, SimulationError
from simulator.pages import Pages, Served
from tests.real_data import deezer_directory
from tests.simulator.environment_cases import deezer, deezer_like, uniform_served


def _nine(environment: Carousel) -> Pages:
    """Return a batch with each of the nine users once."""
    pages = environment.reset(1)
    first = [int(np.flatnonzero(pages.viewers == user)[0]) for user in range(9)]
    return pages._replace(
        viewers=pages.viewers[first], contexts=pages.contexts[first],
        segments=pages.segments[first], rows=pages.rows[first], titles=pages.titles[first],
        now_us=pages.now_us[first],
    )  # fmt: skip


def _listed(pages: Pages, order: np.ndarray) -> Served:
    order = np.broadcast_to(order, (pages.size, pages.rows_served)).astype(np.int32)
    none = np.zeros(pages.titles.shape)
    return Served(order, np.ones(order.shape), none.astype(np.int32), none)


def test_the_best_lists_earn_what_was_published() -> None:
    environment = Carousel(200, 200, data=deezer())
    pages = _nine(environment)
    found = environment.expected(pages, environment.best(pages)).reward
    assert float(found.min()) == pytest.approx(0.339, abs=1e-3)
    assert round(float(found.max()), 3) == 0.944
    assert round(float(found.mean()), 5) == 0.52263


def test_one_list_for_the_segment_earns_what_was_published() -> None:
    environment = Carousel(200, 200, data=deezer())
    pages = _nine(environment)
    order = np.argsort(-environment.chances.mean(axis=0))[:12]
    found = environment.expected(pages, _listed(pages, order)).reward
    assert round(float(found.mean()), 5) == 0.49614


def test_a_random_list_earns_what_was_published() -> None:
    # Alpha 1e-4 against the published 0.0815, rounded to four digits.
    environment = Carousel(20_000, 20_000, data=deezer())
    pages = environment.reset(1)
    random = np.random.default_rng(3)
    order = np.array([random.choice(862, 12, replace=False) for _ in range(pages.size)])
    found = environment.expected(pages, _listed(pages, order)).reward
    assert abs(found.mean() - 0.0815) < 3.9 * found.std() / np.sqrt(pages.size) + 5e-5


def test_chances_are_in_the_published_range() -> None:
    data = deezer()
    chances = stream_chances(np.asarray(data.users), np.asarray(data.playlists))
    assert chances.shape == (9, 862)
    assert (round(chances.min(), 5), round(chances.max(), 3)) == (0.00024, 0.411)
    assert round(float(chances.mean()), 5) == 0.007


def test_the_registry_finds_the_files_or_says_how_to_get_them(tmp_path: object) -> None:
    with pytest.raises(MissingDataError) as told:
        make_environment("carousel", pages=5, batch=5, directory=str(tmp_path))
    assert "carousel_bandits" in told.value.hint
    directory = str(deezer_directory())
    environment = make_environment("carousel", pages=5, batch=5, directory=directory)
    assert len(environment.document.rows) == 862


@pytest.mark.parametrize(("behaviour", "in_vain"), [("as_documented", 3), ("as_coded", 12)])
def test_sessions_end_at_their_first_stream(behaviour: str, in_vain: int) -> None:
    look = Browsing(12, 3, behaviour)  # type: ignore[arg-type]
    chances = np.full((4000, 12), 0.08)
    seen, streamed = look.draw(chances, np.random.default_rng(1))
    assert (streamed.sum(axis=1) <= 1).all()
    assert not (streamed & ~seen).any()
    none = ~streamed.any(axis=1)
    assert none.any()
    assert (seen[none].sum(axis=1) == in_vain).all()
    assert seen[none][:, :in_vain].all()
    late = streamed[:, 3:].any(axis=1)
    last = streamed[late].argmax(axis=1)
    assert (seen[late].sum(axis=1) == last + 1).all()


def test_visible_slots_are_looked_at_in_any_order_as_documented() -> None:
    # Alpha 1e-4: with sure streams everywhere each visible slot is as often the first.
    sure = np.ones((9000, 12))
    shuffled = Browsing(12, 3, "as_documented").draw(sure, np.random.default_rng(2))[1]
    counts = shuffled.sum(axis=0)
    assert not counts[3:].any()
    assert (np.abs(counts[:3] - 3000) < 3.9 * np.sqrt(9000 * 2 / 9)).all()
    in_turn = Browsing(12, 3, "as_coded").draw(sure, np.random.default_rng(2))[1]
    assert in_turn[:, 0].all()


@pytest.mark.parametrize(("behaviour", "in_vain"), [("as_documented", 3), ("as_coded", 5)])
def test_expectations_are_those_of_every_order_and_outcome(behaviour: str, in_vain: int) -> None:
    chances = np.array([0.7, 0.1, 0.4, 0.3, 0.2])
    orders = [(*first, 3, 4) for first in permutations(range(3))]
    if behaviour == "as_coded":
        orders = [(0, 1, 2, 3, 4)]
    reward = seen = 0.0
    for order in orders:
        left = 1.0
        for turn, slot in enumerate(order):
            streams = left * chances[slot]
            reward, seen = reward + streams, seen + streams * (turn + 1)
            left -= streams
        seen += left * in_vain
    found = Browsing(5, 3, behaviour).expected(chances[None, :])  # type: ignore[arg-type]
    assert found.reward[0] == pytest.approx(reward / len(orders))
    assert found.displays[0] == pytest.approx(seen / len(orders))


def test_as_coded_the_first_users_of_a_batch_see_each_others_lists() -> None:
    found = []
    for behaviour in ("as_documented", "as_coded"):
        settings = CarouselSettings(slots=4, behaviour=behaviour)
        environment = Carousel(600, 30, settings, data=deezer_like())
        differs = np.zeros(30)
        pages: Pages | None = environment.reset(2)
        while pages is not None:
            served = environment.best(pages)
            told = environment.expected(pages, served).reward
            own = np.take_along_axis(environment.chances[pages.viewers], served.order, axis=1)
            differs += np.abs(told - (1 - np.prod(1 - own, axis=1))) > 1e-9
            pages = environment.step(served).pages
        found.append(differs)
    assert not found[0].any()
    assert found[1][:3].all()
    assert not found[1][3:].any()


def test_synthetic_users_vary_as_the_nine_do() -> None:
    # Alpha 1e-4 for each mean and variance over 20,000 users.
    nine = np.random.default_rng(1).normal(0.3, 1.5, (9, 6))
    users, nearest = draw_users(nine, 20_000, np.random.default_rng(2))
    spread = nine.std(axis=0, ddof=1)
    assert (np.abs(users.mean(axis=0) - nine.mean(axis=0)) < 4.7 * spread / np.sqrt(20_000)).all()
    assert np.allclose(users.var(axis=0), spread**2, rtol=0.05)
    one = int(np.square(users[7] - nine).sum(axis=1).argmin())
    assert nearest[7] == one
    assert set(nearest.tolist()) <= set(range(9))


def test_synthetic_users_of_the_real_data_are_listeners_alike() -> None:
    environment = Carousel(
        4000, 4000, CarouselSettings(users="synthetic", population=4000), data=deezer()
    )
    pages = environment.reset(1)
    found = environment.expected(pages, environment.best(pages)).reward.mean()
    assert 0.4 < found < 0.7
    assert len(environment.segment_names) == 9
    assert len(set(pages.segments.tolist())) > 5


def test_empty_slots_are_refused() -> None:
    environment = Carousel(5, 5, CarouselSettings(slots=4), data=deezer_like())
    pages = environment.reset(1)
    served = uniform_served(environment, pages, np.random.default_rng(1))
    served.order[0, 3] = -1
    with pytest.raises(SimulationError, match="not all filled"):
        environment.step(served)


def test_a_request_names_the_users_numbers() -> None:
    environment = Carousel(5, 5, CarouselSettings(slots=4), data=deezer_like())
    page = environment.page(environment.reset(1), 0)
    assert isinstance(page.context["user"], list)
    assert len(page.context["user"]) == 5
    assert page.max_rows == 4
    assert len(page.rows) == 20
