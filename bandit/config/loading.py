"""From a TOML file and the environment to a checked Config.

Defaults come first, the file over them, the environment over both. Every fault found is told at
once (the first twenty of them), each with its dotted path, what was expected and what was given,
and the nearest valid key where one was misspelt.

Several processes share one run: the parent checks the file and the environment once, and its
children read the outcome, so that all work by the same values whatever the file becomes meanwhile.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from bandit.config.checks import find_contradictions
from bandit.config.environment import Override, apply_override, read_overrides
from bandit.config.keys import members, walk
from bandit.config.schema import Config
from bandit.config.validating import Problem, find_problems, with_unset
from bandit.errors import ConfigError

PROBLEMS_MAX: Final = 20
"""Most faults told in one error."""

DEFAULT_SOURCE: Final = "default"


def load_config(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the configuration; without a path, from defaults and the environment alone.

    Raises:
        ConfigError: the file cannot be read or parsed, or anything in it or in the environment's
            overrides is wrong.
    """
    data = {} if path is None else read_toml(path)
    return parse_config(data, environ, name=None if path is None else str(path))


def parse_config(
    data: Mapping[str, Any], environ: Mapping[str, str] | None = None, *, name: str | None = None
) -> Config:
    """Make a Config of decoded data; ``name`` tells in errors where the data came from.

    Raises:
        ConfigError: a key is unknown, a value is wrong, or two of them contradict each other.
    """
    overrides, problems = read_overrides(environ or {})
    merged = _merged(data, overrides)
    by_path = {override.path: override.variable for override in overrides}
    problems = [*(_with_origin(each, by_path) for each in find_problems(merged)), *problems]
    if problems:
        raise _error(problems, name)
    try:
        config = msgspec.convert(with_unset(merged), Config)
    except msgspec.ValidationError as error:
        raise ConfigError("", str(error), hint=_hint(name)) from error
    if contradictions := find_contradictions(config):
        raise _error(contradictions, name)
    return config


def config_sources(path: Path | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Return where each set key comes from: the file's name, or a variable's.

    Keys that are absent have their default. Tables of a tagged union count by the keys given.
    """
    sources: dict[str, str] = {}
    if path is not None:
        _note_sources(read_toml(path), "", str(path), sources)
    overrides, _ = read_overrides(environ)
    for override in overrides:
        _note_sources({override.path: override.value}, "", override.variable, sources)
    known = {key_path for key_path, key in walk(Config) if not members(key.type)}
    return {key_path: source for key_path, source in sources.items() if key_path in known}


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: there is no such file, it cannot be read, or it is not TOML; then the error's
            path is ``file:line``.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        place = f"{path}:{line.group(1)}" if line else f"{path}"
        raise ConfigError(place, str(error), hint="the file must be TOML 1.0") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), "not UTF-8 text", hint="save the file as UTF-8") from error
    except OSError as error:
        raise ConfigError(
            str(path),
            f"cannot be read: {error.strerror}",
            hint="give the path of a TOML file with --config, or leave it out for the defaults",
        ) from error


def effective_json(config: Config) -> bytes:
    """Encode a checked configuration whole. It holds the API keys: keep it private."""
    return msgspec.json.encode(config)


def from_effective_json(encoded: bytes) -> Config:
    """Decode what :func:`effective_json` made.

    Raises:
        ConfigError: it is something else.
    """
    try:
        return msgspec.json.decode(encoded, type=Config)
    except msgspec.DecodeError as error:
        raise ConfigError(
            "", f"not an effective configuration: {error}", hint="start `marquee serve` again"
        ) from error


def _merged(data: Mapping[str, Any], overrides: Sequence[Override]) -> dict[str, Any]:
    merged = copy.deepcopy(dict(data))
    for override in overrides:
        apply_override(merged, override)
    return merged


def _with_origin(problem: Problem, variables: Mapping[str, str]) -> Problem:
    variable = variables.get(problem.path)
    if variable is None:
        return problem
    return Problem(problem.path, f"{problem.message} (from {variable})")


def _error(problems: Sequence[Problem], name: str | None) -> ConfigError:
    first, *others = problems
    lines = [first.message]
    lines += [f"{each.path}: {each.message}" for each in others[: PROBLEMS_MAX - 1]]
    if len(problems) > PROBLEMS_MAX:
        lines.append(f"and {len(problems) - PROBLEMS_MAX} more")
    return ConfigError(first.path, "\n".join(lines), hint=_hint(name))


def _hint(name: str | None) -> str:
    where = f"mend {name}; " if name else ""
    return f"{where}`marquee config reference` lists every key"


def _note_sources(
    data: Mapping[str, Any], prefix: str, source: str, sources: dict[str, str]
) -> None:
    for name, value in data.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            _note_sources(value, f"{path}.", source, sources)
        else:
            sources[path] = source
