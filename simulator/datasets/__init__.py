"""Logged data of several formats as columns, a batch at a time."""

from simulator.datasets.registry import (
    DATASETS,
    FORMATS,
    DatasetInfo,
    Source,
    concatenate,
    concatenate_rankings,
    open_source,
)

__all__ = [
    "DATASETS",
    "FORMATS",
    "DatasetInfo",
    "Source",
    "concatenate",
    "concatenate_rankings",
    "open_source",
]
