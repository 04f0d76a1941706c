"""What may be set of each policy by name; production's own settings stand with its policy."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

_Epsilon = Annotated[
    float, Meta(ge=0, le=1, description="Share of choices that are drawn from all alike.")
]


class _Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of all."""


class NoSettings(_Settings, frozen=True, kw_only=True):
    """Of policies that leave nothing to set."""


class FixedSettings(_Settings, frozen=True, kw_only=True):
    """Of policies that learn nothing."""

    epsilon: _Epsilon = 0.0


class ModelSettings(_Settings, frozen=True, kw_only=True):
    """Of all policies that learn with a model."""

    epsilon: _Epsilon = 0.0
    propensities: Annotated[
        bool,
        Meta(
            description="Whether a simulated policy draws artworks by known probabilities, "
            "whatever they cost; on logs they are always known."
        ),
    ] = False


class PopularitySettings(ModelSettings, frozen=True, kw_only=True):
    """Of ``popularity``."""

    strength: Annotated[
        float, Meta(gt=0, description="How many displays an item's prior is worth.")
    ] = 10.0
    prior: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="Reward that is expected of the unseen; none: the mean of all displays."),
    ] = None
    temperature: Annotated[
        float,
        Meta(ge=0, description="In units of reward: above 0, items are drawn by softmax."),
    ] = 0.0


class DisjointSettings(ModelSettings, frozen=True, kw_only=True):
    """Of linear policies with a model of its own for each item."""

    variance: Annotated[float, Meta(gt=0, description="Prior variance of each weight.")] = 0.1
    noise: Annotated[
        float, Meta(gt=0, description="Variance of rewards around their expectation.")
    ] = 0.1


_Alpha = Annotated[
    float, Meta(ge=0, description="How many deviations above its mean an item counts.")
]
_Scale = Annotated[float, Meta(ge=0, description="What deviations are multiplied by in a draw.")]
_CrossesMax = Annotated[
    int, Meta(ge=4, description="Most products of context and item features, constants included.")
]


class DisjointUCBSettings(DisjointSettings, frozen=True, kw_only=True):
    """Of ``linucb-disjoint``."""

    alpha: _Alpha = 0.5


class DisjointThompsonSettings(DisjointSettings, frozen=True, kw_only=True):
    """Of ``lints-disjoint``."""

    scale: _Scale = 0.3


class SharedUCBSettings(DisjointUCBSettings, frozen=True, kw_only=True):
    """Of ``linucb``."""

    crosses_max: _CrossesMax = 1024


class SharedThompsonSettings(DisjointThompsonSettings, frozen=True, kw_only=True):
    """Of ``lints``."""

    crosses_max: _CrossesMax = 1024


class SegmentThompsonSettings(ModelSettings, frozen=True, kw_only=True):
    """Of ``segment-ts``."""

    successes: Annotated[float, Meta(gt=0, description="Successes of the Beta prior.")] = 1.0
    failures: Annotated[float, Meta(gt=0, description="Failures of the Beta prior.")] = 99.0


class SegmentExploreSettings(ModelSettings, frozen=True, kw_only=True):
    """Of ``segment-etc``."""

    displays: Annotated[
        float, Meta(gt=0, description="Displays of each item before the best are committed to.")
    ] = 20.0
