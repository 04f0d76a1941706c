"""The contract of environments and policies: pages in, what is served, what viewers do.

An environment hands out batches of page requests, takes what was served, and tells what viewers did
with it, in the spirit of dm_env (``reset`` and ``step``), but many pages at a time and as arrays,
so that a simple policy runs through tens of thousands of pages a second. A policy serves a batch
and then learns from it; production's own policy is one of them (:mod:`simulator.policies`).

Shapes: m pages in a batch, R candidate rows a page, C titles a row at most, S rows served.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from bandit.catalog import CatalogDocument
from bandit.reward import RewardRule
from bandit.types import BoolArray, Float32Array, FloatArray, IndexArray, Page

Codes = npt.NDArray[np.int32]


class Items(NamedTuple):
    """What is known of a document's items, as numbers; in the document's order."""

    artwork_offsets: IndexArray
    """Shape (titles + 1,): title t has the artworks ``offsets[t]`` to ``offsets[t + 1] - 1``."""
    artworks: Float32Array
    """Shape (artworks, f): features of each artwork with its title."""
    rows: Float32Array
    """Shape (rows, g): features of each row."""


class Pages(NamedTuple):
    """A batch of m page requests."""

    first: int
    """Number of the first page in the run; the i-th of the batch has the number ``first + i``."""
    now_us: npt.NDArray[np.int64]
    """Shape (m,): instants, in microseconds since the Unix epoch, never falling."""
    viewers: npt.NDArray[np.int64]
    """Shape (m,)."""
    contexts: Float32Array
    """Shape (m, d): what a policy may know of viewer and moment."""
    segments: Codes
    """Shape (m,): a coarse group of the viewer that a policy may know."""
    rows: Codes
    """Shape (m, R): rows of the document in the order asked, -1 where a page has fewer."""
    titles: Codes
    """Shape (m, R, C): titles of each row, -1 for gaps; C is 0 where only rows are ordered. The
    titles of one page are distinct."""
    rows_served: int
    """S: how many rows from the top are served."""

    @property
    def size(self) -> int:
        """m, the number of pages."""
        return len(self.viewers)


class Served(NamedTuple):
    """What a policy served for a batch.

    Propensities lie in (0, 1]: 1 from a policy that always serves this, NaN from one that draws and
    cannot tell how likely it was to. Logged data refuses those.
    """

    order: Codes
    """Shape (m, S): index into the page's R rows, from the top; -1 where a page has fewer."""
    order_propensities: FloatArray
    """Shape (m, S): probability of each row there, given those above; 1 past the end."""
    artworks: Codes
    """Shape (m, R, C): place of the artwork among its title's, from 0, by row as asked; -1 for
    gaps. Rows that were not served need not be filled."""
    artwork_propensities: FloatArray
    """Shape (m, R, C): 1 for gaps."""


class Displays(NamedTuple):
    """What was seen of a batch, and what came of it: n displays by page, position and column.

    Where pages only order rows (C is 0), a display is a row, and ``column`` is 0.
    """

    page: Codes
    """Shape (n,): index into the batch, never falling."""
    position: Codes
    """Shape (n,): the row's position as served."""
    column: Codes
    """Shape (n,): the title's place in its row."""
    clicked: BoolArray
    played: BoolArray
    """Shape (n,): quick abandons count as played."""
    seconds: Float32Array
    """Shape (n,): watched, 0 where nothing was played."""
    fraction: Float32Array
    """Shape (n,): of the title's length."""
    reward: FloatArray
    """Shape (n,): by the environment's rule."""
    delay_s: Float32Array
    """Shape (n,): from the page's instant to the last feedback on the display."""


class Step(NamedTuple):
    """What came of a batch, and the next one."""

    displays: Displays
    pages: Pages | None
    """None at the end of the run."""


class Expected(NamedTuple):
    """What a served batch earns on average over all that viewers may do; shapes (m,)."""

    reward: FloatArray
    """Sum of the page's rewards."""
    displays: FloatArray
    """Number of displays seen."""


class Truth(NamedTuple):
    """A policy's true value in an environment."""

    value: float
    """Expected reward a display."""
    page_value: float
    """Expected reward a page."""
    standard_error: float
    """Monte Carlo error of ``value``."""
    pages: int
    """Over how many pages it was taken."""


class Environment(Protocol):
    """A world of viewers. Two runs from one seed offer the same viewers at the same instants."""

    @property
    def name(self) -> str:
        """The environment's name, as commands and reports have it."""
        ...

    @property
    def document(self) -> CatalogDocument:
        """Everything that will be on a page in a run."""
        ...

    @property
    def items(self) -> Items:
        """The document's items as numbers."""
        ...

    @property
    def context_names(self) -> tuple[str, ...]:
        """What the d columns of contexts are."""
        ...

    @property
    def segment_names(self) -> tuple[str, ...]:
        """What segment codes stand for."""
        ...

    @property
    def rule(self) -> RewardRule:
        """How feedback is rewarded."""
        ...

    def reset(self, seed: int) -> Pages:
        """Start a run."""
        ...

    def step(self, served: Served) -> Step:
        """Let the viewers of the last batch see what was served.

        Raises:
            SimulationError: no run was started, or it is over, or what was served does not fit.
        """
        ...

    def page(self, pages: Pages, index: int) -> Page:
        """Return one page of a batch as a request, for production's policy and for HTTP."""
        ...

    def expected(self, pages: Pages, served: Served) -> Expected:
        """Return what a served batch earns on average: exact, given these viewers.

        ``pages`` is the batch of the run that is under way.
        """
        ...

    def best(self, pages: Pages) -> Served:
        """Return what an oracle would serve: the greatest expected reward it knows how to find."""
        ...


class PagePolicy(Protocol):
    """Serves pages, and may learn from what comes of them."""

    @property
    def name(self) -> str:
        """The policy's name, as commands and reports have it."""
        ...

    def reset(self, environment: Environment, seed: int) -> None:
        """Start anew, knowing nothing but the environment's items."""
        ...

    def serve(self, pages: Pages) -> Served:
        """Serve a batch."""
        ...

    def learn(self, pages: Pages, served: Served, displays: Displays) -> None:
        """Take up what came of the batch served last."""
        ...
