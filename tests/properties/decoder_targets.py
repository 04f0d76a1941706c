"""Decoders of what comes from outside: what each takes, and how it may refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from bandit.catalog import CatalogDocument, CatalogPatch
from bandit.catalog.documents import decode_document
from bandit.config.schema import LimitsConfig, ModelConfig
from bandit.errors import CatalogError, LogDamagedError, ModelError, PageError
from bandit.events import DecisionRecord, FeedbackRecord, decode_record, encode_record
from bandit.limits import check_features, check_title
from bandit.model import VowpalEngine
from bandit.model_state import read_state
from bandit.scoring import ModelShape
from bandit.types import RowChoice, Title, TitleChoice
from server.codec import ENCODINGS, RequestDecoder
from server.counts import check_page
from server.errors import RequestError, TokenError
from server.names import check_event, check_names
from server.tokens import TokenSigner
from server.wire import FeedbackEvent, FeedbackRequest, RankBatchRequest, RankRequest
from simulator.datasets.dsjson_lines import WrongLineError, read_event
from tests.faults.hostile_requests import CATALOG
from tests.faults.mutations import encoded

MODEL = ModelConfig(bits=10)
NOW_US = 1_700_000_000_000_000
LIMITS = LimitsConfig()


class Target(NamedTuple):
    """A decoder, valid inputs of it, and the errors that it documents."""

    decode: Callable[[bytes], object]
    valid: list[bytes]
    refusals: tuple[type[Exception], ...]


PAGE: dict[str, Any] = {
    "viewer_id": "v",
    "context": {"hour": 21.5, "tastes": ["noir"], "vector": [0.1, -2]},
    "rows": [{"id": "r0", "titles": ["t0", CATALOG["titles"][0]]}, {"id": "r1", "pinned": 0}],
    "max_rows": 2,
}
EVENT: dict[str, Any] = {
    "event_id": "e",
    "decision_id": "d",
    "type": "play",
    "title": "t0",
    "seconds": 9.5,
}
REQUESTS: dict[type, Any] = {
    RankRequest: PAGE,
    RankBatchRequest: {"pages": [PAGE, PAGE]},
    FeedbackRequest: {"events": [EVENT, EVENT]},
    FeedbackEvent: EVENT,
    CatalogDocument: CATALOG,
    CatalogPatch: {"titles": CATALOG["titles"][:1], "remove_rows": ["r1"]},
}
DECISION = DecisionRecord(
    decision_id="d",
    decided_at_us=NOW_US,
    body_digest=b"0123",
    catalog="c",
    policy="p",
    shares={"artwork": "learned"},
    titles=[TitleChoice("t0", "t0.a", 0.5)],
    rows=[RowChoice("r0", 0, 0.5, False, ["t0"])],
    context={"hour": 3.0, "tastes": ["noir"]},
)
PLAY = FeedbackRecord(event_id="e", decision_id="d", type="play", title="t0", seconds=9.5)
DSJSON = (
    b'{"_label_cost":-1.5,"_label_probability":0.8,"_label_Action":1,"_labelIndex":0,'
    b'"EventId":"e1","a":[1,2],"p":[0.8,0.2],"Timestamp":"2026-01-01T00:00:00Z",'
    b'"c":{"user":{"tv":1},"_multi":[{"b":{"x":1}},{"b":{"x":"y"}}]},"VWState":{"m":"m"}}'
)


def _request(kind: type, name: str) -> Target:
    encoding = ENCODINGS[f"application/{name}"]
    decoder: RequestDecoder[Any] = RequestDecoder(kind, depth_max=LIMITS.depth_max)

    def decode(data: bytes) -> object:
        request = decoder.decode(data, encoding)
        if isinstance(request, RankRequest):
            check_page(request, LIMITS)
            check_names(request)
            check_features(request.context, "context", LIMITS.context_features_max)
            for title in request.titles:
                if isinstance(title, Title):
                    check_title(title, LIMITS.item_features_max)
        if isinstance(request, FeedbackEvent):
            check_event(request)
        return request

    return Target(decode, [encoded(REQUESTS[kind], name)], (RequestError, PageError))


def _token() -> Target:
    signer = TokenSigner([b"a key of sixteen"], tenant="t", age_max_s=60.0, leeway_s=5.0)

    def verify(data: bytes) -> None:
        signer.verify(data.decode(errors="replace"), "d", NOW_US)

    return Target(verify, [signer.sign("d", NOW_US).encode()], (TokenError,))


def _model() -> Target:
    state = VowpalEngine(ModelShape.of("artwork", MODEL), MODEL).serialize()
    return Target(lambda data: read_state(data, bandit=False), [state], (ModelError,))


def targets() -> dict[str, Target]:
    """Return all decoders by name."""
    requests = {
        f"{kind.__name__} in {name}": _request(kind, name)
        for kind in REQUESTS
        for name in ("json", "msgpack")
    }
    records = [encode_record(DECISION), encode_record(PLAY)]
    return {
        **requests,
        "log records": Target(decode_record, records, (LogDamagedError,)),
        "catalog documents": Target(
            decode_document, [encoded(CATALOG, "msgpack")], (CatalogError,)
        ),
        "lines of dsjson": Target(read_event, [DSJSON], (WrongLineError,)),
        "tokens": _token(),
        "heads of models": _model(),
    }
