"""The oracle: what the environment itself knows to be best."""

from __future__ import annotations

from simulator.pages import Displays, Environment, Pages, Served


class OraclePolicy:
    """Asks the environment; the bar that no other policy passes."""

    name = "oracle"

    def reset(self, environment: Environment, seed: int) -> None:
        """Remember whom to ask."""
        self._environment = environment

    def serve(self, pages: Pages) -> Served:
        """Serve the best that the environment knows to find."""
        return self._environment.best(pages)

    def learn(self, pages: Pages, served: Served, displays: Displays) -> None:
        """Learn nothing: it knows."""
