"""Joined outcomes as Parquet: written from a log, read wherever logs are judged.

Why a package of its own: the service writes these files and the simulator reads them, and both must
mean the same by every column. Arrow is imported when first needed, as serving does without it.
"""

from bandit.outcome_files.export import ExportReport, export_log
from bandit.outcome_files.manifest import Manifest, read_manifest
from bandit.outcome_files.reading import OutcomeFiles

__all__ = ["ExportReport", "Manifest", "OutcomeFiles", "export_log", "read_manifest"]
