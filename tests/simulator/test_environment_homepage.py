"""Homepages: looking, tastes, acts, what is worth how much, drift and new titles."""

from __future__ import annotations

import numpy as np
import pytest

from bandit.reward import RewardRule
from bandit.types import Artwork, Title
from simulator.environments.catalog_arrays import CatalogArrays
from simulator.environments.catalogs import example_document, synthetic_document
from simulator.environments.examination import Examination
from simulator.environments.homepage import Homepage, HomepageSettings
from simulator.environments.responses import Worth, abandon_chance, act
from simulator.environments.rewards import display_rewards
from simulator.environments.viewers import Appeal, Cards, Population, Visits, context_features
from simulator.errors import SimulationError
from simulator.pages import Displays, Pages, Served
from tests.simulator.environment_cases import uniform_served

EXAMPLE = example_document()


def _make(pages: int, batch: int = 500, **settings: object) -> Homepage:
    return Homepage(pages, batch, HomepageSettings(**settings), document=EXAMPLE)  # type: ignore[arg-type]


def _rounds(environment: Homepage, seed: int = 1) -> list[tuple[Pages, Served, Displays]]:
    random = np.random.default_rng(2)
    rounds = []
    pages: Pages | None = environment.reset(seed)
    while pages is not None:
        served = uniform_served(environment, pages, random)
        step = environment.step(served)
        rounds.append((pages, served, step.displays))
        pages = step.pages
    return rounds


def test_depths_are_as_likely_as_attention_says() -> None:
    # Alpha 1e-4 for each of 96 places.
    look = Examination(12, 8)
    depths = look.depths(40_000, np.random.default_rng(1))
    seen = depths[:, :, None] > np.arange(8)
    chance = look.row_attention()[:, None] * look.column_attention()
    error = np.sqrt(chance * (1 - chance) / len(depths))
    assert (np.abs(seen.mean(axis=0) - chance) < 3.9 * error).all()
    assert (np.diff(look.row_attention()) < 0).all()
    assert 0.97 < look.row_attention()[0] < 1
    assert look.column_attention()[0] == 1


def test_how_far_viewers_look_can_be_set() -> None:
    everything = _make(50, 50, sees_first_row=1.0, sees_next_row=1.0, sees_next_title=1.0)
    (pages, _, displays), *_ = _rounds(everything)
    assert len(displays.page) == (pages.titles >= 0).sum()
    little = _make(50, 50, sees_first_row=0.5, sees_next_row=0.01, sees_next_title=0.01)
    assert len(_rounds(little)[0][2].page) < 50


def test_viewers_do_what_viewers_do() -> None:
    environment = _make(4000)
    seen = plays = abandons = clicks = several = 0
    for pages, _, displays in _rounds(environment):
        seen += len(displays.page)
        plays += int(displays.played.sum())
        clicks += int((displays.clicked & ~displays.played).sum())
        abandons += int((displays.played & (displays.seconds < 30)).sum())
        several += int(
            (np.bincount(displays.page[displays.played], minlength=pages.size) > 1).sum()
        )
    assert 20 < seen / 4000 < 45
    assert 0.03 < plays / seen < 0.07
    assert 0.4 < clicks / plays < 0.6
    assert 0.1 < abandons / plays < 0.3
    assert several > 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_best_artwork_is_worth_about_twice_the_first(seed: int) -> None:
    environment = _make(300, 300)
    chances = environment.artwork_chances(environment.reset(seed))
    starts = environment.items.artwork_offsets[:-1]
    counts = np.diff(environment.items.artwork_offsets)
    first = chances[:, starts].mean()
    uniform = (np.add.reduceat(chances, starts, axis=1) / counts).mean()
    best = np.maximum.reduceat(chances, starts, axis=1).mean()
    assert 0.025 < first < 0.08
    assert uniform == pytest.approx(first, rel=0.12)
    assert 1.8 < best / first < 2.6


def test_a_visit_that_ends_at_its_first_play_holds_together() -> None:
    for pages, _, displays in _rounds(_make(2000, leaves_after_play=True)):
        plays = np.flatnonzero(displays.played)
        assert len(set(displays.page[plays].tolist())) == len(plays)
        last = np.full(pages.size, 99)
        last[displays.page[plays]] = displays.position[plays]
        assert (displays.position <= last[displays.page]).all()
        after = np.full(pages.size, len(displays.page))
        after[displays.page[plays]] = plays
        behind = np.arange(len(displays.page)) > after[displays.page]
        assert behind.any()
        assert not displays.clicked[behind].any()
        assert not displays.reward[behind].any()


def test_by_default_what_is_seen_does_not_depend_on_what_is_shown() -> None:
    environment = _make(500)
    pages = environment.reset(3)
    random = np.random.default_rng(4)
    served = uniform_served(environment, pages, random)
    other = uniform_served(environment, pages, random)._replace(order=served.order)
    one = environment.step(served).displays
    environment.reset(3)
    two = environment.step(other).displays
    assert np.array_equal(one.page, two.page)
    assert np.array_equal(one.column, two.column)
    assert not np.array_equal(one.played, two.played)


def test_a_card_keeps_its_luck_wherever_its_row_stands() -> None:
    environment = _make(500)
    pages = environment.reset(3)
    served = uniform_served(environment, pages, np.random.default_rng(4))
    turned = served._replace(order=served.order[:, ::-1].copy())
    outcomes = []
    for choice in (served, turned):
        environment.reset(3)
        displays = environment.step(choice).displays
        row = choice.order[displays.page, displays.position]
        titles = pages.titles[displays.page, row, displays.column]
        outcomes.append(
            dict(
                zip(
                    zip(displays.page.tolist(), titles.tolist(), strict=True),
                    displays.played.tolist(),
                    strict=True,
                )
            )
        )
    both = outcomes[0].keys() & outcomes[1].keys()
    assert len(both) > 3000
    assert all(outcomes[0][card] == outcomes[1][card] for card in both)


def test_what_is_felt_is_the_sum_of_its_parts() -> None:
    arrays = CatalogArrays.of(EXAMPLE)
    population = Population(arrays, 40, 5)
    visits = population.visits(6, np.random.default_rng(2))
    taste = population.tastes(visits, 0.0)
    genres = {genre: at for at, genre in enumerate(arrays.genres)}
    columns, first = {}, len(genres)
    for trait in ("subject", "mood", "palette", "genre_hint"):
        for value in arrays.trait_values[trait]:
            columns[trait, value] = first
            first += 1
    for page, (row, number) in enumerate(((0, 0), (3, 17), (23, 60), (5, 195), (9, 2), (1, 1))):
        title = EXAMPLE.titles[number]
        own = title.features["genres"]
        assert isinstance(own, list)
        liked = sum(taste[page, genres[str(genre)]] for genre in own) / np.sqrt(len(own))
        for place, image in enumerate(title.artworks):
            artwork = int(arrays.offsets[number]) + place
            shown = [taste[page, columns[trait, str(image.features[trait])]]
                     for trait in ("subject", "mood", "palette", "genre_hint")]  # fmt: skip
            cards = Cards(*(np.array([x]) for x in (page, row, number, artwork)))
            felt = population.appeal(taste, cards)
            assert felt.title[0] == pytest.approx(population.popularity[number] + liked, abs=1e-5)
            assert felt.artwork[0] == pytest.approx(
                population.quality[artwork] + sum(shown), abs=1e-5
            )
            assert felt.row[0] == taste[page, first + row]
            odds = -3.75 + felt.title[0] + felt.artwork[0] + felt.row[0]
            assert felt.chance()[0] == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-6)


def test_favourites_tell_of_a_taste_for_genres_and_add_nothing_to_it() -> None:
    arrays = CatalogArrays.of(EXAMPLE)
    population = Population(arrays, 40, 5)
    visits = population.visits(30, np.random.default_rng(2))
    others = visits.groups.copy()
    others[:, -2:] = others[::-1, -2:]
    one, two = population.tastes(visits, 0.0), population.tastes(Visits(visits.viewers, others), 0)
    count = len(arrays.genres)
    assert np.array_equal(one[:, :count], two[:, :count])
    assert not np.array_equal(one[:, count:], two[:, count:])


def test_artworks_that_mislead_are_abandoned_more_often() -> None:
    def feel(title: float, artwork: float) -> float:
        parts = (np.array([x], np.float32) for x in (title, artwork, 0.0))
        return float(abandon_chance(Appeal(*parts))[0])

    assert feel(-0.1, 0.5) == pytest.approx(0.32)
    for title, artwork in ((0.1, 0.5), (-0.1, 0.3), (0.1, -0.5)):
        assert feel(title, artwork) == pytest.approx(0.12)


@pytest.mark.parametrize("leaves", [False, True])
def test_expectations_hold_where_plays_are_frequent(
    leaves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Alpha 1e-4 for each of two means, over 4,000 pages on which every third card is played.
    monkeypatch.setattr("simulator.environments.viewers.BASE_LOG_ODDS", -0.7)
    rule = RewardRule(default=0.1)
    settings = {"rows": 4, "titles_a_row": 3, "leaves_after_play": leaves, "rule": rule}
    environment = _make(4000, 2000, **settings)
    differences = []
    for pages, served, displays in _rounds(environment):
        told = environment.expected(pages, served)
        total = np.bincount(displays.page, weights=displays.reward, minlength=pages.size)
        count = np.bincount(displays.page, minlength=pages.size)
        differences.append(np.stack([total - told.reward, count - told.displays]))
    found = np.hstack(differences)
    error = found.std(axis=1) / np.sqrt(found.shape[1])
    assert (np.abs(found.mean(axis=1)) < 3.9 * error).all()


def test_what_a_card_is_worth_is_what_it_earns() -> None:
    # Alpha 1e-4 for each of 12 kinds of card; 200,000 acts each.
    rule = RewardRule(play_seconds=0.2, seconds_full=900.0, quick_abandon_s=10.0, default=0.05)
    minutes = np.array([0.3, 12.0, 95.0])
    worth = Worth(rule, minutes)
    random = np.random.default_rng(6)
    for title in range(3):
        for taste, promise in ((-1.0, 0.6), (0.5, 0.6), (-1.0, 0.1), (6.0, 0.0)):
            count = 200_000
            feel = Appeal(*(np.full(count, x, np.float32) for x in (taste, promise, 0.2)))
            luck = random.random(count, dtype=np.float32)
            acts = act(feel, np.full(count, minutes[title] * 60), luck, random)
            rewards = display_rewards(rule, *acts)
            told = worth.of(Appeal(*(part[:1] for part in feel)), np.array([title], np.int32))
            error = rewards.std() / np.sqrt(count)
            assert abs(rewards.mean() - told[0]) < 3.9 * error + 2e-4


def test_the_context_tells_most_of_a_taste() -> None:
    environment = _make(4000, 4000)
    pages = environment.reset(4)
    appeal = np.log(environment.artwork_chances(pages)[:, :40])
    told = appeal - appeal.mean(axis=1, keepdims=True)
    design = pages.contexts.astype(np.float64)
    fitted = design @ np.linalg.lstsq(design, told, rcond=None)[0]
    explained = 1 - (told - fitted).var(axis=0).sum() / told.var(axis=0).sum()
    assert 0.6 < explained < 0.98


def test_rows_have_affinities_of_their_own() -> None:
    environment = _make(300, 300)
    pages = environment.reset(1)
    served = environment.best(pages)
    worst = served._replace(order=served.order[:, ::-1].copy())
    best, least = (environment.expected(pages, one) for one in (served, worst))
    assert best.reward.mean() > 1.25 * least.reward.mean()
    assert (best.reward >= least.reward - 1e-9).all()
    firsts = {int(rows[order[0]]) for rows, order in zip(pages.rows, served.order, strict=True)}
    assert len(firsts) > 8


def test_tastes_drift_only_where_asked() -> None:
    arrays = CatalogArrays.of(EXAMPLE)
    still, moving = (Population(arrays, 50, 1, drift) for drift in (0.0, 1.0))
    visits = still.visits(200, np.random.default_rng(1))
    assert np.array_equal(still.tastes(visits, 0.0), still.tastes(visits, 1.0))
    start, middle, end = (moving.tastes(visits, at) for at in (0.0, 0.5, 1.0))
    traits = slice(len(arrays.genres), None)

    def alike(one: np.ndarray, two: np.ndarray) -> float:
        return float(np.corrcoef(one[:, traits].ravel(), two[:, traits].ravel())[0, 1])

    assert 0.55 < alike(start, middle) < 0.9
    # What is left is the private part, which does not move: 0.09 of 1.09.
    assert abs(alike(start, end)) < 0.3
    assert start[:, traits].std() == pytest.approx(end[:, traits].std(), rel=0.1)


def test_new_titles_come_when_they_should() -> None:
    rounds = _rounds(_make(1000, 100, rows=6, new_titles=0.4, new_titles_at=0.55))
    titles = [set(pages.titles[pages.titles >= 0].tolist()) for pages, _, _ in rounds]
    early = set().union(*titles[:5])
    late = set().union(*titles[6:])
    assert 0.4 * len(EXAMPLE.titles) < len(early) < 0.8 * len(EXAMPLE.titles)
    assert len(late - early) > 0.2 * len(EXAMPLE.titles)
    mixed = rounds[5][0].titles
    assert set(mixed[:50][mixed[:50] >= 0].tolist()) <= early
    assert set(mixed[50:][mixed[50:] >= 0].tolist()) - early


def test_feedback_is_delayed_as_long_as_asked() -> None:
    delays, touched = [], []
    for _, _, displays in _rounds(_make(3000, feedback_delay_s=40.0)):
        delays.append(displays.delay_s)
        touched.append(displays.clicked)
    delay, by_touch = np.concatenate(delays), np.concatenate(touched)
    assert not delay[~by_touch].any()
    # Alpha 1e-4: the mean of an exponential.
    assert abs(delay[by_touch].mean() - 40) < 3.9 * 40 / np.sqrt(by_touch.sum())


def test_a_world_seed_keeps_the_world_and_not_the_visits() -> None:
    environment = _make(50, 50, world_seed=9)
    one, two = environment.reset(1), environment.reset(2)
    assert not np.array_equal(one.viewers, two.viewers)
    same = np.array_equal
    chances = environment.artwork_chances(one)
    other = _make(50, 50, world_seed=9)
    assert same(other.artwork_chances(other.reset(1)), chances)
    free = _make(50, 50)
    assert not same(free.artwork_chances(free.reset(1)), chances)


def test_pages_of_any_batch_of_a_run_can_be_judged_later() -> None:
    environment = _make(60, 20, drift=0.5)
    pages = environment.reset(1)
    served = uniform_served(environment, pages, np.random.default_rng(1))
    before = environment.expected(pages, served)
    environment.step(served)
    after = environment.expected(pages, served)
    assert np.array_equal(before.reward, after.reward)


def test_context_features_are_those_of_the_columns() -> None:
    features = context_features(np.array([1, 5, 12, 15, 17, 19]), ["A", "B", "C"])
    assert features == {
        "age_band": "25-34",
        "device": "tv",
        "part_of_day": "night",
        "mood": "romantic",
        "favourite_genres": ["A", "C"],
    }


def test_a_synthetic_catalog_is_as_large_as_asked_and_repeats_itself() -> None:
    document = synthetic_document(120, 5)
    assert len(document.titles) == 120
    assert {len(title.artworks) for title in document.titles} == {5}
    assert document == synthetic_document(120, 5)
    CatalogArrays.of(document)


def test_a_catalog_without_genres_or_traits_is_refused() -> None:
    features = {"subject": "face", "mood": "dark", "palette": "amber", "genre_hint": "Drama"}
    whole = Title("t", [Artwork("a", {**features})], {"genres": ["Drama"]})
    for title, lacks in (
        (Title("t", whole.artworks), "genres"),
        (Title("t", [Artwork("a", {"mood": "dark"})], whole.features), "subject"),
    ):
        document = synthetic_document(30, 2)
        document.titles.append(title)
        with pytest.raises(SimulationError, match=lacks):
            Homepage(10, 10, document=document)


def test_pages_that_the_catalog_cannot_fill_are_refused() -> None:
    with pytest.raises(SimulationError, match="rows of the catalog have titles"):
        _make(10, 10, rows=25).reset(1)
    tiny = synthetic_document(3, 2)
    with pytest.raises(SimulationError, match="rows"):
        Homepage(10, 10, HomepageSettings(rows=12), document=tiny).reset(1)
