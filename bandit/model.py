"""The learning engine that is VW; nothing else imports vowpal_wabbit_next.

Rules:

* What leaves this file is in units of reward. VW's contextual-bandit reductions learn costs; a
  cost is −reward here and nowhere else, and their weights are negated on the way out.
* Every example is checked before VW sees it: a propensity of 0 or a number that is not finite
  makes weights infinite, and VW says nothing.
* Propensities below 1/IMPORTANCE_MAX count as that where something is divided by them.
* A state is VW's own model file: stock VW loads it, predicts the same and orders candidates the
  same. Loaded here, it learns on exactly as the engine that wrote it would have.
* VW holds the GIL throughout and is not thread-safe: an engine has one owner, who does not share
  it between threads.
* A regression fills one and the same line of VW's again and again: making one costs more than
  learning from it. What is left in a group after it was emptied is the rounding of its sum of
  squares, which only the plain update reads, and no configuration leads there.

What an example of the standard work costs (20 context features, 13 of an artwork; microseconds on
a machine that was busy besides): VW's own learning 4.7, filling the line 3.3, label and call 2,
checks and weight 0.7. With a new line and a look at every value each time it was 37.

Uncertainty comes from the sums of squared gradients that AdaGrad keeps (Duchi, Hazan and Singer
2011), read as a diagonal Gaussian posterior (a Laplace approximation, MacKay 1992). The gradient of
squared loss is g = 2·e·x for an error e, so Σ g² ≈ 4σ²·Σ x² with the noise variance σ² = E[e²],
and the posterior variance of a weight is

    1 / (1/PRIOR_VARIANCE + Σ x² / σ²)  ≈  1 / (1/PRIOR_VARIANCE + Σ g² / (4σ⁴)).

A weight that was never touched keeps the prior's variance. σ² is the progressive mean squared error
of a regression by squared loss. Elsewhere VW does not tell it, and the most that rewards in [0, 1]
can vary stands in, 1/4 (Popoviciu 1935): variances then hold up to a scale, as they also do under
importance weights. Exploration sets the scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, cast

import numpy as np
import vowpal_wabbit_next as vw

from bandit.config.model_rules import IMPORTANCE_MAX, importance_max, weight_max
from bandit.config.schema import ModelConfig
from bandit.engine import Candidate, ModelArrays, Ready, TrainingExample
from bandit.errors import ConfigError, ModelError
from bandit.example_checks import ExampleChecks
from bandit.features import Encoded
from bandit.model_arguments import identity, started_at, vw_arguments
from bandit.model_state import (
    ModelState,
    is_regularised,
    read_state,
    regularised,
    without_lazy_regularisation,
)
from bandit.scoring import ModelShape
from bandit.types import Float32Array

PRIOR_VARIANCE: Final = 0.001
"""Variance of a weight before anything was seen, in reward² for a feature of value 1."""

_SETTLED_EVERY: Final = 4096
"""Examples after which lazy regularisation is applied to the weights, lest its scale underflows."""

_COPIED_AT_ONCE: Final = 1 << 15
"""Weights copied at once: they and what is computed of them fit into a core's own cache."""

_NO_LABEL: Final = float(np.finfo(np.float32).max)
"""The label by which VW knows an example that has none."""

_NOTHING: Final = Ready.of({})

_NOISE_MOST: Final = 0.25
"""The largest variance of a reward in [0, 1]."""
_NOISE_LEAST: Final = 1e-4
_MEAN_SIZE: Final = math.sqrt(2 / math.pi)
"""Mean size of a Gaussian of variance 1."""


def engine_version() -> str:
    """Return VW's version, which must be the same where a state is written and read."""
    return str(vw.VW_VERSION)


class VowpalEngine:
    """Learns one surface's model with VW; implements :class:`bandit.engine.LearningEngine`.

    Args:
        shape: what the model looks at.
        config: how it learns. Step sizes and regularisation may differ from those that ``state``
            was learned with.
        state: what :meth:`serialize` of an engine of the same shape returned.

    Raises:
        ConfigError: VW does not take the configuration's further arguments.
        ModelError: ``state`` is damaged in a way that shows, or was learned with another shape.
            That a byte of a weight was changed only a digest kept elsewhere can tell.
    """

    def __init__(self, shape: ModelShape, config: ModelConfig, state: bytes | None = None) -> None:
        self._shape = shape
        self._config = config
        self._bandit = config.cb_type != "regression"
        self._checks = ExampleChecks(shape, config)
        self._importance_max = importance_max(config)
        self._weight_max = weight_max(config)
        self._vw_arguments = vw_arguments(shape, config)
        self._line = _Line(shape.namespaces)
        self._shared: Mapping[str, Encoded] = {}
        self._ready = Ready.of(self._shared)
        self._learned = 0
        self._state: bytes | None = None
        """What :meth:`serialize` returned last, while that holds."""
        self._lazy = config.l2 > 0 or any(one.startswith("--l1=") for one in config.arguments)
        """Whether anything may regularise lazily."""
        if state is None:
            self._workspace = _new_workspace(shape, self._vw_arguments)
            return
        head = self._checked_head(state)
        self._learned = head.examples
        self._lazy |= is_regularised(head)
        try:
            self._workspace = vw.Workspace(self._vw_arguments, model_data=state)
        except RuntimeError as error:
            raise _damaged(str(error)) from error
        taken = self.serialize()
        taken_at = read_state(taken, bandit=self._bandit).body_at
        if taken[taken_at:] != state[head.body_at :]:
            raise _damaged("VW did not take it up whole")
        self._arrays(head)

    @property
    def examples_learned(self) -> int:
        """How many examples the model has learned, over its whole life."""
        return self._learned

    def learn(self, examples: Sequence[TrainingExample]) -> None:
        """Learn from the examples, in order.

        Raises:
            UnlearnableError: an example's propensity, reward or feature is not a finite, lawful
                number; the examples before it were learned.
        """
        self._state = None
        for example in examples:
            if example.shared is not self._shared:
                self._shared, self._ready = example.shared, Ready.of(example.shared)
            self._checks.check(example, self._ready)
            if self._bandit:
                self._workspace.learn_one(self._bandit_lines(example))
            else:
                own = example.candidates[example.chosen].ready
                label = vw.SimpleLabel(example.reward, self._weight(example))
                self._workspace.learn_one(self._line.filled(label, self._ready, own))
            self._learned += 1
            if self._lazy and self._learned % _SETTLED_EVERY == 0:
                self._settle()

    def forget(self, share_kept: float) -> None:
        """Keep a share of AdaGrad's sums, over all weights, so that steps and variances grow again.

        It takes 1 ms for 2^18 weights, and in proportion to their number.
        """
        self._state = None
        sums = self._workspace.weights()[: 1 << self._shape.bits, :, 1]
        start, share = np.float32(started_at(self._config)), np.float32(share_kept)
        sums[:] = np.where(sums > start, start + (sums - start) * share, sums)

    def predict(
        self, shared: Mapping[str, Encoded], candidates: Sequence[Candidate]
    ) -> list[float]:
        """Return the expected reward of each candidate as VW itself predicts it."""
        common = Ready.of(shared)
        names = self._shape.namespaces
        if not self._bandit:
            unknown = vw.SimpleLabel(_NO_LABEL)
            lines = [_Line(names).filled(unknown, common, one.ready) for one in candidates]
            return [cast(float, self._workspace.predict_one(line)) for line in lines]
        lines = [_Line(names).filled(vw.CBLabel(shared=True), common)]
        lines += [_Line(names).filled(vw.CBLabel(), one.ready) for one in candidates]
        costs = dict(cast("list[tuple[int, float]]", self._workspace.predict_one(lines)))
        return [-costs[index] for index in range(len(candidates))]

    def arrays(self) -> ModelArrays:
        """Return a copy of what was learned.

        Raises:
            ModelError: a weight is not finite.
        """
        return self.snapshot()[0]

    def serialize(self) -> bytes:
        """Return the whole state as a model file of VW.

        It is kept until more is learned: a snapshot and a checkpoint of one moment share it.
        """
        if self._state is None:
            self._state = bytes(self._workspace.serialize())
        return self._state

    def snapshot(self) -> tuple[ModelArrays, bytes]:
        """Return what was learned and the state of the same moment.

        Raises:
            ModelError: a weight is not finite.
        """
        state = self.serialize()
        head = read_state(state, bandit=self._bandit)
        return self._arrays(head), state

    def _checked_head(self, state: bytes) -> ModelState:
        head = read_state(state, bandit=self._bandit)
        if head.version != engine_version():
            raise ModelError(
                f"the model was written by VW {head.version}, this is {engine_version()}",
                hint="run the release that wrote it, or learn anew from the log",
            )
        if head.identity != identity(self._shape, self._config):
            raise ModelError(
                f"the model was learned with other settings than {self._shape}",
                hint="go back to the bits, interactions, constant and cb_type that it was learned "
                "with, or learn anew from the log",
            )
        return head

    def _settle(self) -> None:
        """Apply lazy regularisation to the weights.

        VW does so only where it forgets how to learn on. The count of examples decides when, so
        that it comes at the same point whether or not learning was interrupted.
        """
        state = bytes(self._workspace.serialize())
        head = read_state(state, bandit=self._bandit)
        if not is_regularised(head):
            return
        settled = without_lazy_regularisation(state, head)
        self._workspace = vw.Workspace(self._vw_arguments, model_data=settled)
        weights = self._workspace.weights()[: 1 << self._shape.bits, :, 0]
        weights[:] = regularised(weights, head.gravity, head.contraction)

    def _table(self) -> Float32Array:
        """Return a view of VW's weights and their statistics, shape (2^bits, columns).

        The doubly robust reduction interleaves the model that chooses with the one that estimates
        costs, and the view that the binding gives is then twice as long as the memory behind it.
        """
        table: Float32Array = self._workspace.weights()[: 1 << self._shape.bits, 0]
        return table

    def _arrays(self, head: ModelState) -> ModelArrays:
        """Return a copy of what was learned, made part by part so that temporaries stay small."""
        table = self._table()
        arrays = ModelArrays(np.empty(len(table), np.float32), np.empty(len(table), np.float32))
        for start in range(0, len(table), _COPIED_AT_ONCE):
            part = slice(start, start + _COPIED_AT_ONCE)
            arrays.weights[part] = self._weights(table[part], head)
            arrays.variances[part] = self._variances(table[part], head)
        return arrays

    def _weights(self, table: Float32Array, head: ModelState) -> Float32Array:
        """Return the weights in units of reward."""
        weights: Float32Array = table[:, 0]
        if not np.isfinite(weights).all():
            raise ModelError(
                "the model's weights are not finite",
                hint="go back to an earlier snapshot; lower learning_rate if it happens again",
            )
        if is_regularised(head):
            weights = regularised(weights, head.gravity, head.contraction)
        return np.negative(weights) if self._bandit else weights

    def _variances(self, table: Float32Array, head: ModelState) -> Float32Array:
        noise = _noise(head, self._config)
        with np.errstate(over="ignore"):  # a sum past float32 leaves a variance of 0
            if "--coin" in self._config.arguments:
                # coin betting keeps Σ|g| and max|x|; Σ x² is Σ|x|·max|x| where x is of one size
                squares = table[:, 2] * table[:, 3] / (2 * _MEAN_SIZE * math.sqrt(noise))
            elif "--ftrl" in self._config.arguments:
                squares = table[:, 2] / (4 * noise)
            else:
                squares = (table[:, 1] - np.float32(head.initial_t)) / (4 * noise)
            return (1 / (1 / PRIOR_VARIANCE + squares / noise)).astype(np.float32)

    def _weight(self, example: TrainingExample) -> float:
        """Return the weight of an example of a regression.

        What stands for several is not clipped as propensities are: how many it stands for was
        chosen, and clipping would learn less of them than there were.
        """
        importance = min(1.0 / example.propensity, self._importance_max)
        return min(importance * example.weight, self._weight_max)

    def _bandit_lines(self, example: TrainingExample) -> list[vw.Example]:
        propensity = max(example.propensity, 1.0 / IMPORTANCE_MAX)
        # VW divides by the propensity itself, and takes the weight of each candidate's line.
        weight = min(example.weight, max(1.0, self._weight_max * propensity))
        chosen = vw.CBLabel(label=(0, -example.reward, propensity), weight=weight)
        names = self._shape.namespaces
        lines = [_Line(names).filled(vw.CBLabel(shared=True), self._ready)]
        for index, candidate in enumerate(example.candidates):
            label = chosen if index == example.chosen else vw.CBLabel(weight=weight)
            lines.append(_Line(names).filled(label, candidate.ready))
        return lines


class _Line:
    """One example of VW's, which can be filled anew.

    All namespaces are made at once, in a fixed order: sums of floats depend on it.
    """

    def __init__(self, namespaces: Sequence[str]) -> None:
        self._example = vw.Example()
        # the binding's stubs misname array types
        self._groups: dict[str, Any] = {name: self._example[ord(name[0])] for name in namespaces}
        self._shared: Ready | None = None
        self._names: tuple[str, ...] = ()

    def filled(
        self, label: vw.SimpleLabel | vw.CBLabel, shared: Ready, own: Ready = _NOTHING
    ) -> vw.Example:
        """Return the line, holding these; what it held of ``shared`` already stays in place."""
        groups = self._groups
        if shared is not self._shared or own.names != self._names:
            self._shared, self._names = None, own.names
            for group in groups.values():
                group.truncate_to(0)
            for name, (hashes, values) in shared.groups.items():
                groups[name].push_many_features(hashes, values)
            self._shared = shared
        for name, (hashes, values) in own.groups.items():
            group = groups[name]
            group.truncate_to(0)
            group.push_many_features(hashes, values)
        self._example.set_label(label)
        return self._example


def _new_workspace(shape: ModelShape, arguments: list[str]) -> vw.Workspace[Literal[False]]:
    try:
        return vw.Workspace(arguments)
    except RuntimeError as error:
        raise ConfigError(
            f"surfaces.{shape.surface}.model.arguments",
            f"VW refuses them: {error}",
            hint="leave out the argument that it names",
        ) from error


def _noise(head: ModelState, config: ModelConfig) -> float:
    """Estimate the variance of rewards around their expectation, as if one more was unknown."""
    quantile = "--loss_function=quantile" in config.arguments
    if config.cb_type != "regression" or quantile:
        return _NOISE_MOST
    return max((_NOISE_MOST + head.loss_sum) / (1 + head.weight_sum), _NOISE_LEAST)


def _damaged(reason: str) -> ModelError:
    return ModelError(
        f"the model's state is damaged: {reason}",
        hint="restore it from a snapshot that verifies, or learn anew from the log",
    )
