"""Crafter's 22 achievements as tasks, on one environment observed as symbols."""

from __future__ import annotations

from typing import Any

from rewardsmith.tasks.described.description import Description

PREFIX = "Crafter/"
"""What the ids of these tasks begin with; the name of an achievement follows."""

VIEW = (9, 7)
"""Cells of the view, across and down; the player is in the middle."""
MATERIALS = (
    "outside", "water", "grass", "stone", "path", "sand", "tree", "lava", "coal", "iron", "diamond", "table", "furnace",
)  # fmt: skip
CREATURES = ("player", "cow", "zombie", "skeleton", "arrow", "plant")
THINGS = (*MATERIALS, *CREATURES)
"""What a cell may show; its code is its index."""
SOUGHT = (
    "water", "grass", "stone", "tree", "coal", "iron", "diamond", "lava", "table", "furnace", "cow", "zombie",
    "skeleton", "plant",
)  # fmt: skip
"""Things whose nearest one is told."""
FACING = ("left", "right", "up", "down")
NONE = 99
"""The distance of a thing that is nowhere."""

_GOALS = {
    "collect_coal": "Collect coal.",
    "collect_diamond": "Collect a diamond.",
    "collect_drink": "Drink water.",
    "collect_iron": "Collect iron.",
    "collect_sapling": "Collect a sapling from grass.",
    "collect_stone": "Collect stone.",
    "collect_wood": "Collect wood from a tree.",
    "defeat_skeleton": "Defeat a skeleton.",
    "defeat_zombie": "Defeat a zombie.",
    "eat_cow": "Eat a cow.",
    "eat_plant": "Plant a sapling and eat it once it is ripe.",
    "make_iron_pickaxe": "Make an iron pickaxe.",
    "make_iron_sword": "Make an iron sword.",
    "make_stone_pickaxe": "Make a stone pickaxe.",
    "make_stone_sword": "Make a stone sword.",
    "make_wood_pickaxe": "Make a wood pickaxe.",
    "make_wood_sword": "Make a wood sword.",
    "place_furnace": "Place a furnace.",
    "place_plant": "Plant a sapling.",
    "place_stone": "Place a stone.",
    "place_table": "Place a table.",
    "wake_up": "Sleep until the energy is full, and wake up.",
}
_ITEMS = (
    "health", "food", "drink", "energy", "sapling", "wood", "stone", "coal", "iron", "diamond", "wood_pickaxe",
    "stone_pickaxe", "iron_pickaxe", "wood_sword", "stone_sword", "iron_sword",
)  # fmt: skip
_ACTIONS = [
    "noop", "move_left", "move_right", "move_up", "move_down", "do", "sleep", "place_stone", "place_table",
    "place_furnace", "place_plant", "make_wood_pickaxe", "make_stone_pickaxe", "make_iron_pickaxe", "make_wood_sword",
    "make_stone_sword", "make_iron_sword",
]  # fmt: skip
_MECHANICS = [
    "DO acts on the cell ahead: it collects the material, drinks, eats a cow or a ripe plant, or hits a creature.",
    "Moving towards a cell that cannot be entered only turns the player.",
    "Wood needs nothing. Stone and coal need a wood pickaxe, iron needs a stone pickaxe, a diamond an iron pickaxe.",
    "Grass gives a sapling in one of 10 tries. A plant can be eaten when it is ripe, and cows and zombies damage it.",
    "A table uses 2 wood, a furnace 4 stone, and a stone or a sapling itself.",
    "A wood pickaxe and a wood sword use 1 wood each beside a table; a stone one uses 1 wood and 1 stone.",
    "An iron pickaxe and an iron sword use 1 wood, 1 coal and 1 iron each beside a table and a furnace.",
    "Food, drink and energy fall by 1 about every 25, 20 and 30 steps. Health falls while one of them is 0.",
    "Zombies on grass and skeletons in tunnels attack. Lava kills. Death ends an episode.",
]


def ids() -> tuple[str, ...]:
    """The ids of all 22 tasks."""
    return tuple(f"{PREFIX}{name}" for name in _GOALS)


def describe(task_id: str) -> Description | None:
    """The description of Crafter/ACHIEVEMENT, such as Crafter/collect_diamond; None for other ids."""
    name = task_id.removeprefix(PREFIX)
    if not task_id.startswith(PREFIX) or name not in _GOALS:
        return None
    return Description.model_validate(
        {
            "id": task_id,
            "env_id": "rewardsmith.tasks.described.families.crafter_env:Crafter-v0",
            "goal": _GOALS[name],
            "env_reward": "+1 for each achievement that is new in this episode, and a tenth of each change of health",
            "state": _state(),
            "actions": _ACTIONS,
            "idle": "noop",
            "success": f"{name} > 0",
            "max_steps": 1_000,
            "mechanics": _MECHANICS,
        }
    )


def _state() -> list[dict[str, Any]]:
    held = [
        {"name": item, "from": f"observation.inventory[{k}]", "low": 0, "high": 9,
         "doc": f"{item}, 9 at the start" if k < 4 else f"how many of {item} the player has"}
        for k, item in enumerate(_ITEMS)
    ]  # fmt: skip
    body = [
        {"name": "facing", "from": "observation.facing", "doc": "0 left, 1 right, 2 up, 3 down"},
        {"name": "sleeping", "from": "observation.sleeping", "doc": "1 while the player sleeps"},
        {"name": "daylight", "from": "observation.daylight", "low": 0, "high": 1, "doc": "0 is night"},
        {"name": "ahead", "from": "info.ahead", "values": list(THINGS), "doc": "the thing in front of the player"},
        {"name": "place", "from": "info.place", "kind": "int", "doc": "cell of the player, y grows downwards"},
    ]
    near = [
        {"name": f"nearest_{thing}", "from": f"info.nearest.{thing}", "kind": "int",
         "entries": ["right", "down", "steps"],
         "doc": f"offset and distance of the nearest {thing} in the world; steps is {NONE} if there is none"}
        for thing in SOUGHT
    ]  # fmt: skip
    reached = [
        {"name": each, "from": f"info.achievements.{each}", "kind": "int", "doc": "how often, in this episode"}
        for each in _GOALS
    ]
    return [*held, *body, *near, *reached]
