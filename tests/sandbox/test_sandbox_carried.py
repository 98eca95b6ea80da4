"""State that outlives an episode is refused, even if no result depends on it."""

from __future__ import annotations

import pytest
from carried_hidden import HIDDEN, REWARD
from carried_state import CARRIED, HEAD, PAY
from honest_rewards import REWARDS
from sandbox_task import SETUP, host, rollout

from sandbox.client import HostError, Limits, check_determinism


@pytest.mark.parametrize("name", CARRIED)
def test_state_outside_of_memory_is_refused(name: str) -> None:
    problem = check_determinism(CARRIED[name], SETUP, **rollout(12))
    assert problem is not None and problem.cause == "nondeterministic"
    assert "keep all state in memory" in problem.message


@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_state_is_refused(name: str) -> None:
    problem = check_determinism(HIDDEN[name] + REWARD, SETUP, **rollout(12))
    assert problem is not None and problem.cause == "nondeterministic"


def test_state_nested_too_deeply_to_inspect_is_refused() -> None:
    source = "D = [0]\nfor _ in range(400): D = [D]\n" + HEAD + PAY
    problem = check_determinism(source, SETUP, **rollout(2))
    assert problem is not None and "deep" in problem.message


@pytest.mark.parametrize("name", ["class", "functools", "enum", "dataclass", "deque", "bfs"])
def test_honest_programs_carry_no_state(name: str) -> None:
    with host(REWARDS[name]) as running:
        running.score(**rollout(12))
        running.settle()
        running.score(**rollout(12, seed=1))
        running.settle()


@pytest.mark.parametrize(
    "head",
    [
        "from functools import cache\n@cache\ndef far(x):\n    return [x]\n",
        "from functools import lru_cache\n@lru_cache(2)\ndef far(x):\n    return {x: x}\n",
        "from functools import singledispatch\n@singledispatch\ndef far(x):\n    return [x]\n",
        "from enum import Flag\nclass F(Flag):\n    A = 1\n    B = 2\n    C = 4\ndef far(x):\n    return F(x % 8)\n",
        "from functools import lru_cache\nimport numpy as np\n@lru_cache\ndef far(x):\n    return np.zeros(x + 9)\n",
        "from functools import partial\nfar = partial(max, 0)\n",
        "import numpy as np\ndef far(x):\n    return np.finfo(np.float32).eps\n",
        "D = {0: 1}\nK, V = D.keys(), D.values()\ndef far(x):\n    return sum(V) + len(K)\n",
        "from abc import ABC\nclass A(ABC):\n    pass\ndef far(x):\n    return isinstance(x, A)\n",
        "import numpy as np\nW = np.arange(9.0)\ndef far(x):\n    return W + W[::-1] * x\n",
    ],
)
def test_caches_that_python_keeps_do_not_count_as_state(head: str) -> None:
    source = head + HEAD + "    far(state.step)\n    far(prev.step)\n" + PAY
    assert check_determinism(source, SETUP, **rollout(12)) is None


def test_state_that_changes_late_ends_the_training_host() -> None:
    source = "N = [0]\n" + HEAD + "    if state.step == 700: N[0] += 1\n" + PAY
    with host(source, capacity=3000, limits=Limits(call_seconds=5.0)) as running:
        with pytest.raises(HostError, match="N changed") as raised:
            for seed in range(3):
                running.score(**rollout(1000, seed=seed))
    assert raised.value.cause == "nondeterministic"


def test_cache_statistics_are_refused() -> None:
    source = (
        "from functools import cache\nf = cache(abs)\n" + HEAD + "    f(-1)\n    return float(f.cache_info().hits)\n"
    )
    problem = check_determinism(source, SETUP, **rollout(2))
    assert problem is not None and "cache_info" in problem.message
