"""gunicorn's own messages in the form of all others.

Why a class and not gunicorn's ``logconfig_dict``: that switches its access log on, which formats a
line for every request even where nobody reads it, and the service logs its requests itself.
"""

from __future__ import annotations

import logging.config

from gunicorn.config import Config
from gunicorn.glogging import Logger

from server.logs import logging_settings


class StructuredLogger(Logger):  # type: ignore[misc]  # gunicorn comes without types
    """Writes through our handlers what gunicorn would write through its own."""

    def setup(self, cfg: Config) -> None:
        """Set the handlers up; gunicorn calls this at the start and at each reload."""
        super().setup(cfg)
        logging.config.dictConfig(logging_settings(cfg.loglevel, "gunicorn"))
