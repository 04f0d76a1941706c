"""Where on a machine's disk the learners of partitions stand."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bandit.config.schema import Config


def config_of(config: Config, partition: int) -> Config:
    """Return the configuration of one partition's learner, with a directory of its own."""
    learner = msgspec.structs.replace(
        config.learner, directory=str(directory_of(config, partition))
    )
    return msgspec.structs.replace(config, learner=learner)


def directory_of(config: Config, partition: int) -> Path:
    """Return where a partition's learner stands; the only one of all is where it always was."""
    directory, partitions = Path(config.learner.directory), config.cluster.partitions
    return directory if partitions == 1 else directory / f"partition-{partition}-of-{partitions}"
