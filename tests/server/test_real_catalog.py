"""A catalog of a real service's size: put over HTTP, ranked page by page, learned from."""

from __future__ import annotations

from pathlib import Path

import msgspec

from benchmarks.real_pages import real_pages
from server.local import wait_until
from server.wire import FeedbackEvent, RankAnswer, RankRequest
from tests.real_data import real_document
from tests.server.real_service import EVERYBODY_LEARNED, WAIT_S, site_at, value

PAGES = 12
MSGPACK = "application/msgpack"


def test_real_pages_of_all_categories_are_ranked_and_learned(tmp_path: Path) -> None:
    document = real_document()
    artworks = {title.id: {art.id for art in title.artworks} for title in document.titles}
    with site_at(tmp_path, EVERYBODY_LEARNED) as site:
        node = site.node()
        stored = node.http.put(
            "/v1/catalog", data=msgspec.msgpack.encode(document), content_type=MSGPACK
        )
        assert value(stored)["titles"] == 8807
        seen = 0
        for page in real_pages(document, PAGES):
            request = RankRequest(context=page.context, rows=page.rows, viewer_id=page.viewer_id)
            response = node.http.post(
                "/v1/rank", data=msgspec.msgpack.encode(request), content_type=MSGPACK
            )
            answer = msgspec.msgpack.decode(response.data, type=RankAnswer)
            assert answer.omitted == []
            assert {row.id for row in answer.rows} == {row.id for row in page.rows}
            shown = [title for row in answer.rows for title in row.titles]
            assert all(title.artwork in artworks[title.id] for title in shown)
            assert all(0 < title.propensity <= 1 for title in shown)
            top = answer.rows[0]
            events = [
                FeedbackEvent(
                    event_id=f"{answer.decision_id}-{title.id}",
                    decision_id=answer.decision_id,
                    type="impression",
                    title=title.id,
                    row=top.id,
                )
                for title in top.titles
            ]
            seen += len(events)
            sent = {"events": events}
            taken = node.http.post(
                "/v1/feedback", data=msgspec.msgpack.encode(sent), content_type=MSGPACK
            )
            assert value(taken) == {"accepted": len(events), "duplicates": 0, "rejected": []}
        site.close_windows()
        status = site.learn()
        assert status.learned.examples == {"artwork": seen, "rows": PAGES}
        assert status.learned.missing_items == 0
        wait_until(lambda: len(node.status()["models"]) == 2, WAIT_S, "serving what was learned")
