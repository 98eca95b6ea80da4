"""The asker of CALM's verifier and ONI's labeller: newest question first, each once; an error ends it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from rewardsmith.errors import BudgetSpent
from rewardsmith.methods.asking.asker import Asker


@dataclass(frozen=True)
class Numbered:
    key: int


def until(condition) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_batches_are_newest_first_and_ask_nothing_twice():
    seen, go = [], threading.Event()

    def answer(taken):
        go.wait(20)
        seen.append([(question.key, offered) for question, offered in taken])
        return [question.key for question, _ in taken]

    asker = Asker(answer, batch=2)
    asker.offer([Numbered(0)])
    until(lambda: asker.asked == 1)
    asker.offer([Numbered(0), Numbered(1), Numbered(2)])
    between = time.monotonic()
    asker.offer([Numbered(1)])
    assert (asker.waiting, asker.outstanding) == (2, 3) and asker.collect() == []
    go.set()
    until(lambda: asker.outstanding == 0)
    assert [[key for key, _ in batch] for batch in seen] == [[0], [1, 2]]
    assert all(offered <= between for batch in seen for _, offered in batch)
    assert asker.collect() == [0, 1, 2] and asker.asked == 3
    asker.offer([Numbered(n) for n in range(3)])
    assert asker.outstanding == 0
    asker.know([7])
    asker.offer([Numbered(7)])
    assert asker.outstanding == 0
    asker.close()


def test_an_error_stops_all_threads_and_is_kept():
    def answer(taken):
        raise BudgetSpent("3 calls are spent", "Raise the limit.")

    asker = Asker(answer, threads=3)
    asker.offer([Numbered(0)])
    until(lambda: asker.failure is not None)
    assert asker.failure is not None and asker.failure.cause == "3 calls are spent"
    asker.offer([Numbered(1)])
    until(lambda: not any(thread.is_alive() for thread in asker._threads))
    assert (asker.waiting, asker.collect()) == (1, [])
