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

_EXPLANATION: Final = {
    "decision_id": "5b2c6d0a4c8f4f2e9d3b1a7e6f5c4d3b",
    "decided_at": 1767225600.0,
    "viewer_id": "viewer-7",
    "share": {"artwork": "learned", "rows": "learned"},
    "policy": "epsilon_greedy+plackett_luce",
    "catalog": "c0123456789abcdef",
    "snapshots": {"artwork": "000000042-1a2b3c4d", "rows": "000000042-5e6f7a8b"},
    "context": {"device": "tv", "hour": 21},
    "exact": True,
    "notes": [],
    "titles": [
        {
            "id": "metropolis-1927",
            "row": "silent-classics",
            "artwork": "robot-face",
            "propensity": 0.99,
            "artworks": [
                {
                    "id": "robot-face",
                    "probability": 0.99,
                    "score": 0.34,
                    "spread": None,
                    "contributions": [
                        {"feature": "context.device=tv × artwork.mood=eerie", "value": 0.21},
                        {"feature": "artwork.mood=eerie", "value": 0.05},
                    ],
                    "rest": 0.08,
                    "alike": 0.08,
                }
            ],
        }
    ],
    "rows": [
        {
            "id": "silent-classics",
            "position": 0,
            "propensity": 0.9998,
            "pinned": False,
            "probability": 0.9998,
            "score": 0.25,
            "contributions": [{"feature": "context.device=tv × row.era=silent", "value": 0.15}],
            "rest": 0.1,
            "alike": 0.1,
        }
    ],
    "feedback": {
        "complete": True,
        "events": [
            {
                "event_id": "event-1",
                "type": "click",
                "title": "metropolis-1927",
                "row": "silent-classics",
                "at": 1767225605.25,
                "taken_as": "joined",
                "seconds": None,
                "fraction": None,
            }
        ],
        "state": "open: feedback is waited for",
        "closes_at": 1767226205.0,
    },
    "rewards": {
        "titles": {"metropolis-1927": {"reward": 0.2, "why": "clicked (0.2): reward 0.2"}},
        "rows": {
            "silent-classics": {
                "reward": 0.2,
                "why": "its one seen title, metropolis-1927: reward 0.2",
            }
        },
    },
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
    "ExplainAnswer": _EXPLANATION,
    "WeightsAnswer": {
        "surface": "artwork",
        "snapshot": "000000042-1a2b3c4d",
        "weights": [
            {
                "feature": "context.device=tv × artwork.mood=eerie",
                "weight": 0.21,
                "deviation": 0.03,
            }
        ],
        "named": 1211,
        "unnamed": 37,
    },
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
