"""What a page would have earned under either line's probabilities, by importance weighting.

Of each seen title with the artwork served, its logged probability p and its reward r (by the
champion's rule, less what untouched titles earn), a line that gives that artwork the probability q
would have earned q/p · r on average. A page's value under a line is the sum over its titles: titles
of a page depend on each other, pages are the units that the gate counts. Both lines are judged on
all pages of shares that are learned from, by what they give the learned share; the holdout's pages
tell nothing, as nobody drew there.

Why both lines are weighted, though one of them served: its model has moved on since, as the other's
has, and what both have in common cancels page by page. Two that are alike differ by exactly 0.

Rows are not judged: what a page earns under another order hangs on what was seen of it, and the
weight of a whole order is useless after some places. A page's artworks are judged under the order
of rows that was served.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from bandit.catalog import Catalog
from bandit.challenger.held import JUDGED
from bandit.config.schema import Config
from bandit.events import DecisionRecord
from bandit.exposure import seen
from bandit.joiner import Outcome
from bandit.learner_words import Catalogs
from bandit.policy import Policy
from bandit.serving import ServedModel, Serving
from bandit.types import LINES, LineName

_CATALOGS_KEPT: Final = 4
"""Versions kept loaded: pages of an old version come in for a window's time."""


class PageValue(NamedTuple):
    """What a page would have earned."""

    champion: float
    challenger: float


class Judge:
    """Judges outcomes by one model a line."""

    def __init__(self, configs: Mapping[LineName, Config], catalogs: Catalogs) -> None:
        champion = configs["champion"]
        self._surface = champion.surfaces.artwork
        self._rule = champion.reward
        self._policies = {line: Policy(_for_everybody(configs[line])) for line in LINES}
        self._catalogs = catalogs
        self._loaded: OrderedDict[str, Catalog] = OrderedDict()

    def concerns(self, decision: DecisionRecord) -> bool:
        """Tell whether anything can be told from a decision."""
        share = decision.shares.get(JUDGED)
        return (
            self._surface.mode == "online"
            and bool(decision.titles)
            and share != "holdout"
            and share in self._surface.learn_from
        )

    def value(self, outcome: Outcome, models: Mapping[LineName, ServedModel]) -> PageValue:
        """Return what a page would have earned under each line.

        Raises:
            MarqueeError: the page cannot be scored any more: its catalog is lost, for one.
            OSError: the catalog cannot be read now.
        """
        decision = outcome.decision
        found = seen(decision, outcome.events, self._surface.exposure).titles
        earned = {
            title: reward
            for title, events in found.items()
            if (reward := self._rule.reward(events) - self._rule.default)
        }
        if not earned:
            return PageValue(0.0, 0.0)
        # A title's probabilities hang on nothing else of the page: only what earned is scored.
        telling = [choice for choice in decision.titles if choice.title in earned]
        page = msgspec.structs.replace(decision, titles=telling)
        worth = {choice.title: earned[choice.title] / choice.propensity for choice in telling}
        catalog = self._catalog(decision.catalog)
        values = {}
        for line in LINES:
            serving = Serving(catalog, {JUDGED: models[line]}, line)
            logged = self._policies[line].artwork_pmf(page, serving)
            values[line] = sum(
                float(logged.pmf[row, column]) * worth[title]
                for row, (title, column) in enumerate(
                    zip(logged.titles, logged.logged.tolist(), strict=True)
                )
                if column >= 0
            )
        return PageValue(**values)

    def _catalog(self, version: str) -> Catalog:
        found = self._loaded.get(version)
        if found is None:
            found = self._loaded[version] = self._catalogs.load(version)
            if len(self._loaded) > _CATALOGS_KEPT:
                self._loaded.popitem(last=False)
        return found


def _for_everybody(config: Config) -> Config:
    """Return the configuration under which every viewer belongs to the learned share."""
    replace = msgspec.structs.replace
    artwork = replace(config.surfaces.artwork, holdout=0.0, explore=0.0)
    return replace(config, surfaces=replace(config.surfaces, artwork=artwork))
