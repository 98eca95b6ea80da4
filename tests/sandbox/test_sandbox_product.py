"""The product host calls a program from every memory it has reached; memories stay in the host."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.client import HostError, HostSetup
from sandbox.gate import ignores_action
from sandbox.memories import ONE_TOO_MANY, UNLISTED, Memories, freeze, thaw
from sandbox.product import READ_EARLIER_EVENT, READ_EVENT_FOR_POTENTIAL, READ_STEP, ProductHost

SCHEMA = {
    "name": "State",
    "dtype": "int32",
    "width": 3,
    "fields": [
        {"name": "step", "kind": "int", "column": 0},
        {"name": "event", "kind": "choice", "column": 1, "values": ["none", "moved", "fell"]},
        {"name": "place", "kind": "int", "column": 2},
    ],
}
HEAD = "def reward(prev, action, state, memory):\n"


def expand_body(body: str, memory=(0,), functions=("reward",), memories=100, head=HEAD, rounds=1):
    source = head + "".join(f"    {line}\n" for line in body.splitlines())
    before = np.array([[0, 0, k] for k in range(len(memory))], np.int32)
    after = np.array([[[1, 1, k], [1, 2, k + 1]] for k in range(len(memory))], np.int32)
    with ProductHost(source, HostSetup(functions, SCHEMA, {}, ("LEFT", "RIGHT")), 4, memories) as host:
        for _ in range(rounds):
            found = host.expand(before, after, np.array(memory))
        return found


def test_every_action_is_scored_from_the_memory_it_is_given():
    found = expand_body(
        "n = memory['n'] = memory.get('n', 0) + 1\nreturn {'n': float(n), 'a': 10.0 * action}", (0, 0, 0)
    )
    assert found.names == ("n", "a")
    assert found.values[..., 0].tolist() == [[1, 1]] * 3  # each action starts from the same memory, not from the last
    assert found.values[..., 1].tolist() == [[0, 10]] * 3
    assert (found.memory == 1).all()
    found = expand_body("n = memory['n'] = memory.get('n', 0) + 1\nreturn float(n)", (0, 1), rounds=2)
    assert found.memory.tolist() == [[1, 1], [2, 2]]


@pytest.mark.parametrize(
    ("source", "blind"),
    [
        (HEAD + "    return float(state.place)", True),
        (HEAD.replace("action", "a") + "    return float(action)", True),  # a global of that name is not the argument
        (HEAD + "    return float(action == LEFT)", False),
        (HEAD + "    return float((lambda: action)())", False),
        (HEAD + "    return float(locals()['action'])", False),
        (HEAD.replace("action, state, memory", "*rest") + "    return float(rest[0])", False),
        ("@wrap\n" + HEAD + "    return 0.0", False),
        (HEAD + "    return 0.0\nreward = other", False),
        ("reward = lambda prev, action, state, memory: float(action)", False),
        ("def reward(", False),
    ],
)
def test_programs_that_never_read_the_action_are_recognised(source, blind):
    assert ignores_action(source, ("reward",)) is blind


@pytest.mark.parametrize("body", ["return float(state.place)", "return {'p': float(state.place), 'a': 10.0 * action}"])
def test_actions_with_one_successor_score_as_if_each_were_called(body):
    source = HEAD + f"    memory['n'] = memory.get('n', 0) + state.place\n    {body}\n"
    before, after = np.zeros((2, 3), np.int32), np.array([[[1, 1, 5], [1, 1, 5]], [[1, 1, 5], [1, 1, 6]]], np.int32)
    with ProductHost(source, HostSetup(("reward",), SCHEMA, {}, ("LEFT", "RIGHT")), 4, 100) as host:
        found = host.expand(before, after, np.zeros(2, np.int64))
    assert found.values[..., 0].tolist() == [[5, 5], [5, 6]]
    assert found.memory.tolist() == [[1, 1], [1, 2]]
    if "action" in body:
        assert found.values[..., 1].tolist() == [[0, 10], [0, 10]]


def test_more_pairs_than_a_message_holds_are_split_and_joined():
    found = expand_body("return float(state.place)", (0,) * 11)
    assert found.values[:, 1, 0].tolist() == list(range(1, 12))


@pytest.mark.parametrize(
    ("body", "reads"),
    [
        ("return float(state.place - prev.place)", 0),
        ("return 1.0 if state.event == 'fell' else 0.0", 0),
        ("return 1.0 if prev.event == 'fell' else 0.0", READ_EARLIER_EVENT),
        ("return 0.001 * state.step", READ_STEP),
        ("return 0.001 * getattr(prev, 'st' + 'ep')", READ_STEP),
        ("return 1.0 if f'{prev}' else 0.0", READ_STEP | READ_EARLIER_EVENT),
        ("return 1.0 if prev == state else 0.0", READ_STEP | READ_EARLIER_EVENT),
    ],
)
def test_reading_fields_that_depend_on_history_is_detected(body, reads):
    assert (expand_body(body).reads == reads).all()


def test_a_potential_that_reads_the_event_is_detected():
    found = expand_body(
        "return 1.0 if state.event == 'fell' else 0.0", functions=("potential",), head="def potential(state, memory):\n"
    )
    assert found.phi.tolist() == [[0.0, 1.0]] and (found.reads == READ_EVENT_FOR_POTENTIAL).all()


def test_memories_that_cannot_be_numbered_are_marked():
    assert (expand_body("memory['s'] = state\nreturn 0.0").memory == UNLISTED).all()
    found = expand_body("memory['a'] = action, state.place\nreturn 0.0", (0, 0, 0), memories=3)
    assert (found.memory == ONE_TOO_MANY).any() and found.memory.max() == 2


@pytest.mark.parametrize("body", ["return 1 / 0", "return 'much'", "return 1e9", "return {'Bad Name': 1.0}"])
def test_a_program_s_fault_is_a_host_error(body):
    with pytest.raises(HostError) as raised:
        expand_body(body)
    assert raised.value.cause in ("exception", "value")


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=2) | st.integers(), inside),
    max_leaves=8,
)


@given(memory=st.dictionaries(st.text(max_size=3), plain, max_size=3))
def test_freezing_and_thawing_gives_the_same_memory_back(memory):
    again = thaw(freeze(memory))
    assert repr(again) == repr(memory) and again is not memory


def test_distinguishable_values_have_different_frozen_forms():
    same = [{"a": 1}, {"a": 1.0}, {"a": True}, {"a": [1]}, {"a": (1,)}, {"a": {1}}, {"a": np.float64(1)}]
    assert len({freeze(m) for m in same}) == len(same)
    assert freeze({"a": 1, "b": 2}) != freeze({"b": 2, "a": 1})


@given(memories=st.lists(st.dictionaries(st.text(max_size=2), plain, max_size=2), max_size=6))
def test_a_memory_s_number_identifies_its_contents(memories):
    known = Memories(100)
    numbers = [known.number(m) for m in [*memories, *memories]]
    for number, memory in zip(numbers, [*memories, *memories], strict=True):
        assert freeze(known.copy(number)) == freeze(memory) and known.copy(number) is not known.copy(number)
    assert len(set(numbers)) == len({freeze(m) for m in memories})


def test_numpy_scalars_keep_their_kind_as_memory_keys():
    known = Memories(3)
    number = known.number({"a": np.float64(1), "b": np.int32(2)})
    again = known.copy(number)
    assert (type(again["a"]), type(again["b"])) == (np.float64, np.int32)
    assert known.number({"a": lambda: 0}) == known.number({"a": b"x"}) == known.number({"a": np.zeros(2)}) == UNLISTED
    assert known.number({"a": 1}) == 2 and known.number({"a": 2}) == ONE_TOO_MANY
    assert known.number({}) == 0 and known.number({"a": 1}) == 2


def test_memories_that_differ_in_sign_or_sharing_stay_distinct():
    assert freeze({"a": 0.0}) != freeze({"a": -0.0})
    assert freeze({"a": np.float64(0.0)}) != freeze({"a": np.float64(-0.0)})
    assert freeze({"a": float("nan")}) == freeze({"a": float("nan")})
    shared, holding_itself = [1], {}
    holding_itself["me"] = holding_itself
    known = Memories(9)
    assert known.number({"a": shared, "b": [1]}) > 0
    assert known.number({"a": shared, "b": shared}) == known.number(holding_itself) == UNLISTED
