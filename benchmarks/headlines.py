"""What the report shows first: the figures with promises, and which figures to set side by side."""

from __future__ import annotations

from typing import Final, NamedTuple

_FLOOR: Final = "of an empty Flask endpoint on stock gunicorn gthread, 3 workers × 8 threads"

HEADLINES: Final[dict[str, str]] = {
    "page_inprocess_ms": "a page in one process",
    "page_inprocess_ratio_vw_cached": "as fast as VW on kept Examples of the same model",
    "page_http_per_s": "pages over HTTP",
    "page_http_ratio_naive": "as many pages as Flask around VW",
    "page_http_ratio_floor": f"{_FLOOR}, pages",
    "page_http_p99_ms_half_load": "99th percentile of a page at half load",
    "decision_http_ratio_floor": f"{_FLOOR}, small decisions",
    "learner_outcomes_per_s": "outcomes learned on one core",
    "feedback_to_served_p95_s": "from a play to a model that learned it, 95th percentile",
    "swap_pause_max_ms": "slowest request because of a new model",
    "catalog_1m_ratio_20k": "a page's time at 1,000,000 artworks, by that at 20,000",
    "ope_ips_ratio_obp": "as fast as obp: IPS with a bootstrap",
    "ope_dr_ratio_obp": "as fast as obp: doubly robust",
    "ope_slate_ratio_obp": "as fast as obp: slates",
}
"""Names that every run of all parts has, and what they are about."""


class Comparison(NamedTuple):
    """Figures of one unit that belong side by side, ours first."""

    name: str
    title: str
    caption: str
    figures: dict[str, str]
    """Labels by figure."""
    ours: int = 1
    """How many of them are ours."""
    less_is_better: bool = True


COMPARISONS: Final = (
    Comparison(
        "inprocess",
        "A page in one process, ms",
        "240 titles × 8 artworks and 40 rows, taken in turns in one run. VW and its bindings only "
        "score; the two other packages know no features of artworks, and score a matrix.",
        {
            "page_inprocess_ms": "Marquee, the whole decision",
            "page_inprocess_scores_ms": "Marquee, scores alone",
            "page_inprocess_vw_served_ms": "VW, kept Examples of the served model",
            "page_inprocess_vw_cached_ms": "VW cb_explore_adf, kept Examples",
            "page_inprocess_vw_text_ms": "VW cb_explore_adf, text",
            "page_inprocess_vowpalwabbit_kept_ms": "vowpalwabbit, kept Examples",
            "page_inprocess_vowpalwabbit_text_ms": "vowpalwabbit, text",
            "page_inprocess_mabwiser_1920_ms": "MABWiser, 1,920 arms",
            "page_inprocess_mabwiser_ms": "MABWiser, 8 arms × 240",
            "page_inprocess_contextualbandits_ms": "contextualbandits UCB, 8 arms × 240",
        },
        ours=2,
    ),
    Comparison(
        "factoring",
        "Scores of a page three ways, ms",
        "Hashed crosses one by one; a table column a context feature; and the vocabulary's, which "
        "is served. The three give the same scores.",
        {
            "factoring_vocabulary_20k_ms": "the vocabulary's",
            "factoring_columns_20k_ms": "columns, all warm",
            "factoring_direct_20k_ms": "one by one",
        },
    ),
    Comparison(
        "http",
        "Pages over HTTP, a second",
        "At saturation, by turns in one run; all have 3 workers, and 8 threads each where not said "
        "otherwise. Empty endpoints are Flask's and return the bytes of our answer.",
        {
            "page_http_per_s": "Marquee, MessagePack",
            "page_http_json_per_s": "Marquee, JSON",
            "page_http_granian_per_s": "Marquee on granian",
            "page_http_floor_per_s": "empty endpoint, stock gthread",
            "page_http_floor_one_thread_per_s": "empty endpoint, stock, 1 thread",
            "page_http_floor_our_worker_per_s": "empty endpoint, our worker class",
            "page_http_floor_granian_per_s": "empty endpoint, granian",
            "page_http_naive_per_s": "Flask around VW",
        },
        ours=3,
        less_is_better=False,
    ),
    Comparison(
        "decision",
        "Small decisions over HTTP, a second",
        "One title, at saturation, by turns in one run; all have 3 workers, and 8 threads each "
        "where not said otherwise. Empty endpoints are Flask's.",
        {
            "decision_http_per_s": "Marquee",
            "decision_http_granian_per_s": "Marquee on granian",
            "decision_http_floor_per_s": "empty endpoint, stock gthread",
            "decision_http_floor_one_thread_per_s": "empty endpoint, stock, 1 thread",
            "decision_http_floor_our_worker_per_s": "empty endpoint, our worker class",
            "decision_http_floor_granian_per_s": "empty endpoint, granian",
        },
        ours=2,
        less_is_better=False,
    ),
    Comparison(
        "learner",
        "Outcomes learned on one core, a second",
        "Log, join, learn, with checkpoints and snapshots.",
        {
            "learner_outcomes_per_s": "whole pages",
            "learner_outcomes_per_s_share_25": "one zero reward in four learned",
            "learner_outcomes_per_s_share_10": "one zero reward in ten learned",
            "learner_single_outcomes_per_s": "single titles",
        },
        ours=4,
        less_is_better=False,
    ),
    Comparison(
        "obp",
        "Off-policy estimates, times as fast as the Open Bandit Pipeline",
        "A value and its bootstrap interval, on all cores against obp's one thread.",
        {
            "ope_ips_ratio_obp": "IPS",
            "ope_dr_ratio_obp": "doubly robust",
            "ope_slate_ratio_obp": "slates",
        },
        ours=3,
        less_is_better=False,
    ),
)
