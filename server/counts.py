"""Bounds on how many things one request may hold, as the configuration's ``limits`` has them."""

from __future__ import annotations

from bandit.config.schema import LimitsConfig
from server.errors import TooManyError
from server.wire import FeedbackRequest, RankBatchRequest, RankRequest


def check_page(page: RankRequest, limits: LimitsConfig) -> None:
    """Check the number of rows and titles of a page.

    Raises:
        TooManyError: naming the field and the limit's key.
    """
    _check(len(page.rows), limits.rows_max, "rows", "limits.rows_max")
    titles = len(page.titles) + sum(len(row.titles) for row in page.rows)
    _check(titles, limits.titles_max, "titles", "limits.titles_max")


def check_batch(batch: RankBatchRequest, limits: LimitsConfig) -> None:
    """Check the number of pages of a batch.

    Raises:
        TooManyError: naming the field and the limit's key.
    """
    _check(len(batch.pages), limits.batch_pages_max, "pages", "limits.batch_pages_max")


def check_feedback(feedback: FeedbackRequest, limits: LimitsConfig) -> None:
    """Check the number of events of a feedback request.

    Raises:
        TooManyError: naming the field and the limit's key.
    """
    _check(len(feedback.events), limits.feedback_events_max, "events", "limits.feedback_events_max")


def _check(count: int, count_max: int, field: str, key: str) -> None:
    if count > count_max:
        raise TooManyError(
            f"{count} {field} are more than the {count_max} allowed",
            hint=f"send fewer at once, or raise {key} in the configuration",
            field=field,
        )
