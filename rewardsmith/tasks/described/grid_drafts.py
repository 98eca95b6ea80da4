"""Drafts a description of a MiniGrid environment: its missions, its actions, its step limit, what it has of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.grid_class import PAID_AT_THE_END
from rewardsmith.tasks.described.writing import Comments
from rewardsmith.tasks.minigrid.own_world import OwnWorld, examine
from rewardsmith.tasks.minigrid.pools import reset_quietly
from rewardsmith.tasks.minigrid.real import with_quick_views
from rewardsmith.tasks.minigrid.state_tracker import kind_of, list_objects

_LAYOUTS = 8  # whose missions and objects are named


@dataclass(frozen=True)
class GridDraft:
    """A drafted description.

    Attributes:
        description: What the file says.
        why: How success was chosen, in a clause.
        comments: The comments of the file.
    """

    description: Description
    why: str
    comments: Comments


def draft_grid(name: str, env: Any) -> GridDraft:
    """Reset and play an environment, and describe it.

    Args:
        name: Gymnasium's id, or MODULE:NAME.
        env: The environment.

    Raises:
        UsageError: If its grid differs in size between layouts.
        TaskError: If its own code raises.
    """
    task_id = name.rpartition(":")[2].rpartition("/")[2]
    world = examine(task_id, with_quick_views(env))
    missions, kinds = _shown(env)
    about = " ".join((type(env.unwrapped).__doc__ or "").split()).partition(". ")[0]
    goal = next(filter(None, [*missions, about]), "Say in a sentence what is to be achieved.")
    fields = {"id": task_id, **({"env_id": name} if name != task_id else {}), "goal": goal}
    description = Description.model_validate({**fields, "success": PAID_AT_THE_END, "max_steps": world.max_steps})
    head = (
        f"A description of {name}, drafted from {_LAYOUTS} layouts and random play. It runs as it is.",
        "Rewards read the state that MiniGrid's own ids have: agent, objects, event, mission, walls;",
        "`rewardsmith tasks describe` shows it. Better: say in `goal` what is to be achieved.",
    )
    tail = (
        *((f"`goal` is one of {len(missions)} missions: {'; '.join(missions)}",) if len(missions) > 1 else ()),
        f"Objects: {', '.join(kinds) or 'none'}. The grid has {world.size[0]} x {world.size[1]} cells.",
        f"Actions: {_actions(world)}. List fewer under `actions:` to allow only these.",
        "env_kwargs: {agent_view_size: 9}, if the constructor takes it, changes the view.",
        "wrappers: [minigrid.wrappers:FullyObsWrapper] shows the policy the whole grid.",
    )
    why = "success is a positive reward on the step that ends the episode, as in MiniGrid"
    return GridDraft(description, why, Comments(head, None, tail))


def _shown(env: Any) -> tuple[list[str], list[str]]:
    """The missions, and the kinds of objects, of the first layouts."""
    missions, kinds = dict[str, None](), dict[str, None]()
    for seed in range(_LAYOUTS):
        reset_quietly(env, seed)
        missions.setdefault(str(env.unwrapped.mission))
        kinds.update(dict.fromkeys(map(kind_of, list_objects(env.unwrapped))))
    return list(missions), list(kinds)


def _actions(world: OwnWorld) -> str:
    return ", ".join(name.lower() for name in world.actions.names)
