"""What `tasks new` writes is played and trained on unedited."""

from __future__ import annotations

import pytest

from benchmarks.drafts import WAREHOUSE, table, two_rollouts
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.drafts import draft
from rewardsmith.tasks.trying import first_steps


@pytest.mark.parametrize("name", ["CartPole-v1", "FrozenLake-v1", "Blackjack-v1", "depot:Warehouse"])
def test_a_drafted_file_is_tried_and_trained_unedited(name, tmp_path):
    (tmp_path / "depot.py").write_text(WAREHOUSE)
    path = tmp_path / "task.yaml"
    path.write_text(draft(name, tmp_path).text)
    assert next(first_steps(get_task(str(path)))).startswith("start: ")
    two_rollouts(str(path))


def test_the_table_counts_what_ran_in_all_three_ways():
    ran = {"id": "A", "seconds": 1, "new": "yes", "named": [2, 2], "success": "a or b", "try": "yes", "train": "yes"}
    text = table([ran, {"id": "B", "seconds": 2, "new": "B needs a package | install it"}])
    assert "1 of 2 ran unedited." in text and "| B | B needs a package / install it | 2 | - | - | - | - |" in text
