"""Failure case 26: every route by its description, in both encodings, as everybody."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from server.local import LocalServer
from server.openapi import openapi_json
from tests.faults.api_trials import ROLES, Role, Trial, is_needed_role, trials_of, try_route
from tests.faults.hostile_storm import ADMIN_KEY, CLIENT_KEY, SETTINGS, call

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("api_by_schema")]

DOCUMENT = json.loads(openapi_json())
EXAMPLES = 4
EXAMPLES_OF_OTHERS = 1


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with LocalServer(tmp_path_factory.mktemp("api"), settings=SETTINGS) as running:
        yield running


@pytest.mark.parametrize("trial", trials_of(DOCUMENT), ids=str)
def test_every_route_answers_as_it_is_described(server: LocalServer, trial: Trial) -> None:
    keys: dict[Role, str] = {"client": CLIENT_KEY, "admin": ADMIN_KEY}
    examples = EXAMPLES if is_needed_role(trial) else EXAMPLES_OF_OTHERS
    statuses = try_route(trial, server.url, keys, examples, seed_number=26)
    assert statuses.total() >= examples or not trial.operation.body


def test_all_routes_and_callers_are_tried() -> None:
    tried = {(trial.operation.label, trial.role) for trial in trials_of(DOCUMENT)}
    described = {
        (f"{method.upper()} {path}", role)
        for path, methods in DOCUMENT["paths"].items()
        for method in methods
        for role in ROLES
    }
    assert tried == described


def test_the_description_is_the_one_that_is_served(server: LocalServer) -> None:
    assert call(server.url, "GET", "/openapi.json", None) == (200, DOCUMENT)
