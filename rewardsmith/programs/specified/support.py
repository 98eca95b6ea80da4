"""Functions that generated programs contain when their conditions measure how near something is."""

from __future__ import annotations

from rewardsmith.programs.specified.vocabulary import Vocabulary

_CLOSENESS = '''
def closeness(gap, wide):
    """1 without a gap, falling to 0 for one as wide as `wide`."""
    return 1.0 - min(max(gap, 0.0) / wide, 1.0)
'''

_WALKED = '''
def near(state, wanted, wide=None):
    """How near the nearest of these objects is, in [0, 1)."""
    ways = [o.walk_distance for o in wanted if o.walk_distance >= 0]
    return by_steps(min(ways), wide) if ways else 0.0
'''

_THROUGH_PASSAGES = '''
def near(state, wanted, wide=None):
    """How near the nearest of these objects is, in [0, 1): above one half once there is a way to it."""
    ways = [o.walk_distance for o in wanted if o.walk_distance >= 0]
    if ways:
        return 0.5 + 0.5 * by_steps(min(ways), wide)
    passages = [o for o in state.{objects} if o.state in {passable!r}]
    if not wanted or not passages:
        return 0.0
    # No way there yet: each open passage counts, and so does a short walk to the nearest shut one.
    shut = [o.walk_distance for o in passages if o.state in {shut!r} and o.walk_distance >= 0]
    opened = sum(1 for o in passages if o.state not in {shut!r})
    return 0.5 * (opened + (by_steps(min(shut), wide) if shut else 0.0)) / (len(passages) + 1)
'''

_STRAIGHT = '''
def near(state, wanted, wide=None):
    """How near the nearest of these objects is, in [0, 1)."""
    x, y = state.agent.x, state.agent.y
    ways = [abs(o.x - x) + abs(o.y - y) for o in wanted]
    return by_steps(min(ways), wide) if ways else 0.0
'''

_BY_STEPS = '''
def by_steps(steps, wide):
    """Closeness before a walk of so many steps, which falls to 0 at `wide` if that is given."""
    return 1.0 / (1.0 + steps) if wide is None else max(1.0 - steps / wide, 0.0)
'''


def support_for(code: str, vocabulary: Vocabulary) -> tuple[list[str], str]:
    """Return the head (imports, USES) and the functions that generated `code` needs."""
    head, text = [], ""
    if "math." in code:
        head.append("import math")
    if "near(state" in code:
        fill = {"objects": vocabulary.objects, "shut": vocabulary.shut}
        passable = (*vocabulary.shut, "open")
        chosen = _STRAIGHT
        if vocabulary.walks:
            chosen = _THROUGH_PASSAGES if vocabulary.shut else _WALKED
        text += f"\n{_BY_STEPS}\n{chosen.format(**fill, passable=passable)}"
    if "closeness(" in code:
        text += f"\n{_CLOSENESS}"
    if vocabulary.walks and "walk_distance" in text + code:
        head.append('USES = ["walk_distance"]')
    return head, text
