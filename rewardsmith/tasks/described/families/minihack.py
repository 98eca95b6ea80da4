"""MiniHack: the map as characters, the status line, the message and the inventory of NetHack by name."""

from __future__ import annotations

from typing import Any

from rewardsmith.tasks.described import environments
from rewardsmith.tasks.described.description import Description

_GOALS = {
    "KeyRoom": "Pick up the key, open the locked door of the inner room with it, and reach the stairs down.",
    "MultiRoom": "Pass through the rooms and their doors, and reach the stairs down in the last one.",
    "Corridor": "Find a way through the corridors between the rooms to the stairs down.",
    "CorridorBattle": "Fight in a corridor, where monsters come one at a time, and reach the stairs down.",
    "Quest": "Cross the lava, find the wand of death, and kill the Minotaur or reach the stairs down.",
    "Room": "Reach the stairs down of the room.",
    "MazeWalk": "Find a way through the maze to the stairs down.",
    "ExploreMaze": "Eat the apples in the maze and reach the stairs down.",
    "River": "Push boulders into the river to cross it, and reach the stairs down.",
    "HideNSeek": "Reach the stairs down without being seen by the monster.",
    "Memento": "Remember the cue at the start, and take the way that it tells.",
    "Labyrinth": "Find a way through the labyrinth to the Minotaur, and kill it.",
    "Boxoban": "Push all boulders onto the goals.",
    "Sokoban": "Push the boulders into the pits.",
    "LavaCross": "Cross the river of lava, and reach the stairs down.",
    "LavaCrossing": "Pass the gaps in the streams of lava, and reach the stairs down.",
    "SimpleCrossing": "Pass the gaps in the walls, and reach the stairs down.",
    "WoD": "Kill the Minotaur with the wand of death.",
    "Eat": "Eat the apple.",
    "Pray": "Pray at the altar.",
    "Sink": "Use the sink.",
    "Wield": "Wield the dagger.",
    "Wear": "Wear the robe.",
    "PutOn": "Put on the amulet.",
    "Zap": "Zap the wand.",
    "Read": "Read the scroll.",
    "ClosedDoor": "Open the door, and reach the stairs down.",
    "LockedDoor": "Kick the locked door open, and reach the stairs down.",
    "Levitate": "Make use of a thing that lets the player levitate.",
    "Freeze": "Make use of a thing that freezes.",
}
_KEYS = [
    "chars", "chars_crop", "colors_crop", "glyphs", "glyphs_crop", "blstats", "message", "inv_letters", "inv_oclasses",
]  # fmt: skip
_SEEN = ["chars", "chars_crop", "colors_crop", "blstats", "message", "inv_oclasses"]
_HERE = "rewardsmith.tasks.described.families.minihack"
_STATUS = (
    ("x", 79, "column of the player"), ("y", 21, "row of the player, 0 at the top"),
    ("strength_percentage", 125, ""), ("strength", 25, ""), ("dexterity", 25, ""), ("constitution", 25, ""),
    ("intelligence", 25, ""), ("wisdom", 25, ""), ("charisma", 25, ""), ("score", 1000, "NetHack's score"),
    ("hitpoints", 100, "hit points left; death at 0"), ("max_hitpoints", 100, "hit points at full health"),
    ("depth", 50, "depth in the dungeon"), ("gold", 1000, "pieces of gold"), ("energy", 100, "energy for spells"),
    ("max_energy", 100, "largest energy"), ("armor_class", 10, "smaller is better"),
    ("monster_level", 30, ""), ("experience_level", 30, ""), ("experience_points", 1000, ""),
    ("time", 1000, "turns of the game, which some actions do not use up"),
    ("hunger", 6, "0 satiated, 1 not hungry, 2 hungry, 3 weak, 4 fainting"),
    ("burden", 5, "0 unburdened to 5 overloaded"), ("dungeon_number", 10, ""), ("level_number", 50, ""),
    ("condition", 4096, "bits of the player's conditions, such as blind or confused"),
    ("alignment", 10, "-1 chaotic, 0 neutral, 1 lawful"),
)  # fmt: skip
_SOUGHT = {
    "stairs_down": "the stairs down", "stairs_up": "the stairs up", "door": "a closed door", "tool": "a tool or a key",
    "food": "food", "wand": "a wand", "ring": "a ring", "potion": "a potion", "scroll": "a scroll",
    "amulet": "an amulet", "weapon": "a weapon", "armor": "armor", "lava": "lava or water", "monster": "a monster",
}  # fmt: skip


def things_seen(env, observation, info):
    """Offset and distance of the nearest thing of each kind on the map as the player knows it; 99 steps if unknown."""
    import numpy as np

    chars = np.asarray(observation["chars"])
    column, row = int(observation["blstats"][0]), int(observation["blstats"][1])
    kinds = {
        "stairs_down": ">", "stairs_up": "<", "door": "+", "tool": "(", "food": "%", "wand": "/", "ring": "=",
        "potion": "!", "scroll": "?", "amulet": '"', "weapon": ")", "armor": "[", "lava": "}",
    }  # fmt: skip
    letters = ((chars >= 65) & (chars <= 90)) | ((chars >= 97) & (chars <= 122))
    found = {}
    for name in (*kinds, "monster"):
        cells = np.argwhere(letters if name == "monster" else chars == ord(kinds[name]))
        if len(cells) == 0:
            found["nearest_" + name] = (0, 0, 99)
            continue
        away = np.abs(cells - (row, column)).max(axis=1)  # a diagonal step counts as one
        nearest = cells[away.argmin()]
        found["nearest_" + name] = (int(nearest[1]) - column, int(nearest[0]) - row, int(away.min()))
    return found


def describe(task_id: str) -> Description | None:
    """The description of an id of MiniHack; None for other ids."""
    if not task_id.startswith("MiniHack-") or not environments.is_registered(task_id):
        return None
    name = task_id.split("-")[1]
    kind = next((known for known in sorted(_GOALS, key=len, reverse=True) if name.startswith(known)), None)
    goal = _GOALS.get(kind or "", f"Solve MiniHack's task {task_id.removeprefix('MiniHack-')}.")
    bare = Description(id=task_id, goal=goal, score="return", max_steps=1, env_kwargs={"observation_keys": _KEYS})
    env = environments.make_environment(bare, None)
    try:
        limit = int(env.unwrapped._max_episode_steps)
        actions = _actions(env.unwrapped.actions)
    finally:
        environments.close(env)
    return Description.model_validate(
        {
            "id": task_id,
            "goal": goal,
            "env_kwargs": {"observation_keys": _KEYS},
            "env_reward": "1 for solving the task, a small penalty for steps that take no time in the game",
            "observe": _SEEN,
            "state_function": f"{_HERE}:things_seen",
            "state": _state(),
            "actions": actions,
            "success": "info.end_status == 2",
            "max_steps": limit,
            "mechanics": [
                "info.end_status is 0 while the episode runs, 1 after death, 2 on success, -1 at the step limit.",
                "The map is what the player has seen so far. Walking into a closed door opens it; a locked one needs a "
                "key, which APPLY uses, or kicks.",
            ],
        }
    )


def _state() -> list[dict[str, Any]]:
    status = [
        {"name": name, "from": f"observation.blstats[{k}]", "scale": scale, "doc": doc or name.replace("_", " ")}
        for k, (name, scale, doc) in enumerate(_STATUS)
    ]
    seen = [
        {"name": f"nearest_{name}", "kind": "int", "entries": ["right", "down", "steps"], "training_only": False,
         "doc": f"offset and distance of the nearest visible cell with {what}; steps is 99 if there is none"}
        for name, what in _SOUGHT.items()
    ]  # fmt: skip
    return [
        *status,
        {"name": "around", "from": "observation.chars_crop",
         "doc": "codes of the 9 x 9 characters around the player, row by row"},
        {"name": "message", "from": "observation.message", "doc": "codes of the characters of the game's message"},
        {"name": "inventory", "from": "observation.inv_oclasses",
         "doc": "class of each thing in the inventory: 2 weapon, 3 armor, 4 ring, 5 amulet, 6 tool, 7 food, 8 potion, "
         "9 scroll, 11 wand, 18 none"},
        *seen,
    ]  # fmt: skip


def _actions(actions: Any) -> list[str]:
    """Names of the keys of NetHack; walking until something happens is called far."""
    names = []
    for each in actions:
        far = "far_" if type(each).__name__ == "CompassDirectionLonger" else ""
        names.append(f"{far}{each.name}".lower())
    return [f"{name}_{k}" if names.count(name) > 1 else name for k, name in enumerate(names)]
