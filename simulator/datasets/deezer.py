"""Deezer's carousel files (Bendada, Salha and Bontempelli, 2020): who would stream what.

They hold no log. P(user streams playlist | seen) is the logistic function of the user's features,
with a 1 at their end, times the playlist's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from bandit.outcome_files.arrow import arrow
from bandit.types import FloatArray
from simulator.errors import LoggedDataError, MissingDataError
from simulator.logged import CodeArray

PLAYLISTS_FILE: Final = "playlist_features.csv"
USERS_FILE: Final = "user_features_small.csv"
_FETCH: Final = (
    "download data/playlist_features.csv and data/user_features_small.csv of "
    "https://github.com/deezer/carousel_bandits"
)


class DeezerData(NamedTuple):
    """The published features."""

    playlists: FloatArray
    """Shape (playlists, d + 1): weights of a user's features, and the bias at the end."""
    users: FloatArray
    """Shape (users, d)."""
    segments: CodeArray
    """Shape (users,): the segment of each user, as published."""


def load_deezer(directory: Path) -> DeezerData:
    """Read the two files in ``directory``.

    Raises:
        MissingDataError: a file is not there.
        LoggedDataError: a file holds something else than was published.
    """
    playlists = _read(directory / PLAYLISTS_FILE)
    users = _read(directory / USERS_FILE)
    if "segment" not in users.column_names:
        raise LoggedDataError(
            "segment", f"{directory / USERS_FILE} has no such column", hint=_FETCH
        )
    segments = users.column("segment").to_numpy()
    users = users.drop_columns(["segment"])
    found = DeezerData(
        playlists=_numbers(playlists, directory / PLAYLISTS_FILE),
        users=_numbers(users, directory / USERS_FILE),
        segments=segments.astype(np.int32),
    )
    if found.playlists.shape[1] != found.users.shape[1] + 1:
        raise LoggedDataError(
            "features",
            f"playlists have {found.playlists.shape[1]} weights, which do not fit the "
            f"{found.users.shape[1]} features of users and a bias",
            hint=_FETCH,
        )
    return found


def _read(path: Path) -> Any:
    if not path.is_file():
        raise MissingDataError(f"there is no {path}", hint=_FETCH)
    try:
        return arrow("csv").read_csv(path)
    except arrow().ArrowException as error:
        raise LoggedDataError("file", f"{path} cannot be read: {error}", hint=_FETCH) from error


def _numbers(table: Any, path: Path) -> FloatArray:
    columns = []
    for name in table.column_names:
        column = table.column(name).to_numpy()
        if not np.issubdtype(column.dtype, np.number) or not np.isfinite(column).all():
            raise LoggedDataError(
                name, f"{path} holds something that is not a finite number", hint=_FETCH
            )
        columns.append(column.astype(np.float64))
    return np.column_stack(columns)
