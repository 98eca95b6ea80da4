"""What a program's text says it depends on: memory of earlier steps, and names of fields."""

from __future__ import annotations

import ast

from rewardsmith.programs.composition import MOVING_GATES, TRAINING_ONLY
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.syntax import parse_module


def uses_memory(reward: TrainingReward) -> bool:
    """Return whether a function of the reward's program mentions its `memory`, which it keeps between steps.

    True also for a function that is not written as `def`, because its text does not say.

    Raises syntax.NotPython if the program is not valid Python.
    """
    if not reward.source:
        return False
    body = parse_module(reward.source).body
    defined = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    return any(name not in defined or _mentions_memory(defined[name]) for name in reward.functions)


def _mentions_memory(function: ast.FunctionDef) -> bool:
    """Whether the last parameter of a reward function occurs in its body; it is the memory, whatever its name."""
    parameters = [*function.args.posonlyargs, *function.args.args]
    if not parameters or function.args.vararg is not None:
        return True
    memory = parameters[-1].arg
    return any(isinstance(node, ast.Name) and node.id == memory for part in function.body for node in ast.walk(part))


def fields_mentioned(source: str) -> frozenset[str]:
    """Return every attribute and every text in a program, among which are the names of the fields that it reads.

    Raises syntax.NotPython if the program is not valid Python.
    """
    nodes = list(ast.walk(parse_module(source)))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return frozenset(attributes | texts)


def depends_on_the_episode(reward: TrainingReward) -> str | None:
    """Return why a transition cannot be scored alone, without the steps before it; None if it can be.

    Raises syntax.NotPython if the program is not valid Python.
    """
    if uses_memory(reward):
        return "the program uses `memory`"
    for channel in reward.channels:
        if channel.gate == "latch" or channel.gate in MOVING_GATES:
            return f"the gate {channel.gate!r} of channel {channel.name} depends on earlier steps"
        if channel.delta:
            return f"channel {channel.name} pays the change since the step before"
        if channel.cap is not None:
            return f"the cap of channel {channel.name} depends on earlier steps of the episode"
        if channel.kind in TRAINING_ONLY:
            return f"a method computes channel {channel.name} during training"
    return None
