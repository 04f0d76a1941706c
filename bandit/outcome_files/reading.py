"""Reads an export: its outcomes a batch at a time, and the catalogs that they name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bandit.catalog import CatalogDocument, content_version, read_catalog_file
from bandit.config.schema import LimitsConfig
from bandit.errors import CatalogError, OutcomeFilesError
from bandit.joiner import Outcome
from bandit.outcome_files.arrow import arrow
from bandit.outcome_files.columns import from_batch, is_readable
from bandit.outcome_files.manifest import Manifest, catalog_file, read_manifest

BATCH_OUTCOMES: Final = 1000

# An export holds what a service took already, whatever its limits are by now.
_ANY_SIZE: Final = LimitsConfig(
    catalog_bytes_max=2**62, item_features_max=2**31, context_features_max=2**31
)


class OutcomeFiles:
    """An export in a directory."""

    def __init__(self, directory: Path) -> None:
        """Read the manifest.

        Raises:
            OutcomeFilesError: the directory holds no export, or of a format not known here.
        """
        self.directory = directory
        self.manifest: Manifest = read_manifest(directory)

    def batches(
        self, size: int = BATCH_OUTCOMES, columns: list[str] | None = None
    ) -> Iterator[Any]:
        """Yield Arrow record batches of all files in order, of some columns or all.

        Raises:
            OutcomeFilesError: a file is missing, cut short, or not as the manifest has it.
        """
        for number in range(len(self.manifest.files)):
            yield from self._batches_of(number, size, columns)

    def outcomes(
        self, size: int = BATCH_OUTCOMES, files: Sequence[int] | None = None
    ) -> Iterator[list[Outcome]]:
        """Yield outcomes in order, ``size`` at a time or fewer: of all files, or of some.

        ``files`` are their places in the manifest.

        Raises:
            OutcomeFilesError: a file is missing, cut short, or not as the manifest has it.
        """
        for number in range(len(self.manifest.files)) if files is None else files:
            for batch in self._batches_of(number, size, None):
                yield from_batch(batch)

    def _batches_of(self, number: int, size: int, columns: list[str] | None) -> Iterator[Any]:
        file = self.manifest.files[number]
        path = self.directory / file.path
        found = 0
        with _file_faults(path), arrow("parquet").ParquetFile(path) as opened:
            if not is_readable(opened.schema_arrow):
                raise OutcomeFilesError(
                    f"{path} does not have the columns of outcomes",
                    hint="export the log again with `marquee log export`",
                )
            for batch in opened.iter_batches(size, columns=columns, use_threads=False):
                found += batch.num_rows
                yield batch
        if found != file.outcomes:
            raise OutcomeFilesError(
                f"{path} holds {found:,} outcomes, the manifest tells of {file.outcomes:,}",
                hint="copy the export again, or export the log again",
            )

    def catalog(self, version: str) -> CatalogDocument:
        """Return a catalog version that is in the export.

        Raises:
            OutcomeFilesError: it is not there, or is not what its name says.
        """
        path = self.directory / catalog_file(version)
        try:
            document = read_catalog_file(path, _ANY_SIZE)
        except CatalogError as error:
            raise OutcomeFilesError(error.message, hint="copy the export again") from error
        if content_version(document) != version:
            raise OutcomeFilesError(
                f"{path} does not hold the catalog that it is named after",
                hint="copy the export again; its files are not to be edited",
            )
        return document


@contextmanager
def _file_faults(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise OutcomeFilesError(
            f"{path} is missing", hint="copy the whole directory of the export"
        ) from error
    except (OSError, arrow().ArrowException) as error:
        raise OutcomeFilesError(
            f"{path} cannot be read: {error}",
            hint="the file is damaged or cut short; copy it again, or export the log again",
        ) from error
