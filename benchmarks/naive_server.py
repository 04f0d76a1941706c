"""The peer: what one writes in an afternoon, Flask around VW's contextual bandit.

For each title it formats VW text, parses it and calls ``predict_one``, then draws an artwork from
the returned probabilities; for the rows it does the same once and sorts by the scores. It answers
JSON or MessagePack like ours and logs nothing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from flask import Flask, Response, request
from vowpal_wabbit_next import TextFormatParser, Workspace

ARGUMENTS = ["--cb_explore_adf", "--epsilon", "0.05", "-q", "ca", "--quiet"]


def _words(features: dict[str, Any]) -> str:
    return " ".join(
        f"{name}={value}" if isinstance(value, str) else f"{name}:{value}"
        for name, value in features.items()
    )


def create() -> Flask:
    """Build the application over the catalog file that NAIVE_CATALOG names."""
    catalog = json.loads(Path(os.environ["NAIVE_CATALOG"]).read_bytes())
    titles = {title["id"]: title["artworks"] for title in catalog["titles"]}
    rows = {row["id"]: row["features"] for row in catalog["rows"]}
    workspace = Workspace(ARGUMENTS)
    parser = TextFormatParser(workspace)
    random = np.random.default_rng(0)
    app = Flask(__name__)

    def predict(context: str, actions: list[str]) -> list[tuple[int, float]]:
        lines = [f"shared |context {context}", *(f"|artwork {words}" for words in actions)]
        scored: list[tuple[int, float]] = workspace.predict_one(
            [parser.parse_line(line) for line in lines]
        )
        return scored

    def artwork(context: str, title: str) -> dict[str, Any]:
        candidates = titles[title]
        scored = predict(context, [_words(one["features"]) for one in candidates])
        drawn = int(random.choice(len(scored), p=_normalised([p for _, p in scored])))
        index, probability = scored[drawn]
        return {"id": title, "artwork": candidates[index]["id"], "propensity": probability}

    @app.post("/rank")
    def rank() -> Response:
        packed = request.mimetype == "application/msgpack"
        body = request.get_data()
        page = msgspec.msgpack.decode(body) if packed else msgspec.json.decode(body)
        context = _words(page["context"])
        order = predict(context, [_words(rows[row["id"]]) for row in page["rows"]])
        served = []
        for position, (index, probability) in enumerate(order):
            row = page["rows"][index]
            served.append(
                {
                    "id": row["id"],
                    "position": position,
                    "propensity": probability,
                    "titles": [artwork(context, title) for title in row["titles"]],
                }
            )
        answer = {"rows": served}
        encoded = msgspec.msgpack.encode(answer) if packed else msgspec.json.encode(answer)
        return Response(encoded, 201, mimetype=request.mimetype)

    @app.get("/livez")
    def livez() -> Response:
        return Response("ok")

    return app


def _normalised(probabilities: list[float]) -> np.ndarray:
    values = np.array(probabilities)
    return values / values.sum()
