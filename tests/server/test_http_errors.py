"""Every error has its place in the table, and what has none tells nothing."""

from __future__ import annotations

import inspect

import pytest
from structlog.testing import capture_logs

from bandit import errors as core
from server import errors as edge
from server.http_errors import INTERNAL, MEANINGS, meaning_of, refusal_of

NEVER_SHOWN = {core.ConfigError, core.LogError, core.ModelError, core.UnlearnableError,
               core.LeaseHeldError, core.LibraryMissingError, core.MachineConflictError,
               core.MarqueeError,
               core.OutcomeFilesError, core.BackupError, edge.RequestError}  # fmt: skip


def defined(module: object) -> list[type[Exception]]:
    return [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, core.MarqueeError)
    ]


@pytest.mark.parametrize("cls", sorted({*defined(core), *defined(edge)}, key=str))
def test_every_error_is_either_in_the_table_or_a_fault_of_ours(cls: type[Exception]) -> None:
    assert (cls in MEANINGS) != (cls in NEVER_SHOWN)


def test_problem_names_are_unique() -> None:
    names = [meaning.name for meaning in MEANINGS.values()]
    assert len(set(names)) == len(names)


def test_a_subclass_takes_the_place_of_its_nearest_base() -> None:
    class OddPageError(core.UnknownItemError):
        pass

    assert meaning_of(OddPageError("rows", "odd")) is MEANINGS[core.UnknownItemError]


def test_a_problem_carries_field_and_hint() -> None:
    problem, _ = refusal_of(core.PageError("rows[0]", "too odd", hint="make it even"))
    assert (problem.field, problem.detail, problem.hint) == ("rows[0]", "too odd", "make it even")
    problem, _ = refusal_of(core.CatalogError("titles[3]", "is twice", hint="once"))
    assert problem.field == "titles[3]"


@pytest.mark.parametrize(
    "error", [KeyError("secret"), core.ModelError("secret"), OSError("secret")]
)
def test_faults_of_ours_are_logged_and_not_told(error: Exception) -> None:
    with capture_logs() as lines:
        problem, _ = refusal_of(error)
    assert problem.status == INTERNAL.status
    assert "secret" not in repr(problem)
    assert lines[0]["exc_info"] is error


def test_headers_go_with_their_status() -> None:
    unauthenticated = edge.UnauthenticatedError("no key", hint="send one")
    assert "WWW-Authenticate" in refusal_of(unauthenticated).headers
    assert refusal_of(core.LogUnavailableError("full")).headers == {"Retry-After": "1"}
    assert refusal_of(core.DecisionConflictError("d")).headers == {}
