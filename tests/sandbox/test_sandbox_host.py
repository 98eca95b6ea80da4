"""The reward host: memory, components, potentials, limits and error messages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sandbox_task import ACTIONS, SETUP, host, rollout, score

from sandbox.client import HostError, Limits, RewardHost, Scores, check_determinism, replay_module

HEAD = "def reward(prev, action, state, memory):\n"
COUNT = HEAD + "    memory['n'] = memory.get('n', 0) + 1\n    return float(memory['n'])\n"


def error(source: str, functions: tuple[str, ...] = ("reward",), **options: object) -> HostError:
    with pytest.raises(HostError) as caught:
        score(source, functions, **options)
    return caught.value


def test_memory_lives_for_one_episode_of_one_environment_across_calls() -> None:
    inputs = rollout()
    inputs["starts"][3, 1] = True
    with host(COUNT) as running:
        first = running.score(**inputs)
        inputs["starts"][:] = False
        inputs["starts"][2, 0] = True
        second = running.score(**inputs)
    assert first.names == ("reward",)
    assert first.values[..., 0].T.tolist() == [[1, 2, 3, 4, 5, 6], [1, 2, 3, 1, 2, 3], [1, 2, 3, 4, 5, 6]]
    assert second.values[..., 0].T.tolist() == [[7, 8, 1, 2, 3, 4], [4, 5, 6, 7, 8, 9], [7, 8, 9, 10, 11, 12]]


def test_functions_share_memory_in_the_order_given() -> None:
    source = (
        "def dense(prev, action, state, memory):\n    memory['seen'] = 2.0\n    return {'a': 1.0}\n"
        "def sparse(prev, action, state, memory):\n    return memory.pop('seen')\n"
    )
    scores = score(source, ("dense", "sparse"))
    assert scores.names == ("dense.a", "sparse")
    assert (scores.values == [1.0, 2.0]).all()
    assert error(source, ("sparse", "dense")).cause == "exception"


def test_arguments_are_the_state_before_the_action_and_the_state_after() -> None:
    source = HEAD + "    return {'t': prev.step, 'u': state.step, 'a': action, 'f': float(action == FORWARD)}\n"
    inputs = rollout()
    with host(source) as running:
        values = running.score(**inputs).values
    assert (values[..., 0] == inputs["before"][..., 0]).all()
    assert (values[..., 1] == inputs["after"][..., 0]).all()
    assert (values[..., 2] == inputs["actions"]).all()
    assert (values[..., 3] == (inputs["actions"] == ACTIONS.index("forward"))).all()


def test_an_interrupted_chain_of_states_is_not_joined() -> None:
    inputs = rollout()
    inputs["before"][3, :, 0] = 40
    with host(HEAD + "    return prev.step\n") as running:
        assert running.score(**inputs).values[:, 0, 0].tolist() == [0, 1, 2, 40, 4, 5]


def test_a_missing_component_is_zero_and_later_ones_join() -> None:
    source = HEAD + "    return {'a': 1.0, 'late': 2.0} if state.step > 4 else {'a': 1.0}\n"
    scores = score(source)
    assert scores.names == ("a", "late")
    assert scores.values[:, 0, 1].tolist() == [0, 0, 0, 0, 2, 2]
    chunked = score(source, capacity=3)
    assert chunked.names == scores.names and (chunked.values == scores.values).all()


def test_chunks_of_a_long_rollout_score_like_one_call() -> None:
    source = COUNT + "def potential(state, memory):\n    return state.step + memory.get('n', 0) * 0.5\n"
    whole, parts = (score(source, ("reward", "potential"), capacity=c) for c in (18, 7))
    for name in ("values", "phi", "phi0"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


def test_a_potential_is_computed_at_starts_and_once_per_state_after() -> None:
    source = (
        "def potential(state, memory):\n    memory['calls'] = memory.get('calls', 0) + 1\n"
        "    return state.step + 0.01 * memory['calls']\n"
    )
    inputs = rollout()
    inputs["starts"][4, 2] = True
    with host(source, ("potential",)) as running:
        scores: Scores = running.score(**inputs)
    assert scores.names == () and scores.values.shape == (6, 3, 0)
    assert scores.phi is not None and scores.phi0 is not None
    np.testing.assert_allclose(scores.phi[:, 0], np.arange(1, 7) + 0.01 * np.arange(2, 8))
    np.testing.assert_array_equal(np.isnan(scores.phi0), ~inputs["starts"])
    np.testing.assert_allclose(scores.phi0[4, 2], 4.01)


def test_numbers_of_numpy_and_ints_become_exact_floats() -> None:
    source = (
        "import numpy as np\n"
        + HEAD
        + ("    return {'i': 3, 'f32': np.float32(0.1), 'i64': np.int64(2), 'big': np.float64(0.1) * 3}\n")
    )
    assert score(source).values[0, 0].tolist() == [3.0, float(np.float32(0.1)), 2.0, 0.1 * 3]


def test_continuous_actions_arrive_as_vectors_with_names() -> None:
    inputs = rollout()
    inputs["actions"] = np.random.default_rng(0).normal(size=(6, 3, 2))
    source = "import numpy as np\n" + HEAD + "    return -float(np.square(action).sum()) + action.gas - action[0]\n"
    with host(source, action_width=2, entries=("gas", "brake")) as running:
        np.testing.assert_allclose(running.score(**inputs).values[..., 0], -(inputs["actions"] ** 2).sum(-1))


def test_several_discrete_choices_arrive_as_ints() -> None:
    inputs = rollout()
    inputs["actions"] = np.random.default_rng(0).integers(4, size=(6, 3, 2))
    source = HEAD + "    return (1, 2)[isinstance(action.door, int)] + 10 * action.door + 100 * len(action)\n"
    with host(source, action_width=2, entries=("lamp", "door"), whole=True) as running:
        assert (running.score(**inputs).values[..., 0] == 202 + 10 * inputs["actions"][..., 1]).all()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("    return action.brakes\n", "Action has no field 'brakes'; it has: gas, brake"),
        ("    action.gas = 1.0\n    return 0.0\n", "Action.gas is read-only"),
    ],
)
def test_a_wrong_use_of_a_continuous_action_names_its_entries(body: str, words: str) -> None:
    inputs = rollout()
    inputs["actions"] = np.zeros((6, 3, 2))
    with host(HEAD + body, action_width=2, entries=("gas", "brake")) as running:
        with pytest.raises(HostError, match=words):
            running.score(**inputs)


def test_functions_may_take_fewer_parameters() -> None:
    source = "def factors(prev, action, state):\n    return {'moved': state.step - prev.step}\n"
    assert score(source, ("factors(prev, action, state)",)).names == ("factors.moved",)


@pytest.mark.parametrize(
    ("body", "cause", "line", "words"),
    [
        ("    return True\n", "value", 1, "is True: return a number"),
        ("    return {'a': state.open}\n", "value", 1, "component 'a' of reward is"),
        ("    return '1.0'\n", "value", 1, "is a str"),
        ("    return None\n", "value", 1, "is None: return a number on every path"),
        ("    return [1.0]\n", "value", 1, "is a list"),
        ("    import numpy as np\n    return np.zeros(2)\n", "value", 1, "ndarray of shape (2,)"),
        ("    return {'a': '1'}\n", "value", 1, "is a str"),
        ("    return 1j\n", "value", 1, "is a complex"),
        ("    return 10 ** 400\n", "value", 1, "too large for a float"),
        ("    return float('nan')\n", "value", 1, "'reward' is nan"),
        ("    return {'a': 0.0, 'b': float('-inf')}\n", "value", 1, "'b' is -inf"),
        ("    return 1e300\n", "value", 1, "at most 10000"),
        ("    return {'Bad Name': 1.0}\n", "value", 1, "must match"),
        ("    return {7: 1.0}\n", "value", 1, "must match"),
        ("    return {'a.b': 1.0}\n", "value", 1, "must match"),
        ("    return {f'c{i}': 1.0 for i in range(17)}\n", "value", 1, "more than 16 components"),
        ("    return {f'c{state.step}_{i}': 1.0 for i in range(9)}\n", "value", 1, "more than 16 components"),
        ("    x = 1\n    return 1.0 / (x - 1)\n", "exception", 3, "ZeroDivisionError"),
        ("    return state.agnet.x\n", "exception", 2, "no field 'agnet'"),
        ("    return state.walk\n", "exception", 2, "USES"),
        ("    state.open = True\n", "exception", 2, "read-only"),
        ("    state.grid[0, 0] = 1\n", "exception", 2, "read-only"),
        ("    print('x')\n", "exception", 2, "print is not available in reward code; return"),
        ("    import random\n", "exception", 2, "deterministic"),
        ("    import os\n", "exception", 2, "rewards may import"),
        ("    import numpy as np\n    return np.load('x')\n", "exception", 3, "numpy.load is not available"),
        ("    def f():\n        return f()\n    return f()\n", "exception", 3, "RecursionError"),
        ("    raise SystemExit\n", "exception", 2, "SystemExit"),
        ("    x = [0.0] * 10**9\n    return 1.0\n", "memory", 2, "memory"),
        ("    while True: pass\n", "timeout", 2, "longer than"),
        ("    return 10 ** 10 ** 9\n", "timeout", 2, "longer than"),
    ],
)
def test_an_error_of_a_program_names_cause_and_line(body: str, cause: str, line: int | None, words: str) -> None:
    problem = error(HEAD + body, limits=Limits(call_seconds=0.3))
    assert (problem.cause, problem.line) == (cause, line), str(problem)
    assert words in problem.message


@pytest.mark.parametrize(
    ("source", "cause", "line", "words"),
    [
        ("x = 1\ndef reward(:\n", "syntax", 2, "invalid syntax"),
        ("x = 1\n", "load", None, "defines no function reward"),
        ("x = 1\ny = x / 0\n", "load", 2, "ZeroDivisionError"),
        ("import os\n", "load", 1, "import os is not available"),
        ("USES = ['flying']\n" + COUNT, "load", None, "unknown features: flying"),
        ("while True: pass\n", "timeout", 1, "longer than"),
    ],
)
def test_a_program_that_does_not_load_is_reported_with_the_cause(
    source: str, cause: str, line: int | None, words: str
) -> None:
    problem = error(source, limits=Limits(load_seconds=0.3))
    assert (problem.cause, problem.line) == (cause, line)
    assert words in problem.message


def test_the_transition_of_a_fault_is_named() -> None:
    problem = error(HEAD + "    return 1.0 / (4 - prev.step)\n", capacity=6)
    assert (problem.t, problem.n) == (4, 0)
    problem = error(HEAD + "    return {'a': 1e9 if prev.step == 3 else 0.0}\n")
    assert (problem.t, problem.n, problem.component) == (3, 0, "a")


def test_two_functions_may_not_share_a_component_name() -> None:
    source = HEAD + "    return {'dense': 1.0}\ndef dense(prev, action, state, memory):\n    return 1.0\n"
    assert "two functions" in error(source, ("reward", "dense")).message


def test_a_host_that_ended_after_a_fault_reports_it() -> None:
    running = host(HEAD + "    return 'x'\n")
    for cause in ("value", "died"):
        with pytest.raises(HostError) as caught:
            running.score(**rollout())
        assert caught.value.cause == cause


def test_the_cumulative_processor_time_is_limited() -> None:
    busy = HEAD + "    return float(sum(range(200_000)) * 0)\n"
    with host(busy, limits=Limits(cpu_seconds=1, call_seconds=5.0)) as running:
        with pytest.raises(HostError) as caught:
            for _ in range(200):
                running.score(**rollout())
    assert caught.value.cause == "timeout" and "processor time" in caught.value.message


def test_wrong_shapes_raise_an_error_of_the_caller() -> None:
    inputs = rollout()
    with host(COUNT) as running, pytest.raises(ValueError, match="shapes"):
        running.score(**{**inputs, "actions": inputs["actions"][:-1]})
    with pytest.raises(ValueError, match="capacity"):
        host(COUNT, capacity=2)


@pytest.mark.parametrize(
    "source",
    [
        "N = [0]\n" + HEAD + "    N[0] += 1\n    return float(N[0])\n",
        HEAD + "    return float(hash(object()) % 1000)\n",
        "class A: n = 0\n" + HEAD + "    A.n += 1\n    return A.n * 0.1\n",
    ],
)
def test_leaking_state_and_addresses_are_nondeterministic(source: str) -> None:
    inputs = rollout(12)
    problem = check_determinism(source, SETUP, **inputs)
    assert problem is not None and problem.cause == "nondeterministic" and problem.component == "reward"


def test_state_leaking_between_environments_is_found_in_one_step() -> None:
    source = "N = [0]\n" + HEAD + "    N[0] += 1\n    return float(N[0])\n"
    assert check_determinism(source, replace(SETUP, actions=()), **rollout(1)) is not None


def test_an_order_that_hashing_decides_is_the_same_in_every_host() -> None:
    source = HEAD + "    return float(list({'a', 'b', 'c', 'd', 'e', 'f'}).index('c'))\n"
    assert len({score(source).values[0, 0, 0] for _ in range(4)}) == 1


def test_declared_uses_are_reported() -> None:
    source = 'USES = ["walk_distance"]\n' + HEAD + "    return state.walk\n"
    with host(source) as running:
        assert running.uses == ("walk_distance",)
        assert (running.score(**rollout()).values[..., 0] == rollout()["after"][..., 14]).all()


def test_a_module_is_replayed_with_real_numpy_and_read_only_arrays() -> None:
    source = (
        "import numpy\nimport json, math, dataclasses, collections\n"
        "def main():\n    import gymnasium\n"
        "def replay(arrays):\n    assert not arrays['x'].flags.writeable\n"
        "    noise = numpy.random.default_rng(0).normal(size=3) * numpy.fft.fft([0.0]).real[0]\n"
        "    return noise + arrays['x']\n"
        "if __name__ == '__main__':\n    main()\n"
    )
    x = np.array([1.5, np.nan, -2.0], dtype=np.float32)
    np.testing.assert_array_equal(replay_module(source, {"x": x, "empty": np.zeros((0, 2))}, (3,)), x)


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import os\n", "load"),
        ("x = 1\n", "load"),
        ("def replay(a):\n    return open('/etc/passwd')\n", "exception"),
        ("def replay(a):\n    return [1.0]\n", "value"),
        ("def replay(a):\n    a['x'][0] = 2\n", "exception"),
        ("def replay(a:\n", "syntax"),
    ],
)
def test_a_module_that_misbehaves_is_a_host_error(source: str, cause: str) -> None:
    with pytest.raises(HostError) as caught:
        replay_module(source, {"x": np.zeros(3)}, (3,))
    assert caught.value.cause == cause


def test_a_host_can_be_used_from_a_thread_that_ends() -> None:
    import threading

    hosts: list[RewardHost] = []
    thread = threading.Thread(target=lambda: hosts.append(host(COUNT)))
    thread.start()
    thread.join()
    with hosts[0] as running:
        assert running.score(**rollout()).values[0, 0, 0] == 1.0
