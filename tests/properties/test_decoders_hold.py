"""Whatever bytes come from outside, each decoder gives a value or the error that it documents.

Mutations of valid inputs and random bytes, by hypothesis with fixed seeds. What one input may cost
is bounded: seconds that only an unbounded one takes, and the peak of the memory of all of them.
"""

from __future__ import annotations

import resource
import time
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.mutations import mutated
from tests.properties.decoder_targets import Target, targets

EXAMPLES = 150
SECONDS_MAX = 20.0
"""For one input on a machine that is busy besides."""
MEMORY_KB_MAX = 150_000
TARGETS = targets()


def peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def try_one(target: Target, data: bytes) -> None:
    started = time.monotonic()
    with suppress(*target.refusals):
        target.decode(data)
    assert time.monotonic() - started < SECONDS_MAX


@pytest.mark.parametrize("name", TARGETS)
def test_valid_inputs_are_decoded(name: str) -> None:
    target = TARGETS[name]
    for data in target.valid:
        target.decode(data)


@pytest.mark.parametrize("name", TARGETS)
def test_changed_inputs_are_decoded_or_refused(name: str) -> None:
    target = TARGETS[name]
    before = peak_kb()

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
    @given(st.integers(0, 2**64))
    def changed(seed: int) -> None:
        random = Random(seed)
        try_one(target, mutated(random.choice(target.valid), target.valid, random))

    changed()
    assert peak_kb() - before < MEMORY_KB_MAX


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_decoded_or_refused(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=EXAMPLES // 3, deadline=None, derandomize=True, database=None)
    @given(st.binary(max_size=400))
    def anything(data: bytes) -> None:
        try_one(target, data)

    anything()
