"""One example of each request and of the answers that people look up first.

A test decodes each by its type, so that an example always works as it stands.
"""

from __future__ import annotations

from typing import Any, Final

_RANK: Final = {
    "viewer_id": "viewer-7",
    "context": {"hour": 21, "device": "tv", "tastes": ["noir", "comedy"]},
    "rows": [
        {"id": "silent-classics", "pinned": 0, "titles": ["metropolis-1927", "nosferatu-1922"]},
        {"id": "late-night-noir", "titles": ["detour-1945"]},
    ],
}
_DECISION: Final = {
    "decision_id": "5b2c6d0a4c8f4f2e9d3b1a7e6f5c4d3b",
    "token": "WyI1YjJjNmQwYSIsMTc2NzIyNTYwMCwiZGVmYXVsdCJd.signature",
    "share": "learned",
    "catalog": "c0123456789abcdef",
    "snapshots": {"artwork": "artwork-000042", "rows": "rows-000042"},
    "rows": [
        {
            "id": "silent-classics",
            "position": 0,
            "propensity": 1.0,
            "titles": [
                {"id": "metropolis-1927", "artwork": "robot-face", "propensity": 0.9833},
                {"id": "nosferatu-1922", "artwork": "shadow", "propensity": 0.0083},
            ],
        },
        {
            "id": "late-night-noir",
            "position": 1,
            "propensity": 1.0,
            "titles": [{"id": "detour-1945", "artwork": "couple", "propensity": 0.9875}],
        },
    ],
    "titles": [],
    "omitted": [],
    "logged": True,
}
_EVENT: Final = {
    "event_id": "event-1",
    "decision_id": "5b2c6d0a4c8f4f2e9d3b1a7e6f5c4d3b",
    "type": "play",
    "title": "metropolis-1927",
    "row": "silent-classics",
    "seconds": 5400,
    "fraction": 0.6,
}
_TITLE: Final = {
    "id": "metropolis-1927",
    "features": {"year": 1927, "country": "Germany", "genres": ["science-fiction", "drama"]},
    "artworks": [
        {"id": "robot-face", "features": {"subject": "face", "mood": "eerie"}},
        {"id": "skyline", "features": {"subject": "landscape", "mood": "grand"}},
    ],
}

EXAMPLES: Final[dict[str, Any]] = {
    "RankRequest": _RANK,
    "RankAnswer": _DECISION,
    "RankBatchRequest": {"pages": [_RANK]},
    "RankBatchAnswer": {"pages": [{"decision": _DECISION}]},
    "FeedbackRequest": {"events": [_EVENT]},
    "FeedbackAnswer": {
        "accepted": 1,
        "duplicates": 0,
        "rejected": [
            {
                "index": 1,
                "code": "token_expired",
                "detail": "the token is older than 86400 s (auth.token_age_max_s)",
                "hint": "ask for a new page; feedback so late would not be learned from",
            }
        ],
    },
    "CatalogDocument": {
        "titles": [_TITLE],
        "rows": [
            {"id": "silent-classics", "features": {"era": "silent"}, "titles": ["metropolis-1927"]}
        ],
    },
    "CatalogPatch": {"titles": [_TITLE], "remove_titles": ["lost-film-1913"]},
    "Problem": {
        "type": "urn:marquee:problem:body-invalid",
        "title": "The body is not valid",
        "status": 422,
        "detail": "Object contains unknown field `contxt`",
        "hint": "take it out or correct its spelling; GET /openapi.json lists the fields of each "
        "request",
    },
}
"""Examples by the name of their type."""
