"""A plain reference implementation: dictionaries over the real MiniGrid and textbook value iteration.

It shares no code with the certificate: no compiled engine, no state rows, no sandbox, no `compose`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

Key = tuple[Any, ...]
Moves = dict[Key, list[tuple[Key | None, float, bool]]]


def key_of(env: Any) -> Key:
    """All values that MiniGrid's dynamics read, except the step count."""
    held = None if env.carrying is None else env.carrying.encode()
    return (tuple(map(int, env.agent_pos)), int(env.agent_dir), held, env.grid.encode().tobytes())


def enumerate_real(env: Any, pay: Callable[[Any, int, Any, float], float]) -> tuple[Key, Moves]:
    """All states from the start as key -> [(next or None, pay, success)] per action.

    pay(env before, action, env after, environment's reward) -> the composed reward.
    """
    start = copy.deepcopy(env)
    moves: Moves = {}
    waiting = [start]
    seen = {key_of(start)}
    while waiting:
        here = waiting.pop()
        row = []
        for action in range(7):
            there = copy.deepcopy(here)
            there.step_count = 0
            _, paid, over, _, _ = there.step(action)
            success = bool(over and paid > 0)
            row.append((None if over else key_of(there), pay(here, action, there, float(paid)), success))
            if not over and key_of(there) not in seen:
                seen.add(key_of(there))
                waiting.append(there)
        moves[key_of(here)] = row
    return key_of(start), moves


def value_iteration(moves: Moves, gamma: float, *, success: bool, tolerance: float = 1e-13) -> dict[Key, float]:
    """Value iteration (Sutton and Barto, section 4.4); without successful transitions if not `success`."""
    value = dict.fromkeys(moves, 0.0)
    while True:
        change = 0.0
        for state, row in moves.items():
            best = max(
                paid + (gamma * value[there] if there is not None else 0.0)
                for there, paid, wins in row
                if success or not wins
            )
            change = max(change, abs(best - value[state]))
            value[state] = best
        if change <= tolerance:
            return value
