"""The contract `machine`: a reward machine over named propositions, as JSON.

    after each step:  u' = delta(u, propositions true in the new state)
    reward            rho(u, u') + v(u') - v(u), and the largest v for success

v is the value of the machine's states by value iteration with a discount of 0.9, where a goal state is worth 1 (Toro
Icarte et al. 2022, arXiv 2010.03950). `shaping` "potential" pays gamma * v(u') - v(u) instead, see goal.py. The
memory is the machine's state and its potential, which that state and the task's state determine, so that a certificate
can enumerate it. A cycle that pays is refused: walking it forever would pay without end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rewardsmith.plaintext import one_line
from rewardsmith.programs.reading import ReadProgram
from rewardsmith.programs.specified.answers import header, read_specification
from rewardsmith.programs.specified.conditions import ConditionReader, Written
from rewardsmith.programs.specified.faults import Faults, shown
from rewardsmith.programs.specified.goal import SHAPINGS, ends_with_success, rewarding
from rewardsmith.programs.specified.propositions import Propositions
from rewardsmith.programs.specified.support import support_for
from rewardsmith.programs.specified.vocabulary import Vocabulary

MOST_STATES, MOST_TRANSITIONS = 16, 64
DISCOUNT = 0.9
_KEYS = ("propositions", "states", "start", "transitions", "goal", "scale", "shaping")
_EDGE_KEYS = ("from", "on", "to", "reward", "distance")
_SWEEPS = 200
_LARGEST = 100.0


@dataclass(frozen=True)
class Edge:
    """One transition of a machine.

    Attributes:
        origin, target: Numbers of its states.
        on: When it is taken, and how near that is.
        reward: What it pays.
        guided: Whether the potential rises on the way to it.
        path: Its JSON path.
    """

    origin: int
    target: int
    on: Written
    reward: float
    guided: bool
    path: str


def read_machine(text: str, facts: Mapping[str, Any], scale: float = 1.0, shaping: str = "progress") -> ReadProgram:
    """Return the program of the reward machine in `text`.

    Args:
        text: JSON, an answer that contains it, or a program that this function returned.
        facts: Facts of the task's interface.
        scale: The factor of the shaping v, if the machine does not say so.
        shaping: "progress" or "potential", if the machine does not say so.

    Raises:
        UnreadableAnswer: With every fault, each with its JSON path.
    """
    return read_specification(text, "transitions", lambda given: machine_program(given, facts, scale, shaping))


def machine_program(given: Any, facts: Mapping[str, Any], scale: float = 1.0, shaping: str = "progress") -> str:
    """Return the program of a parsed machine. Arguments and errors are those of read_machine."""
    faults = Faults()
    vocabulary = Vocabulary.of(facts)
    reader = ConditionReader(vocabulary, faults)
    faults.keys("", given, _KEYS)
    propositions = Propositions(given.get("propositions", {}), reader)
    scale = given.get("scale", scale)
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale <= _LARGEST:
        faults.add("scale", f"give a number above 0 and at most {_LARGEST:g}, not {shown(scale)}")
        scale = 1.0
    shaping = given.get("shaping", shaping)
    if shaping not in SHAPINGS:
        faults.unknown("shaping", "shaping", shaping, SHAPINGS)
    states = _states(given, faults)
    start = given.get("start", states[0] if states else None)
    if states and start not in states:
        faults.unknown("start", "state", start, states)
    goals = given.get("goal", [])
    goals = [goals] if isinstance(goals, str) else goals
    if not isinstance(goals, list) or not goals:
        faults.add("goal", f'give the state that success leads to, such as "goal": ["done"], not {shown(goals)}')
        goals = []
    for k, goal in enumerate(goals):
        if goal not in states:
            faults.unknown(f"goal[{k}]", "state", goal, states)
    edges = _edges(given.get("transitions"), states, propositions, faults)
    faults.check()
    names = [start, *(s for s in states if s != start)]
    order = [names.index(s) for s in states]
    edges = [_renumbered(edge, order) for edge in edges]
    final = {names.index(goal) for goal in goals}
    _require_useful(edges, final, names, faults)
    faults.check()
    kept = {"propositions": given.get("propositions", {}), "states": states, "start": start}
    kept |= {"transitions": given["transitions"], "goal": goals, "scale": scale, "shaping": shaping}
    return _program(kept, names, edges, final, Vocabulary.of(facts), ends_with_success(facts))


def _states(given: Mapping[str, Any], faults: Faults) -> list[str]:
    """The names of states: those listed, else those that transitions name."""
    listed = given.get("states")
    if listed is None:
        edges = [e for e in given.get("transitions") or [] if isinstance(e, Mapping)]
        named = [e.get(end) for e in edges for end in ("from", "to")]
        listed = list(dict.fromkeys(name for name in named if isinstance(name, str)))
    if not isinstance(listed, list) or not all(isinstance(s, str) and 0 < len(s) <= 40 for s in listed):
        faults.add("states", f"give a list of names of at most 40 characters, not {shown(listed)}")
        return []
    for k, name in enumerate(listed):
        if name in listed[:k]:
            faults.add(f"states[{k}]", f"{shown(name)} is listed twice")
    if not 2 <= len(listed) <= MOST_STATES:
        faults.add("states", f"a machine has 2 to {MOST_STATES} states, not {len(listed)}")
    return listed


def _edges(given: Any, states: list[str], propositions: Propositions, faults: Faults) -> list[Edge]:
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_TRANSITIONS:
        faults.add("transitions", f"give a list of 1 to {MOST_TRANSITIONS} transitions, not {shown(given)}")
        return []
    found = []
    for k, edge in enumerate(given):
        path = f"transitions[{k}]"
        if not isinstance(edge, Mapping):
            faults.add(
                path, f'a transition is an object such as {{"from": ..., "on": ..., "to": ...}}, not {shown(edge)}'
            )
            continue
        faults.keys(path, edge, _EDGE_KEYS)
        ends = []
        for end in ("from", "to"):
            if edge.get(end) not in states:
                faults.unknown(f"{path}.{end}", "state", edge.get(end), states)
            else:
                ends.append(states.index(edge[end]))
        reward, guided = edge.get("reward", 0), edge.get("distance", False)
        if isinstance(reward, bool) or not isinstance(reward, int | float) or not abs(reward) <= _LARGEST:
            faults.add(f"{path}.reward", f"give a number from {-_LARGEST:g} to {_LARGEST:g}, not {shown(reward)}")
            reward = 0
        if not isinstance(guided, bool):
            faults.add(f"{path}.distance", f"give true or false, not {shown(guided)}")
        on = propositions.read(edge.get("on"), f"{path}.on", guided is True)
        if len(ends) == 2 and on is not None:
            found.append(Edge(ends[0], ends[1], on, float(reward), guided is True, path))
    return found


def _renumbered(edge: Edge, order: list[int]) -> Edge:
    return Edge(order[edge.origin], order[edge.target], edge.on, edge.reward, edge.guided, edge.path)


def _require_useful(edges: list[Edge], final: set[int], names: list[str], faults: Faults) -> None:
    """Add faults for a goal that cannot be reached, and for cycles that pay."""
    reached, grew = {0}, True
    while grew:
        more = {e.target for e in edges if e.origin in reached} - reached
        reached, grew = reached | more, bool(more)
    if not reached & final:
        goal = ", ".join(names[g] for g in sorted(final))
        faults.add("transitions", f"no transitions lead from {names[0]!r} to the goal ({goal})")
    # The best sum of pay in n steps grows beyond n = states only around a cycle that pays.
    best = [0.0] * len(names)
    through: list[list[int]] = [[] for _ in names]
    for round_ in range(len(names) + 1):
        changed = False
        for number, edge in enumerate(edges):
            if best[edge.origin] + edge.reward > best[edge.target] + 1e-9:
                best[edge.target] = best[edge.origin] + edge.reward
                through[edge.target] = [*through[edge.origin], number][-2 * len(names) :]
                changed = True
                if round_ == len(names):
                    cycle = _cycle(edges, through[edge.target])
                    around = " -> ".join(names[e.origin] for e in cycle) + f" -> {names[cycle[-1].target]}"
                    paid = sum(e.reward for e in cycle)
                    text = f"the cycle {around} pays {paid:g} each time round, so it would be walked forever"
                    faults.add(cycle[0].path, f"{text}; lower its rewards to a sum of 0 or less")
                    return
        if not changed:
            return


def _cycle(edges: list[Edge], walked: list[int]) -> list[Edge]:
    """The last cycle of a walk."""
    walk = [edges[number] for number in walked]
    for first in range(len(walk) - 1, -1, -1):
        if walk[first].origin == walk[-1].target:
            cycle = walk[first:]
            begin = min(range(len(cycle)), key=lambda k: cycle[k].origin)
            return [*cycle[begin:], *cycle[:begin]]
    return walk[-1:]


def values(edges: list[Edge], final: set[int], states: int) -> list[float]:
    """Return v of each state by value iteration: the best discounted sum of rewards, where a goal state is worth 1."""
    found = [1.0 if u in final else 0.0 for u in range(states)]
    for _ in range(_SWEEPS):
        after = list(found)
        for u in range(states):
            if u in final:
                continue
            ways = [e.reward + DISCOUNT * found[e.target] for e in edges if e.origin == u and e.target != u]
            after[u] = max([0.0, *ways])
        if after == found:
            break
        found = after
    return [round(value, 12) for value in found]


def _program(
    given: dict[str, Any], names: list[str], edges: list[Edge], final: set[int], vocabulary: Vocabulary, ends: bool
) -> str:
    scale = float(given["scale"])
    worth = [round(scale * value, 12) for value in values(edges, final, len(names))]
    pays = any(edge.reward != 0.0 for edge in edges)
    body = [f"STATES = {tuple(one_line(name)[:40] for name in names)!r}"]
    body += [f"VALUES = {tuple(worth)!r}  # by value iteration, discount {DISCOUNT}", "", ""]
    body += ["def after(u, state):", '    """The machine\'s next state, and the reward of the transition."""']
    for u in range(len(names)):
        mine = [e for e in edges if e.origin == u]
        if mine:
            body.append(f"    if u == {u}:  # {one_line(names[u])[:40]}")
        for e in mine:
            body += [f"        if {e.on.holds}:", f"            return {e.target}, {e.reward!r}"]
    body += ["    return u, 0.0", "", "", *_progress(edges, worth, scale), "", ""]
    # The pay of a step is read by reward(), which is called in front of potential() and sets u where both exist.
    body += ["def phi(state, memory):"]
    if pays and given["shaping"] == "potential":
        body += [
            '    u = memory["u"] if "u" in memory else after(0, state)[0]',
            "    return progress(u, state)",
            "",
            "",
        ]
    else:
        body += ['    u = memory["u"] = after(memory.get("u", 0), state)[0]', "    return progress(u, state)", "", ""]
    progress = given["shaping"] == "progress"
    body += _paying(scale, ends, progress) if pays else rewarding(scale, ends, progress, True)
    head, support = support_for("\n".join(body), vocabulary)
    lines = [*header(given), *head, *([""] if head else [])]
    return "\n".join(lines).rstrip() + "\n" + (support + "\n\n" if support else "\n") + "\n".join(body) + "\n"


def _paying(scale: float, ends: bool, progress: bool) -> list[str]:
    """Lines of reward(), which also pays transitions, and of potential()."""
    success = f', "success": {scale!r} if state.solved else 0.0' if ends else ""
    lines = ["def reward(prev, action, state, memory):"]
    if progress:
        lines += ['    before = memory["phi"] if "phi" in memory else phi(prev, memory)']
        lines += ['    paid = after(memory["u"], state)[1]', '    now = memory["phi"] = phi(state, memory)']
        return [*lines, f'    return {{"progress": now - before, "transitions": paid{success}}}']
    lines += ['    u = memory["u"] if "u" in memory else after(0, prev)[0]', '    memory["u"], paid = after(u, state)']
    lines += [f'    return {{"transitions": paid{success}}}', "", ""]
    return [*lines, "def potential(state, memory):", "    return phi(state, memory)"]


def _progress(edges: list[Edge], worth: list[float], scale: float) -> list[str]:
    """Lines of progress(u, state): the value of a state, and on the way to the next one a share of what that gains."""
    lines = ["def progress(u, state):", '    """The potential: the value of u, rising on the way to the next state."""']
    for u, value in enumerate(worth):
        gains = [(scale * e.reward + worth[e.target] - value, e) for e in edges if e.origin == u and e.guided]
        gain, best = max(gains, key=lambda one: one[0], default=(0.0, None))
        if best is not None and gain > 0.0:
            lines += [f"    if u == {u}:", f"        return {value!r} + {round(gain, 12)!r} * {best.on.toward}"]
    return [*lines, "    return VALUES[u]"]
