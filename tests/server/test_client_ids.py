"""Lawful ids that look like paths reach the service as they are, through client and server."""

from __future__ import annotations

import threading

import pytest
from werkzeug.serving import make_server

from server.client import Client
from tests.server.edge_service import EdgeService, edge_app


@pytest.mark.parametrize("decision_id", ["..", ".", "a/../b", "a//b.c", "a/./b", "/a"])
def test_an_id_of_dots_and_slashes_is_activated_as_it_is(decision_id: str) -> None:
    service = EdgeService()
    server = make_server("127.0.0.1", 0, edge_app(service))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with Client(f"http://127.0.0.1:{server.port}", deadline_s=20) as client:
            client.activate(decision_id)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert service.activated == [decision_id]
