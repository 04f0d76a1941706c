"""The further VW arguments that ``model.arguments`` may hold, and what each takes.

Some of VW's arguments write files, and many would make scores something else than a sum over
weights; only those that change how weights are learned are let through.

Why values are checked more narrowly than Python reads numbers: VW's own reader knows neither
underscores nor spaces nor anything past float32, and would refuse them in the learner's process,
where nobody is there to mend them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

_LOSSES: Final = ("squared", "classic", "quantile")
_NUMBER: Final = re.compile(r"(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NUMBER_MAX: Final = 3e38
_SEED_MAX: Final = 2**64 - 1


def _number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and float(text) <= _NUMBER_MAX


def _loss(text: str) -> bool:
    return text in _LOSSES


def _seed(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 20 and int(text) <= _SEED_MAX


_VALUED: Final[Mapping[str, tuple[Callable[[str], bool], str]]] = {
    **dict.fromkeys(
        (
            "--l1",
            "--initial_t",
            "--decay_learning_rate",
            "--ftrl_alpha",
            "--ftrl_beta",
            "--quantile_tau",
        ),
        (_number, f"a number from 0 to {_NUMBER_MAX:g}"),
    ),
    "--loss_function": (_loss, f"one of {', '.join(_LOSSES)}: rewards lie between 0 and 1"),
    "--random_seed": (_seed, f"a whole number from 0 to {_SEED_MAX}"),
}

UPDATE_RULES: Final = ("--ftrl", "--coin")
"""Arguments without a value; each puts another rule in the place of AdaGrad's."""

ARGUMENTS: Final = (*_VALUED, *UPDATE_RULES)
"""The names of all arguments that are let through."""


def wrong_arguments(arguments: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield which arguments cannot be, each by its index with the reason."""
    seen: set[str] = set()
    for index, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name in seen:
            yield index, f"{name} stands there twice: leave one of the two out"
        elif name in _VALUED:
            lawful, expected = _VALUED[name]
            if not lawful(value):
                yield index, f"{value!r} is not a value of {name}: give {expected}"
            elif name == "--quantile_tau" and "--loss_function=quantile" not in arguments:
                yield index, f"{name} needs --loss_function=quantile beside it"
        elif name not in UPDATE_RULES:
            yield index, f"{name!r} is not an allowed argument"
        elif argument != name:
            yield index, f"{name} takes no value: write {name}"
        elif not seen.isdisjoint(UPDATE_RULES):
            yield index, f"{' and '.join(UPDATE_RULES)} exclude each other: leave one of them out"
        seen.add(name)
