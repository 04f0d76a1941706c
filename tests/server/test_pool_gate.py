from __future__ import annotations

from server.pool_gate import PoolGate


def test_so_many_wait_and_the_next_is_refused() -> None:
    gate: PoolGate[int] = PoolGate(threads=2, waiting_max=3)
    assert [gate.enter(n, is_long=False) for n in range(7)] == ["enters"] * 5 + ["is_refused"] * 2
    assert (gate.waiting, gate.refused, gate.is_busy) == (3, 2, True)
    assert gate.leave(is_long=False) is None
    assert gate.enter(7, is_long=False) == "enters"
    for _ in range(5):
        assert gate.is_busy or gate.waiting == 0
        gate.leave(is_long=False)
    assert (gate.waiting, gate.is_busy) == (0, False)


def test_long_ones_take_half_of_the_threads_and_wait_in_order() -> None:
    gate: PoolGate[str] = PoolGate(threads=5, waiting_max=2)
    assert [gate.enter(name, is_long=True) for name in "abcd"] == ["enters"] * 2 + ["waits"] * 2
    assert (gate.waiting, gate.is_busy) == (2, False)
    assert [gate.enter(name, is_long=False) for name in "efgh"] == ["enters"] * 3 + ["is_refused"]
    assert gate.leave(is_long=False) is None
    assert [gate.leave(is_long=True) for _ in range(4)] == ["c", "d", None, None]
    assert gate.enter("i", is_long=True) == "enters"


def test_one_thread_takes_a_long_one_too() -> None:
    gate: PoolGate[str] = PoolGate(threads=1, waiting_max=1)
    assert [gate.enter(name, is_long=True) for name in "abc"] == ["enters", "waits", "is_refused"]
