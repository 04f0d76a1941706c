"""The floor: empty endpoints of Flask that answer the very bytes which ours answered.

``POST /NAME`` answers the file ``NAME`` of the directory that FLOOR_ANSWERS names, as MessagePack
and with status 201, and looks at nothing; ``POST /reading/NAME`` reads the request's body first.
``POST /v1/rank``, which our worker class serves in a way of its own, answers the file that
FLOOR_RANK names.
"""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask, Response, request


def create() -> Flask:
    """Build the application over the files that are there now."""
    answers = {path.name: path.read_bytes() for path in Path(os.environ["FLOOR_ANSWERS"]).iterdir()}
    ranked = answers[os.environ["FLOOR_RANK"]]
    app = Flask(__name__)

    @app.post("/<name>")
    def answer(name: str) -> Response:
        return Response(answers[name], 201, content_type="application/msgpack")

    @app.post("/reading/<name>")
    def answer_having_read(name: str) -> Response:
        request.get_data()
        return Response(answers[name], 201, content_type="application/msgpack")

    @app.post("/v1/rank")
    def rank() -> Response:
        return Response(ranked, 201, content_type="application/msgpack")

    @app.get("/livez")
    def livez() -> Response:
        return Response("ok")

    return app
