"""The MiniGrid tasks, the rule of success of each family, and the words of a mission that matter.

This file is plain data: importing it loads neither minigrid nor numba.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass

from .state_tracker import COLORS, KINDS

# Rules of success; the compiled kernels branch on these numbers.
REACH, PICK_UP, OPEN, OPEN_IN_ORDER, FETCH, STAND_BESIDE, PUT_NEAR, MATCH, FOREIGN = range(9)

ITEMS = ("key", "ball", "box")


@dataclass(frozen=True)
class Family:
    """Tasks that share a rule of success.

    Attributes:
        name: The family's name, as in the ids.
        rule: The number of the rule of success, REACH to FOREIGN.
        relation: The word for the goal in an interface's facts.
        success: The rule of success in one sentence.
        mission: A pattern whose groups are the words of the mission that matter to a policy.
        words: The values of each group, in one-hot order.
        ranked: Whether the mission names several objects in an order.
        kinds: Kinds of objects.
        colors: Colours of objects.
        vocabulary: Words that the observation of a foreign mission counts; () for VOCABULARY.
    """

    name: str
    rule: int
    relation: str
    success: str
    mission: str = ""
    words: tuple[tuple[str, ...], ...] = ()
    ranked: bool = False
    kinds: tuple[str, ...] = KINDS
    colors: tuple[str, ...] = COLORS
    vocabulary: tuple[str, ...] = ()

    @property
    def mission_features(self) -> int:
        """The length of the mission's one-hot code in an observation."""
        return sum(map(len, self.words))


_GOAL = "The agent steps onto the goal square before the step limit."
_TAKE = "The agent picks up the target object before the step limit."
_BESIDE = (
    "The agent uses DONE while standing in one of the four cells beside the target's starting cell; "
    "using DONE elsewhere, or TOGGLE anywhere, ends the episode without success."
)
FAMILIES = {
    family.name: family
    for family in (
        Family("Empty", REACH, "reach", _GOAL),
        Family("DoorKey", REACH, "reach", _GOAL),
        Family("MultiRoom", REACH, "reach", _GOAL),
        Family("LavaGap", REACH, "reach", _GOAL),
        Family("LavaCrossing", REACH, "reach", _GOAL),
        Family("SimpleCrossing", REACH, "reach", _GOAL),
        Family("DistShift", REACH, "reach", _GOAL),
        Family("FourRooms", REACH, "reach", _GOAL),
        Family("LockedRoom", REACH, "reach", _GOAL,
               r"get the (\w+) key from the (\w+) room", (COLORS, COLORS)),
        Family("UnlockPickup", PICK_UP, "carry", _TAKE),
        Family("BlockedUnlockPickup", PICK_UP, "carry", _TAKE),
        Family("KeyCorridor", PICK_UP, "carry", _TAKE),
        Family("ObstructedMaze", PICK_UP, "carry", _TAKE),
        Family("Unlock", OPEN, "open", "The target door is opened before the step limit."),
        Family("RedBlueDoors", OPEN_IN_ORDER, "open_in_order",
               "Both target doors stand open, the one of rank 1 opened first; opening the one of rank 2 "
               "first ends the episode without success.", ranked=True),
        Family("Fetch", FETCH, "carry",
               "The agent picks up a target object; picking up any other object ends the episode "
               "without success.", r"(\w+) (\w+)$", (COLORS, ("key", "ball"))),
        Family("GoToDoor", STAND_BESIDE, "stand_beside", _BESIDE, r"the (\w+) door$", (COLORS,)),
        Family("GoToObject", STAND_BESIDE, "stand_beside", _BESIDE, r"the (\w+) (\w+)$", (COLORS, ITEMS)),
        Family("PutNear", PUT_NEAR, "put_near",
               "The agent drops the object of rank 1 within one cell (diagonals count) of the starting "
               "cell of the object of rank 2; picking up another object, or any other DROP while "
               "carrying, ends the episode without success.",
               r"the (\w+) (\w+) near the (\w+) (\w+)$", (COLORS, ITEMS, COLORS, ITEMS), ranked=True),
        Family("Memory", MATCH, "stand_beside",
               "The agent enters the cell between the corridor and the target object; entering the cell "
               "before the other object of the corridor ends the episode without success."),
    )
}  # fmt: skip
FOREIGN_FAMILY = Family(
    "Foreign", FOREIGN, "mission", "The environment ends the episode with a positive reward.", ranked=True
)

_VARIANTS: dict[str, dict[str, int]] = {
    # Object slots by family and variant: an upper bound on the objects of one episode.
    "Empty": dict.fromkeys(("5x5", "Random-5x5", "6x6", "Random-6x6", "8x8", "16x16"), 1),
    "DoorKey": dict.fromkeys(("5x5", "6x6", "8x8", "16x16"), 3),
    "MultiRoom": {"N2-S4": 2, "N4-S5": 6, "N6": 6},
    "LavaGap": dict.fromkeys(("S5", "S6", "S7"), 1),
    "LavaCrossing": dict.fromkeys(("S9N1", "S9N2", "S9N3", "S11N5"), 1),
    "SimpleCrossing": dict.fromkeys(("S9N1", "S9N2", "S9N3", "S11N5"), 1),
    "DistShift": dict.fromkeys(("1", "2"), 1),
    "FourRooms": {"": 1},
    "LockedRoom": {"": 8},
    "UnlockPickup": {"": 3},
    "BlockedUnlockPickup": {"": 4},
    "KeyCorridor": {"S3R1": 4, "S3R2": 8, "S3R3": 12, "S4R3": 12, "S5R3": 12, "S6R3": 12},
    "ObstructedMaze": {
        "1Dl": 3, "1Dlh": 4, "1Dlhb": 5, "2Dl": 6, "2Dlh": 8, "2Dlhb": 10, "1Q": 10, "2Q": 19, "Full": 37,
    },
    "Unlock": {"": 2},
    "RedBlueDoors": {"6x6": 2, "8x8": 2},
    "Fetch": {"5x5-N2": 2, "6x6-N2": 2, "8x8-N3": 3},
    "GoToDoor": dict.fromkeys(("5x5", "6x6", "8x8"), 4),
    "GoToObject": {"6x6-N2": 2, "8x8-N2": 2},
    "PutNear": {"6x6-N2": 2, "8x8-N3": 3},
    "Memory": dict.fromkeys(("S7", "S9", "S11", "S13", "S13Random", "S17Random"), 3),
}  # fmt: skip
_UNDASHED = ("KeyCorridor", "LavaCrossing", "SimpleCrossing", "LavaGap", "Memory", "DistShift")


def _covered() -> dict[str, tuple[Family, int]]:
    found = {}
    for name, variants in _VARIANTS.items():
        for variant, slots in variants.items():
            dash = "-" if variant and name not in _UNDASHED else ""
            found[f"MiniGrid-{name}{dash}{variant}-v0"] = (FAMILIES[name], slots)
    found["MiniGrid-MultiRoom-N4-S5-v1"] = (FAMILIES["MultiRoom"], 4)
    for variant in ("2Dlhb", "1Q", "2Q", "Full"):
        found[f"MiniGrid-ObstructedMaze-{variant}-v1"] = found[f"MiniGrid-ObstructedMaze-{variant}-v0"]
    return found


COVERED = _covered()
"""(family, object slots) of every task that the compiled engine plays, by id."""


def is_foreign_id(task_id: str) -> bool:
    """Return whether minigrid registers `task_id` and the compiled engine does not play it."""
    if task_id in COVERED or not re.match(r"(MiniGrid|BabyAI)-", task_id):
        return False
    return task_id in registered_ids()


def registered_ids() -> list[str]:
    """Return every id that minigrid registers, in its order; this imports minigrid."""
    import gymnasium
    import minigrid  # noqa: F401  registers its ids

    return [name for name in gymnasium.registry if name.startswith(("MiniGrid-", "BabyAI-"))]


# The observation of a BabyAI mission counts these words in its first clause and in the rest.
VOCABULARY = (
    "go", "pick", "put", "open", "door", "key", "ball", "box", *COLORS, "next", "front", "behind", "left",
    "right", "then", "after", "and",
)  # fmt: skip


def mission_code(family: Family, mission: str) -> list[float]:
    """Return the mission's part of an observation, `mission_width` numbers.

    It is one one-hot group per word that matters. For foreign tasks it is the counts of the words of VOCABULARY in the
    first clause and in the rest. Raises ValueError if the mission does not match the family's pattern.
    """
    if family.rule == FOREIGN:
        clauses = re.split(r"(?=, then|after you|\band\b)", mission, maxsplit=1)
        words = [re.findall(r"\w+", clause) for clause in (*clauses, "")[:2]]
        return [float(found.count(word)) for found in words for word in family.vocabulary or VOCABULARY]
    match = re.search(family.mission, mission)
    if match is None:
        raise ValueError(f"mission {mission!r} does not match {family.mission!r}")
    groups = zip(match.groups(), family.words, strict=True)
    return [float(word == value) for word, group in groups for value in group]


def mission_width(family: Family) -> int:
    """Return the length of `mission_code` for a family."""
    return 2 * len(family.vocabulary or VOCABULARY) if family.rule == FOREIGN else family.mission_features


def encoder_code(family: Family) -> str:
    """Return Python text that defines `encoded`, which makes a policy's row of MiniGrid's observation with numpy."""
    code = inspect.getsource(mission_code)
    code = code.replace("def mission_code(family: Family, mission: str)", "def _mission(mission: str)")
    code = code.replace("family.vocabulary or VOCABULARY", repr(family.vocabulary or VOCABULARY))
    for name in ("rule", "mission", "words"):
        code = code.replace(f"family.{name}", repr(getattr(family, name)))
    code = code.replace("== FOREIGN", f"== {FOREIGN}")
    mission = '_mission(observation["mission"])' if family.words or family.rule == FOREIGN else "[]"
    return f'''import minigrid  # registers its ids


{code}

def encoded(observation: Any) -> Any:
    """The codes of the view's cells, divided by the largest ones, the direction one-hot, and the mission."""
    cells = np.asarray(observation["image"]) / np.array((10, 5, 2), np.float32)
    direction = np.arange(4) == observation["direction"]
    return np.concatenate([cells.ravel(), direction, {mission}]).astype(np.float32)'''
