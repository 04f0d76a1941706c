"""Other packages' predictions for a page; runs under their Pythons, and imports nothing of ours.

``python -m benchmarks.peers_worker FOLDER`` takes cases on standard input, one a line, with the
number of the first page, how many pages to do, and the seconds to do pages before, and answers each
with the seconds of every page as a line of JSON. The folder holds the pages as VW's lines, in
``pages.json``.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TITLES = 240
ARTWORKS = 8
CONTEXT_FEATURES = 20
TRAINED = 4000
BOOTSTRAPS = 10
PAGES = 8
VW_ARGUMENTS = "--cb_explore_adf --epsilon 0.05 -q ca --quiet"

Page = Callable[[int], Any]


def vowpalwabbit_text() -> Page:
    """Parse and predict the text of each title."""
    workspace = importlib.import_module("vowpalwabbit").Workspace(VW_ARGUMENTS)
    pages = _texts()
    return lambda number: [workspace.predict(lines) for lines in pages[number % len(pages)]]


def vowpalwabbit_kept() -> Page:
    """Predict Examples that were parsed before."""
    workspace = importlib.import_module("vowpalwabbit").Workspace(VW_ARGUMENTS)
    pages = [[workspace.parse(lines) for lines in page] for page in _texts()]
    return lambda number: [workspace.predict(one) for one in pages[number % len(pages)]]


def mabwiser() -> Page:
    """Choose one of eight arms for each of 240 contexts at once: ε-greedy, linear models."""
    policy = _mabwiser(ARTWORKS)
    contexts = _contexts(PAGES * TITLES).reshape(PAGES, TITLES, CONTEXT_FEATURES)
    return lambda number: policy.predict(contexts[number % PAGES])


def mabwiser_1920() -> Page:
    """Score an arm for each artwork of the page, for one context."""
    policy = _mabwiser(TITLES * ARTWORKS)
    contexts = _contexts(PAGES)
    return lambda number: policy.predict_expectations(contexts[[number % PAGES]])


def contextualbandits() -> Page:
    """Choose for 240 contexts at once by upper bounds: ten bootstrapped regressions an arm."""
    online = importlib.import_module("contextualbandits.online")
    linear = importlib.import_module("sklearn.linear_model")
    policy = online.BootstrappedUCB(
        linear.LogisticRegression(),
        ARTWORKS,
        nsamples=BOOTSTRAPS,
        njobs_arms=1,
        njobs_samples=1,
        random_state=1,
    )
    random = _random(2)
    rewards = (random.random(TRAINED) < 0.2).astype(float)
    policy.fit(_contexts(TRAINED), random.integers(ARTWORKS, size=TRAINED), rewards)
    contexts = _contexts(PAGES * TITLES).reshape(PAGES, TITLES, CONTEXT_FEATURES)
    return lambda number: policy.predict(contexts[number % PAGES])


CASES = {
    made.__name__: made
    for made in (
        vowpalwabbit_text,
        vowpalwabbit_kept,
        mabwiser,
        mabwiser_1920,
        contextualbandits,
    )
}


def _mabwiser(arms: int) -> Any:
    mab = importlib.import_module("mabwiser.mab")
    policy = mab.MAB(list(range(arms)), mab.LearningPolicy.LinGreedy(epsilon=0.05), seed=1)
    random = _random(2)
    policy.fit(
        random.integers(arms, size=TRAINED).tolist(),
        random.random(TRAINED).tolist(),
        _contexts(TRAINED),
    )
    return policy


def _random(seed: int) -> Any:
    # VW's bindings need no NumPy, and have none in their environment
    return importlib.import_module("numpy").random.default_rng(seed)


def _contexts(count: int) -> Any:
    return _random(1).uniform(0.1, 1, (count, CONTEXT_FEATURES))


def _texts() -> Any:
    return json.loads((Path(sys.argv[1]) / "pages.json").read_text())[:PAGES]


def serve() -> None:
    """Answer until standard input ends; a case is made when it is first asked for."""
    made: dict[str, Page] = {}
    for line in sys.stdin:
        case, first, pages, warm_up_s = line.split()
        if case not in made:
            made[case] = CASES[case]()
        began, warm = time.perf_counter(), int(first)
        while warm == int(first) or time.perf_counter() - began < float(warm_up_s):
            made[case](warm)
            warm += 1
        seconds = []
        for number in range(int(first), int(first) + int(pages)):
            began = time.perf_counter()
            made[case](number)
            seconds.append(time.perf_counter() - began)
        sys.stdout.write(json.dumps(seconds) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
