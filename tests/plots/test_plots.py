"""Figures: what is drawn where, from rows of hand and from a stored job."""

from __future__ import annotations

import math
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import in_process
from stored_jobs import SCALE, open_home, store_job

from rewardsmith import plots
from rewardsmith.errors import UsageError
from rewardsmith.plots import learning, search
from rewardsmith.plots.canvas import save
from rewardsmith.reporting.lineage import place_lineage
from rewardsmith.reporting.statistics import median_steps


def point(steps: int, success: float, **channels: float) -> dict:
    paid = {name: {"mean_per_episode": value} for name, value in channels.items()}
    return {"steps": steps, "success": success, "episodes": 200, "components": {"episodes": 20, "channels": paid}}


def row(name: str, *parents: str, score: float | None = 0.5, state: str = "trained") -> dict:
    return {"id": name, "iteration": 1, "parents": list(parents), "move": "new", "state": state, "score": score,
            "rejection_reason": "failed check gate: x\nmore" if state == "rejected" else None}  # fmt: skip


def lines_of(figure) -> list[tuple[list[float], list[float]]]:
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in figure.axes[0].lines]


def test_the_thick_line_is_the_mean_over_seeds_and_thin_lines_are_seeds():
    arms = {"designed": [[point(10, 0.2), point(20, 0.6)], [point(10, 0.4), point(20, 1.0)]]}
    drawn = lines_of(learning.learning_curves(arms, "t"))
    assert drawn[:2] == [([10, 20], [0.2, 0.6]), ([10, 20], [0.4, 1.0])]
    assert drawn[2][1] == pytest.approx([0.3, 0.8])


def test_stacked_channels_add_up_to_the_shaped_return():
    figure = learning.channel_stack([[point(10, 0.1, goal=2.0, noise=-0.5), point(20, 0.1, goal=3.0, noise=-1.0)]], "t")
    assert lines_of(figure)[0] == ([10, 20], [1.5, 2.0])
    assert figure.axes[0].get_legend() is not None


def test_without_points_the_error_names_the_remedy():
    for drawing in (lambda: learning.learning_curves({"a": [[]]}, "t"), lambda: learning.channel_stack([], "t")):
        with pytest.raises(UsageError, match="rewardsmith show"):
            drawing()


def test_a_parent_stands_left_of_its_children_at_their_mean_row():
    nodes = {n.candidate: n for n in place_lineage([row("a"), row("b", "a"), row("c", "a"), row("d", "c", "b")])}
    assert [(n.column, n.row) for n in nodes.values()] == [(0, 0.5), (1, 0.0), (1, 1.0), (2, 1.0)]
    assert nodes["d"].parents == ("c", "b")


@given(st.lists(st.lists(st.integers(0, 40), max_size=3), max_size=40))
def test_no_two_candidates_of_a_lineage_share_a_place(links):
    """Parents may be unknown, come later, or be the candidate itself."""
    nodes = place_lineage([row(str(k), *map(str, parents)) for k, parents in enumerate(links)])
    assert len({(n.column, n.row) for n in nodes}) == len(nodes) == len(links)


def test_the_lineage_marks_rejected_candidates_and_the_best():
    nodes = place_lineage([row("j-a"), row("j-b", "j-a", state="rejected", score=None), row("j-c", "j-a", score=0.9)])
    figure = search.lineage_tree(nodes, "t", "j-c")
    crosses, _, coloured, ring = figure.axes[0].collections
    assert len(crosses.get_offsets()) == 1 and list(coloured.get_array()) == [0.5, 0.9]
    assert ring.get_offsets().tolist() == [[1.0, 1.0]]


def test_rank_correlation_of_a_known_example():
    """Ranks 1 2 3 4 against 2 1 4 3: 1 - 6 * 4 / (4 * 15) = 0.6."""
    assert search.spearman([1, 2, 3, 4], [20, 10, 40, 30]) == pytest.approx(0.6)
    assert search.spearman([1, 2, 3], [5, 5, 5]) is None and search.spearman([1, 2], [1, 2]) is None


def test_difficulty_leaves_out_candidates_without_a_result():
    figure = search.difficulty_scatter([("j-a", 3.0, 0.9), ("j-b", 5.0, None), ("j-c", 7.0, 0.1)], "t")
    assert figure.axes[0].collections[0].get_offsets().tolist() == [[3.0, 0.9], [7.0, 0.1]]
    with pytest.raises(UsageError, match="predicted difficulty"):
        search.difficulty_scatter([("j-b", 5.0, None)], "t")


def test_a_seed_that_never_reached_the_threshold_is_censored():
    """The median of 10, 20 and never is 20; its interval reaches infinity, as many resamples contain two of never."""
    assert median_steps([None, 10, 20])[0] == 20
    assert median_steps([None, 10, 20])[1:] == (10, math.inf)
    assert median_steps([None, None, 20])[0] == math.inf
    assert median_steps([7]) == (7.0, -math.inf, math.inf)
    assert median_steps([5, 5, 5, 5]) == (5.0, 5.0, 5.0)


def test_censored_seeds_stand_at_the_steps_trained():
    figure = search.steps_to_threshold_plot({"j-1a": ([30, 50, None], 100), "j-sparse": ([None] * 3, 100)}, "t")
    drawn = lines_of(figure)
    assert drawn[0][0] == [30, 50] and drawn[1][0] == [100]
    assert drawn[5][0] == [100] * 3
    assert max(x for xs, _ in drawn for x in xs) <= 100


def test_the_same_figure_is_written_as_the_same_file(tmp_path):
    for suffix in ("svg", "pdf", "png"):
        paths = [tmp_path / f"{k}.{suffix}" for k in range(2)]
        for path in paths:
            save(learning.learning_curves({"a": [[point(10, 0.5)]]}, "t"), path)
        assert paths[0].read_bytes() == paths[1].read_bytes()
    with pytest.raises(UsageError, match=r"\.png, \.svg or \.pdf"):
        save(learning.learning_curves({"a": [[point(10, 0.5)]]}, "t"), tmp_path / "a.docx")


@pytest.fixture
def home(tmp_path):
    """The folder of a database with one finished job."""
    store_job(open_home(tmp_path / ".rewardsmith"), rounds=3)
    return tmp_path / ".rewardsmith"


def test_figures_of_a_stored_job_load_neither_torch_nor_pyplot(home):
    for draw in (plots.curves, plots.channels, plots.components, plots.lineage, plots.steps_to_90):
        assert draw("latest", home=home).axes
    assert plots.lineage(SimpleNamespace(job_id="abc123"), home=home).axes
    code = f"import sys; from rewardsmith import plots; plots.curves(home={str(home)!r})"
    code += "; assert not {'torch', 'matplotlib.pyplot', 'sqlalchemy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=home.parent).returncode == 0


def test_a_job_with_a_score_is_drawn_by_its_score(tmp_path):
    store_job(open_home(tmp_path), score=SCALE)
    axes = plots.curves("latest", home=tmp_path).axes[0]
    assert "score" in axes.get_ylabel() and {"random play", "reference"} <= set(axes.get_legend_handles_labels()[1])


def test_the_command_writes_every_figure(home):
    for name in ("curves", "channels", "components", "lineage", "steps-to-90"):
        ran = in_process(home.parent, "curves", "--figure", name, "--out", f"{name}.svg")
        assert ran.returncode == 0, ran.stderr
        assert (home.parent / f"{name}.svg").read_text().startswith("<?xml")
    ran = in_process(home.parent, "curves", "--figure", "pie")
    assert ran.returncode == 2 and "lineage" in ran.stderr


def test_the_median_of_many_seeds_is_within_its_interval():
    rng = np.random.default_rng(0)
    steps = [int(s) for s in rng.integers(1000, 9000, size=11)]
    middle, low, high = median_steps(steps)
    assert low <= middle <= high and middle == sorted(steps)[5]
