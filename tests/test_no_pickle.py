"""Nothing that comes from outside is ever unpickled: what is unpickled may run anything.

One transport by pickle is that between a fanned-out evaluation and its own children, over pipes
that nobody else can write to; it is the way of the standard library's multiprocessing. The other is
that of Dask, in one module, where a command was told to trust a cluster.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.test_sizes import modules

PICKLERS = frozenset(
    {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "jsonpickle", "joblib", "shelve",
     "marshal", "pandas", "torch"}
)  # fmt: skip
OWN_PIPES = {"simulator/fanned_workers.py", "simulator/jobs.py"}
"""What talks to its own children by multiprocessing."""
TRUSTED_CLUSTERS = {"simulator/cluster.py", "benchmarks/offline.py"}
"""What talks to a cluster that it was told of, or that it started."""


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the packages that are imported, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def unpicklers(name: str, text: str) -> list[str]:
    """Return the places in a module that could unpickle something."""
    tree = ast.parse(text)
    found = []
    for module, line in imported(tree):
        by_pickle = module.split(".")[0] in PICKLERS
        by_pipe = "Pickl" in module or module.startswith("multiprocessing.connection")
        if by_pickle or (by_pipe and name not in OWN_PIPES):
            found.append(f"{name}:{line} imports {module}")
        if module.split(".")[0] in ("dask", "distributed") and name not in TRUSTED_CLUSTERS:
            found.append(f"{name}:{line} imports {module}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = ast.unparse(node.func)
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if called in ("np.load", "numpy.load") and keywords.get("allow_pickle") != "False":
                found.append(f"{name}:{node.lineno} {called} without allow_pickle=False")
            elif called == "importlib.import_module" and name not in TRUSTED_CLUSTERS:
                if any("distributed" in ast.unparse(one) for one in node.args):
                    found.append(f"{name}:{node.lineno} {called}")
            elif keywords.get("allow_pickle", "False") != "False" or "read_pickle" in called:
                found.append(f"{name}:{node.lineno} {called}")
    return found


def test_nothing_unpickles() -> None:
    looked_at = dict(modules())
    assert set(looked_at) >= OWN_PIPES | TRUSTED_CLUSTERS
    assert [place for name, text in looked_at.items() for place in unpicklers(name, text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "import pickle as p",
        "from pickle import loads",
        "import joblib.numpy_pickle",
        "from distributed import Client",
        "client = importlib.import_module('distributed')",
        "def f():\n    import shelve",
        "from multiprocessing.connection import Client",
        "from multiprocessing.reduction import ForkingPickler",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=trusted)",
        "np.lib.format.read_array(file, allow_pickle=True)",
        "frame = frames.read_pickle(path)",
    ],
)
def test_each_way_would_be_found(text: str) -> None:
    assert len(unpicklers("server/example.py", text)) == 1


@pytest.mark.parametrize("text", ["import json", "np.load(path, allow_pickle=False)"])
def test_other_ways_are_fine(text: str) -> None:
    assert unpicklers("server/example.py", text) == []
