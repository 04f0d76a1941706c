"""Opens logged data of every format, from a path or a name.

| format | what it is |
|---|---|
| ``event-log`` | the spools of a service: their directory, or a configuration that names it |
| ``export`` | what ``marquee log export`` wrote |
| ``obd`` | one campaign of the Open Bandit Dataset: its directory |
| ``dsjson`` | Vowpal Wabbit's JSON of decisions, cb or ccb |
| ``parquet`` | a Parquet file, or a directory of them, with named columns |
| ``npz`` | a NumPy archive with the same names |
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final

from bandit.config import Config
from simulator.datasets.joining import concatenate, concatenate_rankings
from simulator.datasets.known import DATASETS, DatasetInfo, find_dataset
from simulator.datasets.open_bandit import log_file
from simulator.datasets.source import BATCH_ROUNDS, Kind, Reading, Source
from simulator.errors import LoggedDataError, MissingDataError
from simulator.jobs import Workers
from simulator.progress import Watch

__all__ = [
    "BATCH_ROUNDS",
    "DATASETS",
    "FORMATS",
    "DatasetInfo",
    "Kind",
    "Source",
    "concatenate",
    "concatenate_rankings",
    "find_dataset",
    "guess_format",
    "open_source",
]

FORMATS: Final[dict[str, tuple[str, str]]] = {
    "event-log": ("simulator.datasets.event_log", "EventLogSource"),
    "export": ("simulator.datasets.exported", "ExportSource"),
    "obd": ("simulator.datasets.open_bandit", "OpenBanditSource"),
    "dsjson": ("simulator.datasets.dsjson", "DsjsonSource"),
    "parquet": ("simulator.datasets.tables", "ParquetSource"),
    "npz": ("simulator.datasets.tables", "NpzSource"),
}
"""Format → its module and class, imported when first needed."""

_SPOOLS: Final = "spool-*.sqlite"
_MANIFEST: Final = "manifest.json"


def open_source(
    location: str | Path,
    *,
    format: str | None = None,  # noqa: A002 - the word that users know
    config: Config | None = None,
    skip_bad: bool = False,
    segment: str | None = None,
    keep_certain: bool = False,
    watch: Watch | None = None,
    workers: Workers = 1,
) -> Source:
    """Open logged data and look it over.

    Args:
        location: a path, or the name of a known data set.
        format: one of ``FORMATS``; None guesses it.
        config: the reward rule and exposure to use for our own logs; None takes those that an
            export came with, and the defaults for a bare directory of spools.
        skip_bad: leave out wrong rows or lines and count them.
        segment: the context feature, or ``share``, that tells groups apart.
        keep_certain: keep rounds of our own logs that were decided without chance.
        watch: told how far the first look has come; None tells nobody.
        workers: who looks over Parquet, which comes in parts.

    Raises:
        MissingDataError: there is no such path or data set.
        LoggedDataError: the format cannot be guessed, or what is there is wrong.
    """
    path, known = _find(str(location))
    opener = _opener(format or (known.format if known else guess_format(path)))
    return opener(
        path,
        Reading(
            config=config,
            skip_bad=skip_bad,
            segment=segment,
            keep_certain=keep_certain,
            watch=watch or Watch(),
            name=None if known is None else known.name,
            workers=workers,
        ),
    )


def _opener(format_name: str) -> Callable[[Path, Reading], Source]:
    if format_name == "deezer":
        raise LoggedDataError(
            "format",
            "Deezer's files hold no logged choices",
            hint="they are what the environment `carousel` is made of: "
            "`marquee-sim simulate carousel`",
        )
    if format_name not in FORMATS:
        raise LoggedDataError(
            "format", f"there is no format {format_name!r}", hint=f"choose of {', '.join(FORMATS)}"
        )
    module, name = FORMATS[format_name]
    opener: Callable[[Path, Reading], Source] = getattr(import_module(module), name)
    return opener


def guess_format(path: Path) -> str:
    """Tell the format of what lies at ``path``.

    Raises:
        LoggedDataError: nothing tells.
    """
    if path.is_dir():
        return _guess_directory(path)
    by_suffix = {
        ".toml": "event-log",
        ".sqlite": "event-log",
        ".csv": "obd",
        ".json": "dsjson",
        ".dsjson": "dsjson",
        ".jsonl": "dsjson",
        ".parquet": "parquet",
        ".npz": "npz",
    }
    found = by_suffix.get(path.suffix)
    if found is None:
        raise LoggedDataError(
            "format",
            f"nothing tells what {path} is",
            hint=f"name its format with --format: {', '.join(FORMATS)}",
        )
    return found


def _guess_directory(path: Path) -> str:
    if any(path.glob(_SPOOLS)) or any((path / "log").glob(_SPOOLS)):
        return "event-log"
    if (path / _MANIFEST).is_file():
        return "export"
    if log_file(path) is not None:
        return "obd"
    if (path / "playlist_features.csv").is_file():
        return "deezer"
    if next(path.rglob("*.parquet"), None) is not None:
        return "parquet"
    raise LoggedDataError(
        "format",
        f"{path} holds neither spools nor an export, nor any other data that is known",
        hint=f"name its format with --format: {', '.join(FORMATS)}",
    )


def _find(location: str) -> tuple[Path, DatasetInfo | None]:
    known = find_dataset(location)
    path = Path(location)
    if known is not None and not path.exists():
        return known.where(), known
    if not path.exists():
        raise MissingDataError(
            f"there is nothing at {location}, and no data set of that name",
            hint="give a path, or one of: " + ", ".join(one.name for one in DATASETS),
        )
    return path, None
