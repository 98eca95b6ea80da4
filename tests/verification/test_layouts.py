"""The layouts that are checked: drawn at random, all of a task, or chosen because they are hard."""

from __future__ import annotations

from rewardsmith.tasks.minigrid.compiled import CompiledTask
from rewardsmith.verification.hard_layouts import hard_layouts, layouts_to_check
from rewardsmith.verification.layouts import layout_sample
from rewardsmith.verification.plans import plan_of

SIZES = {"train": 40, "select": 4, "claim": 4}


def test_random_layouts_are_the_first_of_the_pool_and_hard_ones_are_others():
    task = CompiledTask("MiniGrid-LavaCrossingS9N2-v0", SIZES)
    sample = layouts_to_check(task, 8, 4)
    assert sample.layouts == tuple(range(8)) and len(sample.hard) == 4 and not sample.every
    assert not set(sample.hard) & set(sample.layouts)
    hashes = task.pool_hashes("train")
    assert len({hashes[layout] for layout in sample.hard}) == 4
    longest = max(len(plan_of(task, layout)) for layout in range(8, 40))
    assert len(plan_of(task, sample.hard[0])) == longest
    assert hard_layouts(task, 4, range(8)) == sample.hard


def test_all_layouts_are_known_only_if_each_was_drawn_again():
    few = CompiledTask("MiniGrid-LavaGapS5-v0", {"train": 3, "select": 4, "claim": 4})
    assert (layout_sample(few, 16).layouts, layout_sample(few, 16).every) == ((0, 1, 2), False)
    whole = CompiledTask("MiniGrid-LavaGapS5-v0", {"train": 200, "select": 4, "claim": 4})
    found = layouts_to_check(whole, 16, 4)
    assert found.every and len(found.layouts) == len(set(whole.pool_hashes("train"))) and not found.hard
