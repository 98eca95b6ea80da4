"""Gymnasium's toy text environments: their index observations as rows, columns and what they stand for."""

from __future__ import annotations

from typing import Any

from rewardsmith.tasks.described import environments
from rewardsmith.tasks.described.description import Description

_HERE = "rewardsmith.tasks.described.families.toy_text"


def grid_cell(env, observation, info):
    """Row, column and the letter of the cell of a grid whose index is observed."""
    columns = env.desc.shape[1]
    row, column = divmod(int(observation), columns)
    return {"row": row, "column": column, "cell": env.desc[row, column].decode()}


def cliff_cell(env, observation, info):
    """Row and column of the 4 x 12 grid."""
    row, column = divmod(int(observation), 12)
    return {"row": row, "column": column}


def taxi_parts(env, observation, info):
    """What Taxi's index stands for."""
    code = int(observation)
    code, destination = divmod(code, 4)
    code, passenger = divmod(code, 5)
    row, column = divmod(code, 5)
    return {"row": row, "column": column, "passenger": passenger, "destination": destination}


def describe(task_id: str) -> Description | None:
    """The description of a toy text id; None for other ids."""
    found = _DESCRIBED.get(_SAME.get(task_id, task_id))
    if found is None or not environments.is_registered(task_id):
        return None
    slips = ["With probability 2/3 the agent moves at a right angle to the chosen direction."] * ("Slippery" in task_id)
    return Description.model_validate({"id": task_id, **found, "mechanics": [*found.get("mechanics", ()), *slips]})


_SAME = {"Taxi-v3": "Taxi-v4", "CliffWalkingSlippery-v1": "CliffWalking-v1"}
"""Ids that differ from another one in their dynamics at most."""


# What these functions compute follows from the index that a policy observes.
_ROW = {"name": "row", "kind": "int", "training_only": False, "doc": "row of the agent, 0 at the top"}
_COLUMN = {"name": "column", "kind": "int", "training_only": False, "doc": "column of the agent, 0 at the left"}


def _lake(side: int, limit: int) -> dict[str, Any]:
    return {
        "goal": f"Walk over a frozen lake of {side} x {side} cells from the top left to the bottom right; avoid holes.",
        "env_reward": "1 at the goal, 0 otherwise",
        "state_function": f"{_HERE}:grid_cell",
        "state": [
            _ROW,
            _COLUMN,
            {
                "name": "cell",
                "values": ["S", "F", "H", "G"],
                "training_only": False,
                "doc": "the cell: start, frozen, hole or goal",
            },
        ],
        "actions": ["left", "down", "right", "up"],
        "success": "terminated and reward > 0",
        "max_steps": limit,
        "one_start": True,
        "mechanics": [
            "The ice is slippery: with probability 2/3 the agent moves at a right angle to the chosen direction.",
            f"The goal is at row {side - 1}, column {side - 1}. A hole ends the episode.",
        ],
    }


_DESCRIBED: dict[str, dict[str, Any]] = {
    "FrozenLake-v1": _lake(4, 100),
    "FrozenLake8x8-v1": _lake(8, 200),
    "CliffWalking-v1": {
        "goal": "Walk along a cliff from the bottom left to the bottom right of a 4 x 12 grid.",
        "env_reward": "-1 per step, -100 for a step over the cliff, which leads back to the start",
        "state_function": f"{_HERE}:cliff_cell",
        "state": [_ROW, _COLUMN],
        "actions": ["up", "right", "down", "left"],
        "success": "terminated",
        "max_steps": 200,
        "one_start": True,
        "mechanics": ["The cliff is row 3, columns 1 to 10. The goal is row 3, column 11."],
    },
    "Taxi-v4": {
        "goal": "Drive to the passenger, pick him up, drive to the destination and drop him off there.",
        "env_reward": "-1 per step, +20 for delivering the passenger, -10 for a pickup or dropoff that is not allowed",
        "state_function": f"{_HERE}:taxi_parts",
        "state": [
            {**_ROW, "doc": "row of the taxi, 0 to 4 from the top"},
            {**_COLUMN, "doc": "column of the taxi, 0 to 4 from the left"},
            {
                "name": "passenger",
                "kind": "int",
                "training_only": False,
                "doc": "where the passenger is: 0 to 3, a stop; 4, in the taxi",
            },
            {"name": "destination", "kind": "int", "training_only": False, "doc": "the stop to drive to, 0 to 3"},
        ],
        "actions": ["south", "north", "east", "west", "pickup", "dropoff"],
        "success": "terminated and reward > 0",
        "max_steps": 200,
        "mechanics": [
            "Stops 0 to 3 are at (row, column) (0, 0), (0, 4), (4, 0) and (4, 3). Walls stand between some columns.",
        ],
    },
    "Blackjack-v1": {
        "goal": "Win against the dealer: get closer to 21 without exceeding it.",
        "env_reward": "+1 for a win, -1 for a loss, 0 for a draw",
        "state": [
            {"name": "player_sum", "from": "observation.0", "doc": "sum of the player's cards"},
            {"name": "dealer_card", "from": "observation.1", "doc": "the dealer's open card, 1 (ace) to 10"},
            {"name": "usable_ace", "from": "observation.2", "doc": "1 if an ace counts as 11"},
        ],
        "actions": ["stick", "hit"],
        "success": "terminated and reward > 0",
        "max_steps": 30,
    },
}
