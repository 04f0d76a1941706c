"""The settings of the two learning problems: model, exploration, shares, stickiness, exposure."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from bandit.config.vw_arguments import ARGUMENTS
from bandit.exploration import EpsilonGreedy, Exploration
from bandit.ranking import PlackettLuce, Ranking
from bandit.types import Share

Positive = Annotated[float, Meta(gt=0)]
Fraction = Annotated[float, Meta(ge=0, le=1)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all sections share: they are frozen, and an unknown key is an error."""


class ModelConfig(Section, frozen=True, kw_only=True):
    """How one surface's model is shaped and trained."""

    bits: Annotated[
        int, Meta(ge=10, le=28, description="The model has 2^bits weights (VW's -b).")
    ] = 18
    learning_rate: Annotated[float, Meta(gt=0, le=1e6, description="Step size (VW's -l).")] = 0.05
    power_t: Annotated[
        float, Meta(ge=0, le=1, description="How fast steps shrink; 0 never (VW's --power_t).")
    ] = 0.5
    half_life_s: Annotated[
        Annotated[float, Meta(ge=1)] | None,
        Meta(
            description="Time in seconds, by the log's clock, after which what sized the steps so "
            "far counts half, so that steps grow again and the model follows what changed. Unset: "
            "nothing is forgotten."
        ),
    ] = None
    l2: Annotated[
        float,
        Meta(
            ge=0,
            le=1e6,
            description="L2 regularisation (VW's --l2); no more than takes away 0.005 of a weight "
            "in one step.",
        ),
    ] = 0.0
    constant: Annotated[
        bool, Meta(description="Whether the model has an intercept (off is VW's --noconstant).")
    ] = False
    interactions: Annotated[
        list[list[str]] | None,
        Meta(
            description="Which namespaces are crossed, each a list of two or three distinct names "
            "out of context, title, artwork, id for artworks and context, row, id, position for "
            "rows. Unset takes the surface's default: the context with each description."
        ),
    ] = None
    cb_type: Annotated[
        Literal["regression", "mtr", "ips", "dr"],
        Meta(
            description="What is learned from a choice: a regression of the reward on the chosen "
            "candidate alone, or VW's contextual-bandit reductions over all candidates "
            "(five times the cost)."
        ),
    ] = "regression"
    importance: Annotated[
        Literal["none", "clipped", "full"],
        Meta(
            description="Weight of an example in the regression: 1, 1/propensity clipped at "
            "importance_max, or 1/propensity."
        ),
    ] = "none"
    importance_max: Annotated[
        float, Meta(ge=1, description="Largest importance weight when clipped.")
    ] = 20.0
    arguments: Annotated[
        list[str],
        Meta(
            description=f"Further VW arguments, out of: {', '.join(ARGUMENTS)}; each as "
            "`--name=value` or `--name`."
        ),
    ] = []


class SurfaceConfig(Section, frozen=True, kw_only=True):
    """What both surfaces share: model, mode, shares, stickiness and exposure."""

    model: Annotated[ModelConfig, Meta(description="The surface's model.")] = ModelConfig()
    mode: Annotated[
        Literal["online", "apprentice", "log_only"],
        Meta(
            description="online: serve what was learned. apprentice: serve the baseline and learn "
            "to imitate it. log_only: serve the baseline and learn nothing."
        ),
    ] = "online"
    holdout: Annotated[
        Fraction, Meta(description="Share of viewers who always get the baseline.")
    ] = 0.05
    explore: Annotated[
        Fraction, Meta(description="Share of viewers who get uniform random choices.")
    ] = 0.05
    stickiness_s: Annotated[
        Positive,
        Meta(description="Seconds during which a viewer's draws stay the same under one snapshot."),
    ] = 1800.0
    exposure: Annotated[
        Literal["reported", "all", "cascade"],
        Meta(
            description="What counts as seen: what an impression, click or play was reported for; "
            "everything served; or everything served down to the last such report."
        ),
    ] = "reported"
    zero_reward_share: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            description="Share of the displays without any reward that are learned, drawn by hash, "
            "each with 1 / share times the weight of one that was touched. Less than 1 spares a "
            "learner that falls behind. Weighted sums stay unbiased; predictions get noisier and "
            "are off: by 5 % of the mean reward at most, where that was measured from 3,000 "
            "displays on with learning_rate / share up to 1. More is refused.",
        ),
    ] = 1.0
    learn_from: Annotated[
        list[Share],
        Meta(
            description="Shares of viewers whose outcomes are learned; the holdout is left out so "
            "that it stays an independent yardstick."
        ),
    ] = field(default_factory=lambda: ["learned", "explore"])


class ArtworkSurfaceConfig(SurfaceConfig, frozen=True, kw_only=True):
    """The choice of each title's artwork."""

    exploration: Annotated[
        Exploration, Meta(description="How scores become probabilities; `type` names the strategy.")
    ] = EpsilonGreedy()
    baseline: Annotated[
        Literal["first", "uniform"],
        Meta(
            description="What the holdout gets: the first artwork of each title, or any at random."
        ),
    ] = "first"


class RowsSurfaceConfig(SurfaceConfig, frozen=True, kw_only=True):
    """The order of the rows."""

    exploration: Annotated[
        Ranking, Meta(description="How scores become an order; `type` names the strategy.")
    ] = PlackettLuce()
    baseline: Annotated[
        Literal["given", "uniform"],
        Meta(description="What the holdout gets: the order of the request, or any at random."),
    ] = "given"


class SurfacesConfig(Section, frozen=True, kw_only=True):
    """The learning problems, each with a model of its own."""

    salt: Annotated[
        str,
        Meta(
            description="Mixed into every hash that draws or assigns shares; changing it draws "
            "everything anew."
        ),
    ] = "marquee"
    artwork: ArtworkSurfaceConfig = ArtworkSurfaceConfig()
    rows: RowsSurfaceConfig = RowsSurfaceConfig()
