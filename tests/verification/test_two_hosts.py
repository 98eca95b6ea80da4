"""Programs that behave well only in the certificate's host are detected; both hosts look the same to a program."""

from __future__ import annotations

import pytest
from verification import rewards

from rewardsmith.programs.problem import Problem
from rewardsmith.verification.battery import played_bank, run_battery
from rewardsmith.verification.certificate import certify
from rewardsmith.verification.checks import run_checks
from sandbox.client import HostError

DOORKEY = "MiniGrid-DoorKey-5x5-v0"
GET = "G = [getattr][0]\ndef hidden(o, name):\n    return G(o, '_' * 2 + name + '_' * 2)\n"
FRAMES = (
    "def callers():\n    gen = (G(G(gen, 'gi_' + 'frame'), 'f_' + 'back') for _ in [0])\n"
    "    frame, names = next(gen), []\n"
    "    while frame is not None:\n        names.append(G(G(frame, 'f_' + 'code'), 'co_name'))\n"
    "        frame = G(frame, 'f_' + 'back')\n    return names\n"
)
DEPTH = "def depth(n):\n    try:\n        return depth(n + 1)\n    except RecursionError:\n        return n\n"
# Pays for turning about with the key, where a condition holds.
EXPLOIT = "here = state.objects\nkey = state.carrying is not None\n"
EXPLOIT += "return 0.4 if key and state.event == 'turned' and {} else 0.0"

TELLS = {  # an expression that is true in the trainer's host alone, and what it needs
    "the callers' names": ("'_walk' in callers()", GET + FRAMES),
    "the step count behind the view's back": ("G(state, '_' + 'row')[1] > 1", GET),
    "the event behind the view's back": ("G(prev, '_' + 'row')[5] > 0", GET),
    "what a view has made": ("len(G(prev, '_' + 'made')) > 0", GET),
    "the step count in its text": ("int(repr(G(state, '_' + 'row'))[1:].split(',')[1]) > 1", GET),
}


@pytest.mark.parametrize("name", TELLS)
def test_an_exploit_paid_in_training_alone_gets_no_certificate(small_task, name):
    condition, head = TELLS[name]
    exploit = rewards.free(EXPLOIT.format(condition), head=head)
    with pytest.raises(HostError) as raised:
        certify(Problem(small_task(DOORKEY), exploit, 0.99), layouts=1)
    assert raised.value.cause == "nondeterministic" and "different rewards" in raised.value.message


@pytest.mark.parametrize("name", ["the callers' names", "what a view has made"])
def test_the_battery_is_scored_in_both_hosts(small_task, name):
    condition, head = TELLS[name]
    exploit = rewards.free(f"here = state.objects\nreturn 0.001 if {condition} else 0.0", head=head)
    with pytest.raises(HostError, match="two hosts") as raised:
        run_battery(Problem(small_task(DOORKEY), exploit, 0.99))
    assert raised.value.cause == "nondeterministic"


def test_copied_memories_hold_other_objects(small_task):
    body = "memory.setdefault('k', KEY)\nreturn 0.001 if memory['k'] is KEY else 0.0"
    found = run_checks(Problem(small_task(DOORKEY), rewards.free(body, head="KEY = (1.5, 2.5)\n"), 0.99))
    assert [v.kind for v in found.verdicts if not v.passed] == ["determinism"]
    assert "different rewards" in found.verdicts[-1].message


@pytest.mark.parametrize(
    ("condition", "head"),
    [
        ("hidden(hidden(type(state).event.fget, 'code') and type(state).event.fget, 'name') == 'noting'", GET),
        ("len(type(state).mro()) != 3", ""),
        ("'walker' in repr(state.agent) or 'Walker' in repr(hidden(state, 'eq'))", GET),
        ("hidden(type(state), 'eq') is not hidden(type(state).mro()[1], 'eq')", GET),
        ("state.objects is prev.objects and state.objects != prev.objects", ""),
        ("hidden(type(state), 'module') != 'sandbox.views'", GET),
    ],
)
def test_the_views_of_both_hosts_have_the_same_types(small_task, condition, head):
    report = run_battery(
        Problem(small_task(DOORKEY), rewards.free(f"return 0.01 if {condition} else 0.0", head=head), 0.99)
    )
    assert report is not None and not any(f.rival.components["reward"] for f in report.findings)


def test_the_stack_is_as_deep_in_both_hosts(small_task):
    body = "return 1e-6 * depth(0) if state.step == 3 else 0.0"
    assert run_battery(Problem(small_task(DOORKEY), rewards.free(body, head=DEPTH), 0.99)) is not None


def test_unchanged_lists_are_one_object_in_both_hosts(small_task):
    body = "return 0.001 if prev.objects is state.objects else 0.0"
    task = small_task(DOORKEY)
    report = run_battery(Problem(task, rewards.free(body), 0.99))
    assert report is not None and report.findings[0].rival.components["reward"] > 0
    assert certify(Problem(task, rewards.free(body), 0.99), layouts=1).verdict != "not certified"


def test_state_that_matters_late_is_found_where_it_is_kept(small_task):
    late = "N = [0]\n"
    body = "N[0] += 1\nreturn 0.5 if N[0] > 10**9 and state.event == 'turned' else 0.0"
    with pytest.raises(HostError, match="N changed"):
        run_battery(Problem(small_task(DOORKEY), rewards.free(body, head=late), 0.99))


@pytest.mark.parametrize(
    "reward",
    [rewards.SUCCESS, rewards.PICKUP_EXPLOIT, rewards.LATCHED, rewards.DISTANCE_POTENTIAL, rewards.OSCILLATION],
)
def test_honest_rewards_agree_in_both_hosts(small_task, reward):
    task = small_task(DOORKEY)
    assert run_battery(Problem(task, reward, 0.99)) is not None and len(played_bank(task)) > 0
    assert certify(Problem(task, reward, 0.99), layouts=1).verdict != "not certified"
