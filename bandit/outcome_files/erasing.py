"""An export without one viewer: written anew beside the old one, and put in its place as a whole.

Its manifest tells of what is left. What it says of the whole log (dispositions, open decisions) is
as it was: those are counts, of nobody.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec

from bandit.files import sync_directory, sync_file
from bandit.outcome_files.arrow import arrow
from bandit.outcome_files.export import replacing
from bandit.outcome_files.manifest import FILE_NAME, ExportedFile, write_manifest
from bandit.outcome_files.reading import OutcomeFiles


def erase_from_export(directory: Path, viewers: Collection[str]) -> int:
    """Take a viewer's decisions, with their feedback, out of an export.

    ``viewers`` are the forms in which the viewer's id may be stored.

    Returns:
        How many decisions were taken out; where none was, nothing is written.

    Raises:
        OutcomeFilesError: there is no sound export, or the disk does not take the new one; what
            stood there is as it was.
        LibraryMissingError: pyarrow is not installed.
    """
    export = OutcomeFiles(directory)
    if not any(_of(batch, viewers) for batch in export.batches(columns=["viewer_id"])):
        return 0
    with replacing(directory) as beside:
        return _write_without(export, beside, viewers)


def _of(batch: Any, viewers: Collection[str]) -> list[int]:
    """Return which rows of a batch are the viewer's."""
    ids = batch.column("viewer_id").to_pylist()
    return [index for index, viewer_id in enumerate(ids) if viewer_id in viewers]


def _write_without(export: OutcomeFiles, directory: Path, viewers: Collection[str]) -> int:
    erased: Counter[str] = Counter()
    files = []
    for file in export.manifest.files:
        gone = _copy_without(export.directory / file.path, directory / file.path, viewers)
        erased += gone
        left = file.outcomes - gone.total()
        if left:
            path = directory / file.path
            sync_file(path)
            files.append(ExportedFile(file.path, left, path.stat().st_size))
        else:
            (directory / file.path).unlink()
    for path in export.directory.glob("*"):
        if path.is_file() and path.name != FILE_NAME:
            shutil.copy2(path, directory / path.name)
    manifest = export.manifest
    closed_by = {name: count - erased[name] for name, count in manifest.closed_by.items()}
    write_manifest(
        directory,
        msgspec.structs.replace(
            manifest,
            outcomes=manifest.outcomes - erased.total(),
            closed_by={name: count for name, count in closed_by.items() if count},
            files=files,
        ),
    )
    sync_directory(directory)
    return erased.total()


def _copy_without(source: Path, target: Path, viewers: Collection[str]) -> Counter[str]:
    """Copy a file without the viewer's rows; return what had closed those."""
    parquet = arrow("parquet")
    target.parent.mkdir(exist_ok=True)
    gone: Counter[str] = Counter()
    with (
        parquet.ParquetFile(source) as opened,
        parquet.ParquetWriter(target, opened.schema_arrow, compression="zstd") as writer,
    ):
        for group in range(opened.num_row_groups):
            table = opened.read_row_group(group)
            out = set(_of(table, viewers))
            closed_by = table.column("closed_by").to_pylist()
            gone.update(closed_by[index] for index in out)
            kept = [index for index in range(table.num_rows) if index not in out]
            if kept:
                writer.write_table(table.take(kept))
    return gone
