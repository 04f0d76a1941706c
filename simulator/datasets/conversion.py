"""Writes logged data of any format as dsjson, Parquet or NPZ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from simulator.datasets.dsjson_writing import write_dsjson
from simulator.datasets.source import Source
from simulator.datasets.table_writing import write_npz, write_parquet
from simulator.errors import LoggedDataError, SimulatorError
from simulator.logged import Logged
from simulator.progress import Advance, Watch

DSJSON_SUFFIX: Final = ".dsjson"
_TABLES: Final = {".parquet": write_parquet, ".npz": write_npz}
SUFFIXES: Final = (DSJSON_SUFFIX, *_TABLES)
"""What a file may be called, and so what it will hold."""


def check_suffix(path: Path) -> None:
    """Check that a file's name tells what it is to hold.

    Raises:
        SimulatorError: it does not.
    """
    if path.suffix not in SUFFIXES:
        raise SimulatorError(
            f"nothing tells what {path} is to hold", hint=f"end its name with {_or(SUFFIXES)}"
        )


def convert(source: Source, path: Path, *, rankings: bool, watch: Watch) -> int:
    """Write what a source holds, whole or not at all, and return how many rounds that is.

    Raises:
        SimulatorError: the file's name does not tell what it is to hold, or it is the source.
        LoggedDataError: there is no round, the source cannot be read, or rankings were asked for
            where a table can hold single choices only.
        OSError: the file cannot be written.
    """
    check_suffix(path)
    if path.exists() and path.samefile(source.path):
        raise SimulatorError(f"{path} would be written over itself", hint="name another file")
    if rankings and path.suffix in _TABLES:
        raise LoggedDataError(
            "rankings",
            f"{path.suffix} tables hold single choices",
            hint=f"write rankings into a file whose name ends in {DSJSON_SUFFIX}",
        )
    with watch.task(f"writing {path}", None if rankings else source.rounds_max, "rounds") as told:
        if rankings:
            return write_dsjson(path, _counted(source.rankings(), told))
        write = _TABLES.get(path.suffix, write_dsjson)
        return write(path, _counted(source.choices(), told))


def _counted(batches: Iterable[Logged], advance: Advance) -> Iterator[Logged]:
    count = 0
    for logged in batches:
        yield logged
        count += len(logged)
        advance(len(logged))
    if not count:
        raise LoggedDataError(
            "rounds",
            "there are none to write",
            hint="check that the log holds decisions with feedback that chance had a part in; "
            "--keep-certain keeps those that were decided without",
        )


def _or(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
