"""The peer: what one writes in an afternoon, Flask around VW's contextual bandit.

For each title it formats VW text, parses it and calls ``predict_one``, then draws an artwork from
the returned probabilities; for the rows it does the same once and sorts by the scores. It answers
JSON or MessagePack like ours and logs nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from flask import Flask, Response, request
from vowpal_wabbit_next import TextFormatParser, Workspace

ARGUMENTS = ["--cb_explore_adf", "--epsilon", "0.05", "-q", "ca", "--quiet"]


def words(features: Mapping[str, Any]) -> str:
    """Write features as VW's text has them."""
    return " ".join(
        f"{name}={value}" if isinstance(value, str) else f"{name}:{value}"
        for name, value in features.items()
    )


class Predictor:
    """VW behind its text parser."""

    def __init__(self, catalog: dict[str, Any]) -> None:
        self._titles = {title["id"]: title["artworks"] for title in catalog["titles"]}
        self._rows = {row["id"]: row["features"] for row in catalog["rows"]}
        self._workspace = Workspace(ARGUMENTS)
        self._parser = TextFormatParser(self._workspace)
        self._random = np.random.default_rng(0)

    def page(self, page: dict[str, Any]) -> dict[str, Any]:
        """Order the rows and choose each title's artwork."""
        context = words(page["context"])
        order = self._predict(context, [words(self._rows[row["id"]]) for row in page["rows"]])
        return {
            "rows": [
                {
                    "id": page["rows"][index]["id"],
                    "position": position,
                    "propensity": probability,
                    "titles": [
                        self._artwork(context, title) for title in page["rows"][index]["titles"]
                    ],
                }
                for position, (index, probability) in enumerate(order)
            ]
        }

    def _artwork(self, context: str, title: str) -> dict[str, Any]:
        candidates = self._titles[title]
        scored = self._predict(context, [words(one["features"]) for one in candidates])
        values = np.array([probability for _, probability in scored])
        drawn = int(self._random.choice(len(scored), p=values / values.sum()))
        index, probability = scored[drawn]
        return {"id": title, "artwork": candidates[index]["id"], "propensity": probability}

    def _predict(self, context: str, actions: list[str]) -> list[tuple[int, float]]:
        lines = [f"shared |context {context}", *(f"|artwork {action}" for action in actions)]
        scored: Any = self._workspace.predict_one([self._parser.parse_line(line) for line in lines])
        return list(scored)


def create() -> Flask:
    """Build the application over the catalog file that NAIVE_CATALOG names."""
    predictor = Predictor(json.loads(Path(os.environ["NAIVE_CATALOG"]).read_bytes()))
    app = Flask(__name__)

    @app.post("/rank")
    def rank() -> Response:
        packed = request.mimetype == "application/msgpack"
        body = request.get_data()
        page = msgspec.msgpack.decode(body) if packed else msgspec.json.decode(body)
        answer = predictor.page(page)
        encoded = msgspec.msgpack.encode(answer) if packed else msgspec.json.encode(answer)
        return Response(encoded, 201, mimetype=request.mimetype)

    @app.get("/livez")
    def livez() -> Response:
        return Response("ok")

    return app
