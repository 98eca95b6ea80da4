"""What designers are told beside the task's interface: the training, the success reward, random play, start layouts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from rewardsmith.spec import JobSpec, TrainingSpec
from rewardsmith.spec.training import ALGORITHMS
from rewardsmith.tasks.base import Interface, Task
from rewardsmith.tasks.capabilities import named_by_hand, pay_of, rendering_of
from rewardsmith.tasks.random_play import RandomEpisodes, play_at_random
from rewardsmith.training.fit import interface_for

_SHOWN_CELLS = 260  # of all maps together, so that two small grids are shown or one large one


def briefing(task: Task, spec: JobSpec) -> Interface:
    """Return the task's interface with what a designer of rewards needs to know about the training.

    Everything in it is the same each time that it is made: it becomes part of prompts.
    """
    interface = interface_for(task, spec.training)
    lines = ["TRAINING", *(f"- {line}" for line in _training_lines(task, spec))]
    maps = start_maps(task)
    if maps:
        lines += ["", "START LAYOUTS (examples; every episode draws another one)", *maps]
    return replace(interface, text="\n".join([interface.text.rstrip(), "", *lines]))


def _training_lines(task: Task, spec: JobSpec) -> Iterator[str]:
    training = spec.training
    yield (
        f"{ALGORITHMS[training.algorithm].title} learns from the reward for at most {spec.steps:,} environment steps. "
        f"Its discount is {training.gamma:g} per step."
    )
    yield observed(task, training)
    if (pay := pay_of(task)) is not None:
        last = task.max_steps
        amounts = [pay.success_reward(max(1, step)) for step in (last // 10, last // 2, last)]
        yield (
            f"The environment pays {amounts[0]:.2f} for a success after a tenth of an episode's {last} steps, "
            f"{amounts[1]:.2f} after half of them, and {amounts[2]:.2f} at the last one."
        )
    if task.cheap_steps and named_by_hand(task) is None and spec.score is None:
        yield random_play_words(play_at_random(task))


def observed(task: Task, training: TrainingSpec) -> str:
    """Return what the policy observes, in a sentence or two."""
    size, cells = task.observation_size, task.view_cells
    if cells:
        what = f"a view of {cells} grid cells near the agent, in which walls and closed doors hide what is behind them"
        rest = size - 3 * cells
        what += f", and {rest} numbers for its direction and the mission" if rest > 0 else ""
    else:
        what = f"{size} numbers"
    if training.frame_stack > 1:
        what += f", of the last {training.frame_stack} steps"
    memory = " It remembers earlier observations." if training.memory != "none" else ""
    hidden = " It does not observe the state that your program reads." if cells else ""
    return f"The policy observes {what}.{hidden}{memory}"


def random_play_words(played: RandomEpisodes) -> str:
    """Return the results of random play as text; events are listed by name, not in the order of a solution."""
    text = f"Random play solves {played.successes} of {played.episodes} episodes."
    if played.events:
        shares = ", ".join(f"{name} {100 * count / played.episodes:.0f} %" for name, count in played.events)
        text += f" Share of its episodes in which an event occurs: {shares}."
    return text


@lru_cache(maxsize=16)
def start_maps(task: Task) -> tuple[str, ...]:
    """Return drawings of one or two training layouts with the meaning of the symbols; empty if nothing draws them."""
    drawn = rendering_of(task)
    if drawn is None:
        return ()
    batch = task.batch(2, "train")
    try:
        batch.reset(0)
        rows = task.schema.rows(2)
        batch.state_rows(rows)
        maps = [drawn.draw_state(row, batch.tables) for row in rows]
    finally:
        batch.close()
    if len("".join(maps).replace(" ", "")) > 2 * _SHOWN_CELLS:
        maps = maps[:1]
    return (drawn.legend, *(line for text in maps for line in (*text.splitlines(), "")))[:-1]
