"""Known rewards get the right verdict, and the real environment pays what a counter-example states."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from verification import rewards

from rewardsmith.programs.composition import Channel
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import ENV, SPARSE, TrainingReward
from rewardsmith.verification.certificate import certify, certify_layout
from rewardsmith.verification.counterexample import CounterExample, replay
from rewardsmith.verification.success_alone import pays_success_alone, without_potentials

DOORKEY, LAVA, UNLOCK = "MiniGrid-DoorKey-5x5-v0", "MiniGrid-LavaGapS5-v0", "MiniGrid-Unlock-v0"
FETCH = "MiniGrid-Fetch-5x5-N2-v0"


def verdict(task, reward, **options):
    return certify(Problem(task, reward, 0.99), layouts=options.pop("layouts", 2), **options)


@pytest.mark.parametrize(
    ("task_id", "reward"),
    [
        (DOORKEY, SPARSE),
        (DOORKEY, rewards.SUCCESS),
        (DOORKEY, rewards.LATCHED),
        (DOORKEY, rewards.DISTANCE_POTENTIAL),
        (DOORKEY, rewards.AWAY_POTENTIAL),
        (DOORKEY, rewards.NEVER_FIRES),
        (LAVA, SPARSE),
        (UNLOCK, rewards.SUCCESS),
    ],
)
def test_rewards_whose_optimum_solves_are_sound(small_task, task_id, reward):
    found = verdict(small_task(task_id), reward)
    assert (found.verdict, found.passed, len(found.layouts)) == ("sound", True, 2)
    assert found.unsound_rate_below == (
        0.0 if found.every else pytest.approx(0.776, abs=1e-3)
    )  # two layouts prove little
    assert all(each.low.steps == each.shortest for each in found.layouts)


@pytest.mark.parametrize(
    ("task_id", "reward", "expected"),
    [
        (DOORKEY, rewards.PICKUP_EXPLOIT, "unsound"),
        (DOORKEY, rewards.DOOR_EXPLOIT, "unsound"),
        # A slow exploit leaves time to solve in the last steps of an episode, so its real length matters.
        (DOORKEY, rewards.OSCILLATION, "horizon-dependent"),
        (DOORKEY, rewards.IDLE_PAY, "unsound"),
        (UNLOCK, rewards.HOLDS_THE_KEY, "horizon-dependent"),
        (LAVA, rewards.SUICIDE, "unsound"),
        (FETCH, rewards.free("return 3.0 if state.event == 'picked_up' and not state.solved else 0.0"), "unsound"),
    ],
)
def test_exploitable_rewards_fail_and_exploits_replay(small_task, task_id, reward, expected):
    task = small_task(task_id)
    found = verdict(task, reward)
    assert (found.verdict, found.passed) == (expected, False)
    for each in found.layouts:
        example = CounterExample.from_dict(json.loads(json.dumps(each.counterexample.as_dict())))
        played = replay(Problem(task, reward, example.gamma), example)
        assert not played.solved and played.steps == example.steps
        assert played.discounted == pytest.approx(example.claimed, rel=1e-12)
        assert played.undiscounted == pytest.approx(example.undiscounted, rel=1e-12)
        if each.cycle:
            assert each.cycle_gain * 0.5 * task.max_steps < played.undiscounted


def test_a_step_cost_that_makes_death_the_cheapest_end_is_unsound(small_task):
    found = verdict(small_task(LAVA), rewards.HURRY_TO_DIE, layouts=6)
    assert found.verdict == "unsound"
    worst = found.worst
    assert worst.dying > worst.idling and worst.counterexample.behaviour.cycle == ()
    assert "ends the episode" in found.message()


def test_a_replay_does_not_confirm_a_wrong_return(small_task):
    task = small_task(DOORKEY)
    example = verdict(task, rewards.PICKUP_EXPLOIT, layouts=1).worst.counterexample
    wrong = CounterExample(**{**vars(example), "claimed": example.claimed + 0.01})
    assert replay(Problem(task, rewards.PICKUP_EXPLOIT, example.gamma), example).confirms(example)
    assert not replay(Problem(task, rewards.PICKUP_EXPLOIT, wrong.gamma), wrong).confirms(wrong)


def test_a_reward_that_pays_nothing_is_weakly_sound(small_task):
    nothing = TrainingReward(rewards.FOUR + "    return 0.0\n", ("reward",), (Channel("reward"),))
    found = verdict(small_task(DOORKEY), nothing)
    assert (found.verdict, found.passed) == ("weakly sound", True)


def test_temporary_pay_for_staying_is_slow(small_task):
    body = "seen = memory['n'] = min(memory.get('n', 0) + 1, 61)\nreturn 0.0 if seen > 60 or state.solved else 0.2"
    found = verdict(small_task("MiniGrid-Empty-5x5-v0"), rewards.free(body), layouts=1)
    assert (found.verdict, found.passed) == ("slow", True)
    assert found.worst.low.steps > 2 * found.worst.shortest


def test_verdict_between_the_success_bounds_is_time_dependent(small_task):
    """A reward sound at the largest success reward alone is time-dependent."""
    found = verdict(small_task(DOORKEY), rewards.free("return 0.004"), layouts=1)
    assert found.verdict == "time-dependent"
    assert found.worst.high.solves and not found.worst.low.solves


def test_verdict_states_that_the_episode_is_too_short(small_task):
    # 0.05 a step for ever outweighs 1 + 9 now, but an episode of 250 steps holds less than that.
    body = "return 10.0 if state.solved else 0.101"
    found = certify(Problem(small_task(DOORKEY), rewards.free(body), 0.9999), layouts=1)
    assert found.verdict == "horizon-dependent" and found.worst.horizon_solves
    assert not found.passed  # the learner bootstraps at the limit, so it seeks the infinite-horizon optimum


def test_an_optimum_that_solves_after_the_episode_s_end_fails(small_task):
    patrol = (
        "n = memory.get('n', 0)\nend = (1, 3) if n % 2 == 0 else (1, 1)\n"
        "if n < 40 and (state.agent.x, state.agent.y) == end:\n    memory['n'] = n + 1\n    return 1.0\nreturn 0.0"
    )
    found = verdict(small_task("MiniGrid-Empty-5x5-v0"), rewards.free(patrol), layouts=1)
    assert found.worst.high.steps > found.worst.episode and not found.passed
    assert (
        f"after {found.worst.high.steps} steps" in found.message()
        and not replay(
            Problem(small_task("MiniGrid-Empty-5x5-v0"), rewards.free(patrol), 0.99), found.worst.counterexample
        ).solved
    )


def test_the_success_reward_is_bounded_by_the_shortest_solution(small_task):
    found = verdict(small_task("MiniGrid-MultiRoom-N4-S5-v0"), rewards.free("return 0.009"), layouts=1)
    assert (
        found.worst.high.value == pytest.approx(0.9) and not found.passed
    )  # 0.009 a step for ever; success: under 0.8


def test_a_potential_with_open_memory_is_certified_without_it(small_task):
    counts = rewards.potential("memory['n'] = memory.get('n', 0) + 1\nreturn 0.1 * memory['n']")
    found = verdict(small_task(DOORKEY), counts, layouts=1, limit=5_000)
    plain = verdict(small_task(DOORKEY), SPARSE, layouts=1)
    assert (found.verdict, found.worst.high) == ("sound", plain.worst.high)
    assert "without the potential" in found.message() and found.difficulty != plain.difficulty


def test_further_layouts_of_a_potential_need_no_program(small_task):
    problem = Problem(small_task(DOORKEY), rewards.DISTANCE_POTENTIAL, 0.99)
    with_program = certify_layout(problem, 4)
    alone = certify_layout(problem, 4, walked=False)
    assert (alone.verdict, alone.shortest) == (with_program.verdict, with_program.shortest) == ("sound", alone.shortest)
    assert alone.low.margin == pytest.approx(with_program.low.margin, abs=1e-12)
    assert alone.difficulty is None and with_program.difficulty is not None  # that of another reward


def test_a_potential_on_a_layout_that_is_too_large_is_sound_by_a_solution(small_task):
    problem = Problem(small_task(DOORKEY), rewards.DISTANCE_POTENTIAL, 0.99)
    found = certify_layout(problem, 0, limit=50)
    assert (found.verdict, found.coverage, found.low) == ("sound", 0.0, None)
    assert "not enumerated" in found.reason and certify_layout(problem, 0).verdict == "sound"


def test_success_alone_is_what_one_plain_channel_of_the_environment_pays(small_task):
    task, env = small_task(DOORKEY), SPARSE.channels[0]
    assert pays_success_alone(task, SPARSE)
    for channels in ((env, env), (replace(env, weight=0.0),), (replace(env, weight=-1.0),), (replace(env, cap=0.5),)):
        assert not pays_success_alone(task, replace(SPARSE, channels=channels))
    assert without_potentials(rewards.DISTANCE_POTENTIAL).channels == SPARSE.channels
    assert without_potentials(rewards.LATCHED) is None and without_potentials(SPARSE) is None


@pytest.mark.parametrize("cost", ["0.0001 * state.step", "0.01 * state.step"])
def test_an_exploit_of_a_time_dependent_reward_is_found_and_paid(small_task, cost):
    body = f"memory['n'] = 1 - memory.get('n', 0)\nreturn (0.5 if state.event == 'picked_up' else 0.0) - {cost}"
    task, reward = small_task(DOORKEY), rewards.free(body)
    found = verdict(task, reward, layouts=1)
    assert found.verdict == "not certified" and "time" in found.message()
    if cost.startswith("0.01"):  # the cost outgrows the exploit
        assert found.passed
    else:
        assert not found.passed and replay(Problem(task, reward, found.gamma), found.worst.counterexample).confirms(
            found.worst.counterexample
        )


@pytest.mark.parametrize(
    ("reward", "why"),
    [
        (rewards.free("return 0.001 * state.step"), "time"),
        (rewards.free("memory['seen'] = memory.get('seen', 0) + state.step\nreturn 0.0"), "time"),
        (rewards.free("memory['n'] = memory.get('n', 0) + 1\nreturn 0.0"), "memory"),
        (rewards.free("memory['last'] = state\nreturn 0.0"), "cannot be enumerated; keep only"),
        (TrainingReward("", (), (Channel("env", kind="env", gate="anneal", anneal=(0, 9)),)), "anneal"),
    ],
)
def test_rewards_that_cannot_be_enumerated_are_not_certified(small_task, reward, why):
    found = verdict(small_task(DOORKEY), reward, limit=5_000)
    assert (found.verdict, found.passed, len(found.layouts)) == ("not certified", True, 1)
    assert why in found.message()


def test_success_pay_by_the_step_count_is_bounded_from_both_sides(small_task):
    body = "return 1.0 - 0.9 * state.step / state.max_steps if state.solved else 0.0"
    assert verdict(small_task(DOORKEY), rewards.free(body), layouts=1).verdict == "sound"


def test_a_program_that_reads_the_last_event_is_enumerated_with_it(small_task):
    task = small_task(DOORKEY)
    # Pays the second of two drops in a row, which only prev.event shows: no exploit.
    dull = rewards.free("return 5.0 if prev.event == state.event == 'dropped' else 0.0")
    # Pays a pickup right after a drop.
    exploit = rewards.free("return 0.5 if prev.event == 'dropped' and state.event == 'picked_up' else 0.0")
    assert verdict(task, dull).verdict == "sound"
    assert verdict(task, exploit).verdict == "unsound"
    plain, exploited = (certify(Problem(task, r, 0.99), layouts=1).worst for r in (SPARSE, exploit))
    assert exploited.states > 2 * plain.states


def test_latches_and_caps_are_part_of_the_state(small_task):
    task = small_task(DOORKEY)
    exploit = rewards.PICKUP_EXPLOIT.source
    for channel in (Channel("reward", gate="latch"), Channel("reward", cap=0.5)):
        assert verdict(task, TrainingReward(exploit, ("reward",), (ENV, channel))).verdict == "sound"
    generous = Channel("reward", cap=50.0)
    assert verdict(task, TrainingReward(exploit, ("reward",), (ENV, generous)), layouts=1).verdict != "sound"


def test_a_layout_beyond_the_limit_is_partially_enumerated(small_task):
    found = verdict(small_task(DOORKEY), SPARSE, limit=150)
    assert (found.verdict, found.passed) == ("not certified", True)
    assert "more than 150" in found.message() and "% of its" in found.message()
    assert 0.0 < found.worst.coverage < 1.0 and found.worst.nodes == 150


@pytest.mark.parametrize("reward", [rewards.PICKUP_EXPLOIT, rewards.DOOR_EXPLOIT, rewards.IDLE_PAY])
def test_a_better_paid_exploit_is_found_in_a_partial_enumeration(small_task, reward):
    task = small_task(DOORKEY)
    found = verdict(task, reward, limit=150)
    assert (found.verdict, found.passed) == ("not certified", False)
    played = replay(Problem(task, reward, found.gamma), found.worst.counterexample)
    assert not played.solved and played.discounted > found.worst.solution_return


def test_open_memory_is_partially_enumerated_along_a_solution(small_task):
    body = (
        "cell = (state.agent.x, state.agent.y)\nseen = memory.setdefault('seen', set())\nnew = cell not in seen\n"
        "seen.add(cell)\nreturn {0} if new else 0.0"
    )
    task = small_task("MiniGrid-DoorKey-6x6-v0")
    small, large = (verdict(task, rewards.free(body.format(pay)), limit=3_000) for pay in (0.001, 5.0))
    assert (small.verdict, large.verdict) == ("sound", "not certified")
    assert "every content of memory" in small.message() and small.passed  # decided by bounds
    assert small.worst.shortest == len(task.plan(0).actions)  # the solution is among the enumerated states
    assert not large.passed  # walking about pays more than solving


def test_counted_states_agree_with_enumerated_states(small_task):
    for name in (DOORKEY, LAVA, UNLOCK, FETCH):
        task = small_task(name)
        assert task.count_states(1, 100_000) == (len(task.state_graph(1, 100_000).state), True)
        half = len(task.state_graph(1, 100_000).state) // 2
        assert task.count_states(1, half) == (half, False)


def test_the_states_along_a_plan_come_first(small_task):
    task = small_task(DOORKEY)
    plan = task.plan(0).actions
    graph = task.state_graph(0, 60, along=plan)
    assert not graph.complete
    node = 0
    for action in plan[:-1]:
        node = int(graph.node[graph.successor[node, action]])
        assert node >= 0
    assert graph.won[node, plan[-1]]


def test_a_potential_moves_every_value_by_the_start_s_potential(small_task):
    task = small_task(DOORKEY)
    plain, shaped = (certify(Problem(task, r, 0.99), layouts=1) for r in (SPARSE, rewards.DISTANCE_POTENTIAL))
    assert shaped.worst.low.margin == pytest.approx(plain.worst.low.margin, abs=1e-12)
    # A locked door blocks the way to the goal at first, so Phi is -1 there.
    assert shaped.worst.low.value == pytest.approx(plain.worst.low.value + 1.0, abs=1e-12)
    assert "stay optimal" in shaped.message()


def test_a_sound_reward_with_guidance_is_predicted_easier_than_without(small_task):
    task = small_task(DOORKEY)
    guided, sparse = (
        certify(Problem(task, r, 0.99), layouts=2).difficulty for r in (rewards.DISTANCE_POTENTIAL, SPARSE)
    )
    assert guided < sparse


LATE_BONUS = rewards.free(
    "toggled = prev.front is not None and prev.front.target and action == TOGGLE\n"
    "late = 0.5 * state.step / state.max_steps if state.solved else 0.0\n"
    "return (1.2 if toggled else 0.0) + late"
)
BAND = rewards.free(
    "if state.solved and 5 <= state.step < 350:\n    return -2.0\n"
    "return 0.05 if state.event == 'opened' and not state.solved else 0.0"
)
TRAP = rewards.free(
    "done = memory.get('done', 0)\n"
    "if done < 30:\n    memory['done'] = done + (action == TURN_LEFT)\n    return 0.1 if action == TURN_LEFT else 0.0\n"
    "return 0.019"
)


@pytest.mark.parametrize(
    "task, reward, gamma, verdict",
    [
        ("MiniGrid-GoToDoor-5x5-v0", LATE_BONUS, 0.97, "unsound"),  # a late success also pays less than the toggle
        ("MiniGrid-RedBlueDoors-6x6-v0", BAND, 0.97, "unsound"),  # pays at steps 1, 360 and 720 alone
        ("MiniGrid-MultiRoom-N2-S4-v0", TRAP, 0.97, "horizon-dependent"),  # solves because the episode ends
    ],
)
def test_the_exact_success_reward_decides_if_its_bounds_do_not(small_task, task, reward, gamma, verdict):
    found = certify(Problem(small_task(task), reward, gamma), layouts=1)
    assert found.verdict == verdict and not found.passed, found.message()
    assert found.worst.counterexample is not None


def test_speed_bonus_is_bounded_by_the_shortest_solution(small_task):
    task = small_task("MiniGrid-LavaGapS5-v0")
    quick = rewards.free("return 2.0 * (1.0 - state.step / state.max_steps) if state.solved else 0.0")
    found = certify(Problem(task, quick, 0.97), layouts=1).worst
    steps, most = found.shortest, task.max_steps
    paid = 1 - 0.9 * steps / most + 2 * (1 - steps / most)
    assert found.verdict == "sound" and found.high.value == pytest.approx(0.97 ** (steps - 1) * paid)


CORNER = "state.agent.x == 1 and state.agent.y == 1"


@pytest.mark.parametrize(
    "body",
    [
        f"return 4.0 if state.step % 10 == 9 and {CORNER} else 0.0",
        "return 2.0 if 20 < state.step < state.max_steps // 2 and not state.solved else 0.0",
        "if 10 <= state.step < 40:\n    memory['warm'] = True\nreturn 0.3 if 'warm' in memory else 0.0",
    ],
)
def test_step_dependent_pay_is_never_certified(small_task, body):
    found = certify(Problem(small_task("MiniGrid-Empty-5x5-v0"), rewards.free(body), 0.97))
    assert found.verdict == "not certified" and "time-dependent" in found.message()


def test_a_potential_that_reads_the_step_count_is_certified_without_it(small_task):
    found = certify(
        Problem(small_task("MiniGrid-Empty-5x5-v0"), rewards.potential("return 0.1 * (state.step % 2)"), 0.97)
    )
    assert found.verdict == "sound" and "without the potential" in found.message()


def test_waiting_optimum_is_slow_and_valued_when_paid(small_task):
    """An optimum that waits for its step is slow and worth what it is paid then."""
    body = "return (-0.5 + 0.1 * min(state.step, 50)) if state.solved else 0.0"
    task = small_task("MiniGrid-Empty-5x5-v0")
    found = certify(Problem(task, rewards.free(body), 0.97), layouts=1).worst
    worth = [0.97 ** (t - 1) * (0.5 - 0.9 * t / task.max_steps + 0.1 * min(t, 50)) for t in range(5, 101)]
    assert (found.verdict, found.high.steps) == ("slow", 5 + worth.index(max(worth)))
    assert found.high.value == pytest.approx(max(worth))
