"""Every address of the service in one table: the application is built from it, and so is OpenAPI.

``access`` says who may call: *open* anybody, *client* any API key, *admin* an admin's key, and
*feedback* an API key or, where ``auth.feedback_needs`` allows, decision tokens in the events.
Probes, metrics and the API's description are open: they tell nothing of viewers, and what asks for
them mostly cannot carry a key. Keep them from the public by the proxy in front. With
``server.admin_port`` what is for admins, the metrics and the dashboard are served on that port
alone. Pages and their files hold no data and are open; what they show they ask for with a key.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from bandit.catalog import CatalogDocument, CatalogPatch
from server.challenger_wire import ChallengerAnswer
from server.config_wire import ConfigAnswer
from server.explain_wire import ExplainAnswer, WeightsAnswer
from server.insights_wire import InsightsAnswer, TitleInsightsAnswer
from server.latency_wire import LatencyAnswer
from server.status import StatusAnswer
from server.wire import (
    CatalogAnswer,
    FeedbackAnswer,
    FeedbackEvent,
    FeedbackRequest,
    HealthAnswer,
    RankAnswer,
    RankBatchAnswer,
    RankBatchRequest,
    RankRequest,
    SnapshotsAnswer,
    SnapshotSummary,
)

Access = Literal["open", "client", "admin", "feedback"]
Method = Literal["GET", "POST", "PUT", "PATCH"]


class Route(NamedTuple):
    """One call of the API.

    ``request`` and ``answer`` are the types of the bodies; ``item`` is the type of what ``request``
    keeps undecoded. An ``answer`` of None with a ``plain`` media type is no typed value. A hot
    route, whose rule has no variable parts, is called many times a second: it is served without
    the router's detour.
    """

    name: str
    method: Method
    rule: str
    summary: str
    access: Access
    status: int = 200
    request: type | None = None
    item: type | None = None
    answer: type | None = None
    refusals: tuple[int, ...] = ()
    plain: str | None = None
    is_catalog_body: bool = False
    is_versioned: bool = False
    is_hot: bool = False

    @property
    def is_inner(self) -> bool:
        """Whether it is known on ``server.admin_port`` alone, where there is one."""
        return self.access == "admin" or self.name in ("metrics", "dashboard")


ROUTES: Final = (
    Route(
        "rank",
        "POST",
        "/v1/rank",
        "Decide a page: which artwork each title shows and the order of the rows.",
        "client",
        status=201,
        request=RankRequest,
        answer=RankAnswer,
        refusals=(409, 422),
        is_hot=True,
    ),
    Route(
        "rank_batch",
        "POST",
        "/v1/rank/batch",
        "Decide several pages at once; each is answered by a decision or a problem of its own.",
        "client",
        request=RankBatchRequest,
        item=RankRequest,
        answer=RankBatchAnswer,
        refusals=(422,),
    ),
    Route(
        "feedback",
        "POST",
        "/v1/feedback",
        "Report what viewers saw, clicked and played. What is accepted is durable; events that are "
        "refused are listed with the reason, the others count.",
        "feedback",
        status=202,
        request=FeedbackRequest,
        item=FeedbackEvent,
        answer=FeedbackAnswer,
        refusals=(422, 503),
        is_hot=True,
    ),
    Route(
        "activate",
        "POST",
        "/v1/decisions/<path:decision_id>/activate",
        "Tell that a deferred decision was shown; its reward window starts now.",
        "client",
        status=204,
        refusals=(422, 503),
    ),
    Route(
        "explain",
        "GET",
        "/v1/decisions/<path:decision_id>/explain",
        "Tell why a logged decision was made so: scores, probabilities, what moved the scores, the "
        "feedback so far and what it earns.",
        "admin",
        answer=ExplainAnswer,
        refusals=(404, 422, 503),
    ),
    Route(
        "weights",
        "GET",
        "/v1/weights/<surface>",
        "List the weights that matter most in the model that is served, by name; surface is "
        "artwork or rows.",
        "admin",
        answer=WeightsAnswer,
        refusals=(422, 503),
    ),
    Route(
        "get_catalog",
        "GET",
        "/v1/catalog",
        "Return the catalog that is served, whole; its version is the ETag.",
        "admin",
        answer=CatalogDocument,
        refusals=(503,),
        is_versioned=True,
    ),
    Route(
        "put_catalog",
        "PUT",
        "/v1/catalog",
        "Replace the catalog. It is checked whole before it is served.",
        "admin",
        request=CatalogDocument,
        answer=CatalogAnswer,
        refusals=(412, 422, 503),
        is_catalog_body=True,
        is_versioned=True,
    ),
    Route(
        "patch_catalog",
        "PATCH",
        "/v1/catalog",
        "Add, replace and remove titles and rows. The outcome is checked before it is served.",
        "admin",
        request=CatalogPatch,
        answer=CatalogAnswer,
        refusals=(412, 422, 503),
        is_catalog_body=True,
        is_versioned=True,
    ),
    Route(
        "status",
        "GET",
        "/v1/status",
        "Tell whether it is learning, how old the models are, and what was last refused and why.",
        "client",
        answer=StatusAnswer,
    ),
    Route(
        "insights",
        "GET",
        "/v1/insights",
        "Tell how it goes, over time and all in all, with ranges that hold at all times at once, "
        "and whether anything drifts.",
        "admin",
        answer=InsightsAnswer,
    ),
    Route(
        "title_insights",
        "GET",
        "/v1/insights/titles/<path:title>",
        "Tell how often each artwork of a title was shown and played, by segment too.",
        "admin",
        answer=TitleInsightsAnswer,
        refusals=(404, 422),
    ),
    Route(
        "reset_alarms",
        "POST",
        "/v1/insights/alarms/reset",
        "Let the drift alarms begin anew: they learn what is usual from now on.",
        "admin",
        status=204,
        refusals=(503,),
    ),
    Route(
        "snapshots",
        "GET",
        "/v1/snapshots",
        "List the kept model versions, newest first.",
        "client",
        answer=SnapshotsAnswer,
        refusals=(503,),
    ),
    Route(
        "activate_snapshot",
        "POST",
        "/v1/snapshots/<path:version>/activate",
        "Serve a kept model version from now on: roll back, or follow the newest again.",
        "admin",
        answer=SnapshotSummary,
        refusals=(404, 422, 503),
    ),
    Route(
        "config",
        "GET",
        "/v1/config",
        "Tell every key of the configuration in force, and where its value comes from; secrets are "
        "masked.",
        "admin",
        answer=ConfigAnswer,
    ),
    Route(
        "challenger",
        "GET",
        "/v1/challenger",
        "Tell how the challenger does against the champion, which of them serves, and what was "
        "promoted and demoted before.",
        "admin",
        answer=ChallengerAnswer,
        refusals=(503,),
    ),
    Route(
        "promote_challenger",
        "POST",
        "/v1/challenger/promote",
        "Let the challenger serve from now on, whatever the evidence says.",
        "admin",
        answer=ChallengerAnswer,
        refusals=(409, 503),
    ),
    Route(
        "demote_challenger",
        "POST",
        "/v1/challenger/demote",
        "Let the champion serve again, whatever the evidence says.",
        "admin",
        answer=ChallengerAnswer,
        refusals=(409, 503),
    ),
    Route(
        "latency",
        "GET",
        "/v1/latency",
        "Tell how long requests take, by route, and the stages of a rank request.",
        "admin",
        answer=LatencyAnswer,
    ),
    Route("livez", "GET", "/livez", "Tell that the process answers.", "open", answer=HealthAnswer),
    Route(
        "readyz",
        "GET",
        "/readyz",
        "Tell whether requests may be sent here; if not, why.",
        "open",
        answer=HealthAnswer,
        refusals=(503,),
    ),
    Route(
        "metrics",
        "GET",
        "/metrics",
        "Return all metrics in Prometheus' text format.",
        "open",
        plain="text/plain; version=0.0.4; charset=utf-8",
    ),
    Route(
        "openapi",
        "GET",
        "/openapi.json",
        "Return the description of this API.",
        "open",
        plain="application/json",
    ),
    Route(
        "dashboard",
        "GET",
        "/",
        "Return the dashboard, a page for people.",
        "open",
        refusals=(404,),
        plain="text/html; charset=utf-8",
    ),
    Route(
        "demo",
        "GET",
        "/demo",
        "Return the demo homepage, a page for people.",
        "open",
        refusals=(404,),
        plain="text/html; charset=utf-8",
    ),
    Route(
        "static",
        "GET",
        "/static/<path:name>",
        "Return a file that the pages are made of.",
        "open",
        refusals=(404,),
        plain="application/octet-stream",
    ),
    Route(
        "demo_file",
        "GET",
        "/demo/files/<path:name>",
        "Return a file of what the demo homepage shows.",
        "open",
        refusals=(404,),
        plain="application/octet-stream",
    ),
)
