"""Joined outcomes as Parquet: written from a log, read wherever logs are judged.

Why a package of its own: the service writes these files and the simulator reads them, and both must
mean the same by every column. Arrow is imported when first needed, as serving does without it.
"""

from bandit.outcome_files.export import (
    ExportReport,
    Share,
    check_replaceable,
    export_log,
    export_share,
    finish,
    replacing,
)
from bandit.outcome_files.manifest import Manifest, read_manifest
from bandit.outcome_files.reading import OutcomeFiles
from bandit.outcome_files.share_reader import ShareReader

__all__ = [
    "ExportReport",
    "Manifest",
    "OutcomeFiles",
    "Share",
    "ShareReader",
    "check_replaceable",
    "export_log",
    "export_share",
    "finish",
    "read_manifest",
    "replacing",
]
