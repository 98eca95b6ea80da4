"""Reward hosts that the layouts of one certificate share: starting a host takes longer than scoring a small layout."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from rewardsmith.programs.problem import Problem
from sandbox.product import ProductHost


class HostPool:
    """Idle hosts by program, tables and number of memories. Threads take hosts from it and give them back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[tuple[Any, ...], list[ProductHost]] = {}
        self._tables: list[Any] = []  # kept, so that no id is used again

    def take(self, problem: Problem, tables: Any, memories: int) -> ProductHost:
        """Return an idle host, or start one. Raises the errors of `Problem.pairs_host`."""
        with self._lock:
            if idle := self._idle.get(self._key(problem, tables, memories)):
                return idle.pop()
        return problem.pairs_host(tables, memories)

    def give_back(self, host: ProductHost, problem: Problem, tables: Any, memories: int) -> None:
        """Keep a host for the next layout. One that failed is closed already and must not be given back."""
        with self._lock:
            self._tables.append(tables)
            self._idle.setdefault(self._key(problem, tables, memories), []).append(host)

    @staticmethod
    def _key(problem: Problem, tables: Any, memories: int) -> tuple[Any, ...]:
        return (problem.reward.source, problem.reward.functions, problem.isolation, id(tables), memories)

    def close(self) -> None:
        """End all hosts that wait for a layout."""
        with self._lock:
            for host in (each for hosts in self._idle.values() for each in hosts):
                host.close()
            self._idle.clear()


POOL: ContextVar[HostPool | None] = ContextVar("POOL", default=None)
"""The pool of the certificate that this thread computes; None outside of `shared_hosts`."""


@contextmanager
def shared_hosts() -> Iterator[HostPool]:
    """Share hosts between the layouts that are enumerated inside, and end them afterwards."""
    pool = HostPool()
    try:
        yield pool
    finally:
        pool.close()


@contextmanager
def drawing_from(pool: HostPool) -> Iterator[None]:
    """Let this thread take its hosts from a pool."""
    token = POOL.set(pool)
    try:
        yield
    finally:
        POOL.reset(token)
