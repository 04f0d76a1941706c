"""The floor: empty endpoints of Flask that answer the very bytes which ours answered.

``POST /NAME`` answers the file ``NAME`` of the directory that FLOOR_ANSWERS names, as MessagePack
and with status 201, and looks at nothing; ``POST /reading/NAME`` reads the request's body first.
"""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask, Response, request


def create() -> Flask:
    """Build the application over the files that are there now."""
    answers = {path.name: path.read_bytes() for path in Path(os.environ["FLOOR_ANSWERS"]).iterdir()}
    app = Flask(__name__)

    @app.post("/<name>")
    def answer(name: str) -> Response:
        return Response(answers[name], 201, content_type="application/msgpack")

    @app.post("/reading/<name>")
    def answer_having_read(name: str) -> Response:
        request.get_data()
        return Response(answers[name], 201, content_type="application/msgpack")

    @app.get("/livez")
    def livez() -> Response:
        return Response("ok")

    return app
