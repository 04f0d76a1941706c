"""What a challenger does otherwise than the champion: a small TOML file over the configuration.

It may set any keys of ``surfaces.<surface>.model`` and of ``reward``, each by itself, and
``surfaces.<surface>.exploration``, which takes the place of the champion's as a whole, since the
keys of one strategy mean nothing to another. How long feedback is waited for stays the champion's:
both lines are judged on the same outcomes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from bandit.config.checks import find_contradictions
from bandit.config.loading import read_toml
from bandit.config.schema import Config
from bandit.config.validating import Problem, find_problems, with_unset
from bandit.errors import ConfigError
from bandit.types import SURFACES

MODELS: Final = tuple(f"surfaces.{surface}.model" for surface in SURFACES)
STRATEGIES: Final = tuple(f"surfaces.{surface}.exploration" for surface in SURFACES)
REWARD: Final = "reward"
SHARED: Final = frozenset(("window_s", "close_after_play_s", "clock_leeway_s"))
"""Keys of ``reward`` that both lines have in common."""

LEARNER: Final = "learner"
SNAPSHOTS: Final = "snapshots"
"""Where a challenger's learner stands and its snapshots lie, below ``challenger.directory``."""


class Challenger(msgspec.Struct, frozen=True, kw_only=True):
    """A challenger as configured."""

    config: Config
    """All that it goes by: the champion's configuration with what it does otherwise, and learner
    and snapshots of its own."""
    overlay: str
    """Digest of what the file sets: another file is another challenger."""
    changes: dict[str, tuple[Any, Any]]
    """Dotted key → the champion's value and the challenger's, where they differ."""


def read_challenger(config: Config) -> Challenger | None:
    """Read the challenger that a configuration names, None where it names none.

    Raises:
        ConfigError: the file cannot be read, sets what it may not, or contradicts the rest.
    """
    name = config.challenger.config
    return None if name is None else make_challenger(config, read_toml(Path(name)), name)


def learner_directory(config: Config) -> Path:
    """Return where a challenger's learner stands."""
    return Path(config.challenger.directory) / LEARNER


def make_challenger(config: Config, overlay: Mapping[str, Any], name: str) -> Challenger:
    """Make the challenger that differs from a configuration by an overlay; ``name`` tells whose.

    Raises:
        ConfigError: as :func:`read_challenger`.
    """
    if problems := find_problems(overlay) or list(_not_allowed(overlay)):
        raise _error(problems, name)
    found = _put_over(config, with_unset(overlay))
    if problems := find_contradictions(found):
        raise _error(problems, name)
    canonical = msgspec.json.encode(overlay, order="sorted")
    return Challenger(
        config=found,
        overlay=hashlib.sha256(canonical).hexdigest()[:16],
        changes=_changes(config, found),
    )


def _not_allowed(overlay: Mapping[str, Any]) -> Iterator[Problem]:
    for path, value in _tables(overlay):
        if path == REWARD:
            for key in sorted(SHARED & value.keys()):
                yield Problem(
                    f"{REWARD}.{key}",
                    "both lines are judged on the same outcomes: set it in the configuration "
                    "itself, or leave it out",
                )
        elif path not in (*MODELS, *STRATEGIES):
            yield Problem(
                path,
                "a challenger does not differ in this; it may set keys of "
                f"{', '.join((*MODELS, *STRATEGIES))} and {REWARD}",
            )


def _tables(overlay: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what an overlay sets, at the depth at which it is allowed or not."""
    for section, inner in overlay.items():
        if section != "surfaces" or not isinstance(inner, Mapping):
            yield section, inner
            continue
        for surface, parts in inner.items():
            if surface not in SURFACES or not isinstance(parts, Mapping):
                yield f"{section}.{surface}", parts
            else:
                yield from ((f"{section}.{surface}.{part}", each) for part, each in parts.items())


def _put_over(config: Config, overlay: Mapping[str, Any]) -> Config:
    replace = msgspec.structs.replace
    snapshots = Path(config.challenger.directory) / SNAPSHOTS
    surfaces = config.surfaces
    for surface in SURFACES:
        before = getattr(surfaces, surface)
        given = overlay.get("surfaces", {}).get(surface, {})
        model = _merged(before.model, given.get("model", {}))
        after = replace(before, model=model)
        if "exploration" in given:
            after = msgspec.convert(
                {**msgspec.to_builtins(after), "exploration": given["exploration"]}, type(before)
            )
        surfaces = replace(surfaces, **{surface: after})
    return replace(
        config,
        surfaces=surfaces,
        reward=_merged(config.reward, overlay.get(REWARD, {})),
        learner=replace(config.learner, directory=str(learner_directory(config))),
        snapshots=replace(config.snapshots, directory=str(snapshots)),
    )


def _merged(section: Any, given: Mapping[str, Any]) -> Any:
    return msgspec.convert({**msgspec.to_builtins(section), **given}, type(section))


def _changes(champion: Config, challenger: Config) -> dict[str, tuple[Any, Any]]:
    ours, theirs = (
        dict(_leaves({"surfaces": msgspec.to_builtins(each.surfaces)}, ""))
        | dict(_leaves({REWARD: msgspec.to_builtins(each.reward)}, ""))
        for each in (champion, challenger)
    )
    return {
        path: (ours.get(path), theirs.get(path))
        for path in sorted(ours.keys() | theirs.keys())
        if ours.get(path) != theirs.get(path)
    }


def _leaves(data: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _error(problems: list[Problem], name: str) -> ConfigError:
    first, *others = problems
    lines = [f"{first.message} (in {name})", *(f"{each.path}: {each.message}" for each in others)]
    return ConfigError(
        first.path,
        "\n".join(lines),
        hint=f"mend {name}, the challenger's file; or leave out challenger.config",
    )
