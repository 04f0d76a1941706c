"""The settings of what ops look at and the levers they pull: figures, alarms, challenger, pages."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from bandit.config.service import Count
from bandit.config.surfaces import Positive, Section

OpenFraction = Annotated[float, Meta(gt=0, lt=1)]


class InsightsConfig(Section, frozen=True, kw_only=True):
    """What the learner keeps count of beside learning, for the dashboard."""

    interval_s: Annotated[
        Positive, Meta(description="Width of the time series' intervals, in seconds.")
    ] = 10.0
    intervals_max: Annotated[
        Count, Meta(description="Most intervals that are kept; older ones are let go.")
    ] = 720
    titles_max: Annotated[
        Count,
        Meta(description="Most titles whose artworks are counted singly: those seen most of late."),
    ] = 500
    rows_max: Annotated[
        Count, Meta(description="Most rows that are counted singly: those seen most of late.")
    ] = 500
    segments: Annotated[
        list[str],
        Meta(
            description="Context features by whose values artworks are counted too, as in "
            '["device"]; only text counts. The values are kept and told as they are.'
        ),
    ] = field(default_factory=list)
    segment_values_max: Annotated[
        Count, Meta(description="Most values of one segment; what comes later counts as `other`.")
    ] = 8
    confidence: Annotated[
        OpenFraction,
        Meta(
            description="Chance that none of the ranges ever told of a figure misses it, however "
            "often one looks."
        ),
    ] = 0.95


class DriftConfig(Section, frozen=True, kw_only=True):
    """When to raise an alarm because what is served changed for the worse."""

    false_alarm_rate: Annotated[
        OpenFraction,
        Meta(
            description="Greatest chance that an alarm is ever raised while nothing changed, "
            "counted from its last reset, for each alarm by itself."
        ),
    ] = 0.001
    reference_outcomes: Annotated[
        Count,
        Meta(
            description="Least outcomes, of the learned share and served by a model, from which an "
            "alarm learns what is usual; it takes more until it knows it well enough."
        ),
    ] = 2000
    reward_drop: Annotated[
        OpenFraction,
        Meta(
            description="Fall of the mean reward of a display that is to be noticed, as a share of "
            "the usual; a fall of less than half of it rings nothing."
        ),
    ] = 0.2
    entropy_drop: Annotated[
        OpenFraction,
        Meta(
            description="Fall of the mean entropy of a draw that is to be noticed, as a share of "
            "the usual; a fall of less than half of it rings nothing."
        ),
    ] = 0.5


class ChallengerConfig(Section, frozen=True, kw_only=True):
    """A second way to serve that learns in shadow on the same events, and may take over."""

    config: Annotated[
        str | None,
        Meta(
            description="TOML file with what the challenger does otherwise: any keys of "
            "surfaces.artwork.model, surfaces.rows.model and reward (but those of its windows), "
            "and surfaces.artwork.exploration and surfaces.rows.exploration, which replace the "
            "champion's as a whole. Unset: there is no challenger."
        ),
    ] = None
    directory: Annotated[
        str,
        Meta(description="Directory of the challenger's learner, snapshots and evidence."),
    ] = "state/challenger"
    promotion: Annotated[
        bool,
        Meta(
            description="Whether the line that does not serve takes over by itself once its "
            "evidence suffices, the challenger and later the champion again; if not, "
            "`marquee challenger promote` and `demote` do it by hand."
        ),
    ] = False
    margin: Annotated[
        float,
        Meta(
            ge=0,
            description="Lift over the champion, as a share of its reward, that the lower "
            "confidence bound must pass before a promotion; a demotion needs none.",
        ),
    ] = 0.0
    false_promotion_rate: Annotated[
        OpenFraction,
        Meta(
            description="Greatest chance that a challenger which is no better is ever promoted; "
            "likewise that a promoted one that is no worse is ever demoted."
        ),
    ] = 0.05
    decisions_min: Annotated[
        Count, Meta(description="Least decisions that evidence must rest on before anything moves.")
    ] = 2000


class PagesConfig(Section, frozen=True, kw_only=True):
    """The pages for people."""

    dashboard: Annotated[bool, Meta(description="Whether the dashboard is served at /.")] = True
    demo_directory: Annotated[
        str | None,
        Meta(
            description="Directory with what the demo homepage shows; `make demo` fills one. "
            "Unset: there is no /demo."
        ),
    ] = None
