"""Random small programs that keep memory, to compare bounds with full enumeration."""

from __future__ import annotations

import random

from rewardsmith.programs.composition import Channel
from rewardsmith.programs.reward import ENV, TrainingReward

PAYS = (-1.0, -0.2, -0.05, 0.05, 0.2, 1.0)

_HEAD = """
def far(s):
    g = [o for o in s.objects if o.target]
    return abs(g[0].x - s.agent.x) + abs(g[0].y - s.agent.y) if g else 0

def {name}(prev, action, state, memory):
    pay = 0.0
"""
_PARTS = (
    # Milestones that are paid once, kept in several ways.
    "if state.event == '{event}' and 'a{n}' not in memory:\n    memory['a{n}'] = True\n    pay += {pay}",
    "got = memory.setdefault('got', set())\n"
    "if state.event == '{event}' and '{event}' not in got:\n    got.add('{event}')\n    pay += {pay}",
    "flags = memory.setdefault('flags', {{'{event}': False}})\n"
    "if state.event == '{event}' and not flags.get('{event}'):\n    flags['{event}'] = True\n    pay += {pay}",
    "done = memory.setdefault('done{n}', [])\nif state.event == '{event}' and '{event}' not in done:\n"
    "    done.append('{event}')\n    pay += {pay}",
    # Cells visited, and a visited set that begins anew.
    "cells = memory.setdefault('cells', set())\ncell = (state.agent.x, state.agent.y)\n"
    "if cell[0] < 3 and cell not in cells:\n    cells.add(cell)\n    pay += {pay}",
    "if state.event == '{event}':\n    memory['seen'] = set()\n"
    "if 'seen' in memory and state.agent.x not in memory['seen']:\n"
    "    memory['seen'].add(state.agent.x)\n    pay += {pay}",
    "seen = memory.setdefault('toggled{n}', set())\nif state.agent.x in seen:\n    seen.discard(state.agent.x)\n"
    "else:\n    seen.add(state.agent.x)\n    pay += {pay}",
    # Records and differences of a distance.
    "d = far(state)\nif d < memory.get('best', far(prev)):\n    pay += {pay}\n"
    "memory['best'] = min(d, memory.get('best', far(prev)))",
    "best = memory.setdefault('records', {{}})\nd = far(state)\nif 'k' not in best:\n    best['k'] = d\n"
    "elif d < best['k']:\n    best['k'] = d\n    pay += {pay}",
    "d = far(state)\npay += {pay} * (memory.get('last', d) - d)\nmemory['last'] = d",
    # Counters.
    "if state.event == '{event}' and memory.get('count', 0) < 3:\n"
    "    memory['count'] = memory.get('count', 0) + 1\n    pay += {pay}",
    "memory['turn'] = (memory.get('turn', 0) + 1) % 3\nif memory['turn'] == 2:\n    pay += {pay}",
    # Without memory.
    "if state.event == '{event}':\n    pay += {pay}",
)
_EVENTS = ("moved", "turned", "blocked", "picked_up", "dropped", "opened", "declared", "died")


def program(draw: random.Random, name: str = "reward") -> str:
    """Return the text of a random program."""
    text = _HEAD.format(name=name)
    for n, part in enumerate(draw.sample(_PARTS, draw.randint(1, 3))):
        filled = part.format(n=n, event=draw.choice(_EVENTS), pay=draw.choice(PAYS))
        text += "".join(f"    {line}\n" for line in filled.splitlines())
    return text + f"    return pay + {draw.choice((0.0, 0.3, 1.0))} * state.solved\n"


def remembering(seed: int) -> TrainingReward:
    """Return a random reward with memory; a third have a capped, and some a latched, channel."""
    draw = random.Random(seed)
    extra = draw.choice(({}, {"weight": 0.1, "bound": "sign", "cap": 0.3}, {"cap": 0.5}, {"gate": "latch"}))
    env = draw.choice((ENV, Channel("env", kind="env", weight=0.0)))
    if draw.random() < 0.5:
        return TrainingReward(program(draw), ("reward",), (env, Channel("reward", **extra)))
    text = program(draw, "sparse") + program(draw, "dense")
    return TrainingReward(text, ("sparse", "dense"), (env, Channel("sparse", bound="sign"), Channel("dense", **extra)))
