"""Another engine reads exports: DuckDB, over the sample log that comes with the project."""

from __future__ import annotations

from pathlib import Path

import duckdb
import msgspec

SAMPLE = Path(__file__).parents[2] / "examples" / "logged"


def test_duckdb_counts_what_the_manifest_says() -> None:
    manifest = msgspec.json.decode((SAMPLE / "manifest.json").read_bytes())
    with duckdb.connect() as connection:
        relation = connection.read_parquet(f"{SAMPLE}/**/*.parquet", hive_partitioning=True)
        count, decisions, events = relation.aggregate(
            "count(*), count(DISTINCT decision_id), sum(len(events))"
        ).fetchall()[0]
    assert count == decisions == manifest["outcomes"]
    assert events == manifest["dispositions"]["joined"]
