"""What each call does between its decoded request and its answer, by the name of its route."""

from __future__ import annotations

from typing import Final

import msgspec

from bandit.types import SURFACES, Id, Surface
from server import health, pages
from server.codec import RequestDecoder
from server.counts import check_batch, check_page
from server.errors import BodyInvalidError, RequestError
from server.exchange import Call, Handler, Reply
from server.feedback import FeedbackIntake
from server.http_errors import refusal_of
from server.latency import latency
from server.names import check_names
from server.openapi import openapi_json
from server.wire import RankAnswer, RankBatchAnswer, RankBatchItem, RankRequest


def rank(call: Call) -> Reply:
    """Decide one page."""
    check_page(call.request, call.service.config.limits)
    check_names(call.request)
    answer = call.service.rank(call.request)
    return Reply(answer, decision_ids=[answer.decision_id])


class RankBatch:
    """Decides several pages, each judged by itself."""

    def __init__(self, *, depth_max: int) -> None:
        self._decoder = RequestDecoder(RankRequest, depth_max=depth_max)

    def __call__(self, call: Call) -> Reply:
        """Decide the pages in their order."""
        check_batch(call.request, call.service.config.limits)
        asked = [self._decoded(call, page) for page in call.request.pages]
        ranked = iter(
            call.service.rank_batch([page for page in asked if isinstance(page, RankRequest)])
        )
        items = [
            _batch_item(next(ranked) if isinstance(page, RankRequest) else page) for page in asked
        ]
        decided = [item.decision.decision_id for item in items if item.decision]
        return Reply(RankBatchAnswer(items), decision_ids=decided)

    def _decoded(self, call: Call, page: msgspec.Raw) -> RankRequest | Exception:
        try:
            request = self._decoder.decode(page, call.encoding)
            check_page(request, call.service.config.limits)
            check_names(request)
        except RequestError as error:
            return error
        return request


def _batch_item(outcome: RankAnswer | Exception) -> RankBatchItem:
    if isinstance(outcome, Exception):
        return RankBatchItem(problem=refusal_of(outcome).problem)
    return RankBatchItem(decision=outcome)


def activate(call: Call) -> Reply:
    """Note that a deferred decision was shown."""
    decision_id = _id_in_path(call.path["decision_id"], "decision_id")
    call.service.activate(decision_id)
    return Reply(decision_ids=[decision_id])


def explain(call: Call) -> Reply:
    """Tell why a decision was made so, and what came of it."""
    decision_id = _id_in_path(call.path["decision_id"], "decision_id")
    return Reply(call.service.explain(decision_id), decision_ids=[decision_id])


def weights(call: Call) -> Reply:
    """Tell which of a model's weights matter most."""
    return Reply(call.service.weights(_surface_in_path(call.path["surface"])))


def get_catalog(call: Call) -> Reply:
    """Return the catalog that is served, under its version."""
    version, document = call.service.catalog_document(call.answers_in.name)
    return Reply(document, headers={"ETag": f'"{version}"'})


def put_catalog(call: Call) -> Reply:
    """Replace the catalog."""
    answer = call.service.put_catalog(call.request, call.if_match)
    return Reply(answer, headers={"ETag": f'"{answer.version}"'})


def patch_catalog(call: Call) -> Reply:
    """Change parts of the catalog."""
    answer = call.service.patch_catalog(call.request, call.if_match)
    return Reply(answer, headers={"ETag": f'"{answer.version}"'})


def status(call: Call) -> Reply:
    """Answer the question whether it is learning."""
    return Reply(call.service.status())


def insights(call: Call) -> Reply:
    """Tell how it goes."""
    return Reply(call.service.insights())


def title_insights(call: Call) -> Reply:
    """Tell of a title's artworks."""
    return Reply(call.service.title_insights(_id_in_path(call.path["title"], "title")))


def reset_alarms(call: Call) -> Reply:
    """Let the drift alarms begin anew."""
    call.service.reset_alarms()
    return Reply()


def snapshots(call: Call) -> Reply:
    """List the kept model versions."""
    return Reply(call.service.snapshots())


def activate_snapshot(call: Call) -> Reply:
    """Serve a kept model version."""
    return Reply(call.service.activate_snapshot(_id_in_path(call.path["version"], "version")))


def config(call: Call) -> Reply:
    """Tell the configuration in force."""
    return Reply(call.service.config_in_force())


def challenger(call: Call) -> Reply:
    """Tell how the challenger does."""
    return Reply(call.service.challenger())


def promote_challenger(call: Call) -> Reply:
    """Let the challenger serve."""
    return Reply(call.service.move_challenger(promotes=True))


def demote_challenger(call: Call) -> Reply:
    """Let the champion serve again."""
    return Reply(call.service.move_challenger(promotes=False))


def openapi(_call: Call) -> Reply:
    """Return the description of this API."""
    return Reply(openapi_json())


def handlers(depth_max: int) -> dict[str, Handler]:
    """Return the handler of every route, by the route's name."""
    return {
        **_PLAIN_HANDLERS,
        "rank_batch": RankBatch(depth_max=depth_max),
        "feedback": FeedbackIntake(depth_max=depth_max),
    }


_PLAIN_HANDLERS: Final[dict[str, Handler]] = {
    "rank": rank,
    "activate": activate,
    "explain": explain,
    "weights": weights,
    "get_catalog": get_catalog,
    "put_catalog": put_catalog,
    "patch_catalog": patch_catalog,
    "status": status,
    "insights": insights,
    "title_insights": title_insights,
    "reset_alarms": reset_alarms,
    "snapshots": snapshots,
    "activate_snapshot": activate_snapshot,
    "config": config,
    "challenger": challenger,
    "promote_challenger": promote_challenger,
    "demote_challenger": demote_challenger,
    "latency": latency,
    "livez": health.livez,
    "readyz": health.readyz,
    "metrics": health.metrics,
    "openapi": openapi,
    "dashboard": pages.dashboard,
    "demo": pages.demo,
    "static": pages.static,
    "demo_file": pages.demo_file,
}


def _surface_in_path(value: str) -> Surface:
    for surface in SURFACES:
        if surface == value:
            return surface
    raise BodyInvalidError(
        "the address does not name a surface", hint=f"use {' or '.join(SURFACES)}", field="surface"
    )


def _id_in_path(value: str, field: str) -> str:
    try:
        return msgspec.convert(value, Id)
    except msgspec.ValidationError as error:
        raise BodyInvalidError(
            f"the address does not hold a lawful {field}",
            hint="use 1 to 256 of the characters A-Z a-z 0-9 _ . : @ / -",
            field=field,
        ) from error
