"""Conclusions about all layouts from the checked ones, and verdicts that older versions stored."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsmith.offline.check_reward import check_reward
from rewardsmith.reporting import text
from rewardsmith.reporting.proportion import clopper_pearson_upper
from rewardsmith.tasks.minigrid.compiled import CompiledTask
from rewardsmith.verification.soundness import NO_RATIO, soundness_of, with_soundness

CASES = Path(__file__).parents[1] / "cases"


@pytest.mark.parametrize(
    ("events", "n", "bound"),
    [(0, 1, 0.95), (0, 3, 0.6316), (0, 16, 0.1707), (0, 28, 0.1015), (0, 29, 0.0981), (1, 16, 0.2640), (2, 16, 0.3438),
     (3, 24, 0.2923), (5, 5, 1.0), (0, 2048, 0.00146), (1000, 2048, 0.5067)],
)  # fmt: skip
def test_the_one_sided_bound_equals_clopper_and_pearson_s(events, n, bound):
    assert clopper_pearson_upper(events, n) == pytest.approx(bound, abs=1e-4)


@given(st.integers(1, 60), st.data())
def test_the_bound_grows_with_the_events_and_is_never_below_their_share(n, data):
    k = data.draw(st.integers(0, n - 1))
    assert k / n < clopper_pearson_upper(k, n) <= clopper_pearson_upper(k + 1, n) <= 1.0


def layout(number: int, verdict: str = "sound", margin: float | None = 1.0, **more):
    """One layout of a certificate's plain data, in the form of all versions."""
    if margin is None:
        return {"layout": number, "verdict": verdict, "high": None, "low": None, "episode": None, **more}
    solves = verdict in ("sound", "slow")
    optimum = {"value": 2.0, "value_without_success": 2.0 - margin, "error": 0.0, "solves": solves,
               "may_solve": verdict != "unsound", "steps": None if verdict == "unsound" else 5}  # fmt: skip
    return {"layout": number, "verdict": verdict, "low": optimum, "high": optimum, "episode": 100, **more}


def soundness_of_layouts(*layouts, **more):
    return soundness_of({"layouts": list(layouts), **more})


def test_headline_is_sound_from_29_layouts_or_all():
    many = [layout(k) for k in range(29)]
    assert soundness_of_layouts(*many).headline == "sound"
    assert soundness_of_layouts(*many[:28]).headline == "sound on 28 layouts, up to 10.1 % unsound possible"
    assert soundness_of_layouts(*many[:16]).headline == "sound on 16 layouts, up to 17.1 % unsound possible"
    assert soundness_of_layouts(layout(0)).headline == "sound on 1 layout, up to 95 % unsound possible"
    assert soundness_of_layouts(layout(0), layout(4), every_layout=True).headline == "sound"
    assert soundness_of_layouts(layout(0), every_layout=True).bound == 0.0
    assert soundness_of_layouts(*many[:5], layout(5, "unsound", 0.0)).headline == "unsound on 1 of 6 layouts"


def test_the_smallest_margin_is_reported_with_its_layout():
    found = soundness_of_layouts(layout(0, margin=1.09), layout(1, margin=0.5), layout(2, margin=0.085))
    assert (found.margin, found.margin_layout) == (pytest.approx(0.085), 2)
    assert "Smallest margin 0.085, on layout 2." in found.sentence


def test_undecided_layouts_count_as_unsound_in_the_bound():
    undecided = layout(1, "not certified", None)
    assert soundness_of_layouts(layout(0), undecided).unsound == 1
    assert soundness_of_layouts(layout(0), layout(1, "time-dependent")).unsound == 1
    assert soundness_of_layouts(layout(0), layout(1, "time-dependent", by_step=True)).unsound == 0
    assert soundness_of_layouts(layout(0), layout(1, "slow")).unsound == 0
    stopped = soundness_of_layouts(layout(0), layouts_asked=3)
    assert (stopped.unsound, stopped.bound) == (2, clopper_pearson_upper(2, 3))
    assert stopped.headline == "sound on 1 of 3 layouts, up to 98.3 % unsound possible"
    assert soundness_of_layouts(undecided, layouts_asked=16).sentence == "No layout could be decided."
    mixed = soundness_of_layouts(layout(0), layout(1), undecided)
    assert (mixed.undecided, mixed.headline) == (1, "sound on 2 of 3 layouts, up to 86.5 % unsound possible")
    late = layout(0, "sound")
    late["high"] = {**late["high"], "steps": 101}  # an episode has 100
    assert soundness_of_layouts(late).unsound == 1


def test_hard_layouts_add_counterexamples_and_never_enter_the_bound():
    random = [layout(k) for k in range(30)]
    hard = [layout(40, margin=0.5, drawn="hard"), layout(41, "not certified", None, drawn="hard")]
    clean = soundness_of_layouts(*random, *hard)
    assert (clean.headline, clean.asked, clean.unsound, clean.hard_missed) == ("sound", 30, 0, 0)
    assert clean.bound == clopper_pearson_upper(0, 30) and clean.margin_layout == 40
    caught = soundness_of_layouts(*random, *hard, layout(42, "unsound", 0.0, drawn="hard"))
    assert caught.headline == "unsound on 1 of 3 hard layouts" and caught.bound == clean.bound
    assert caught.as_dict()["hard_layouts_missed"] == 1
    assert caught.counts_text.endswith(
        "; unsound on 1 of 3 hard layouts, not certified on 1 of 3 hard layouts, sound on 1 of 3 hard layouts"
    )


def test_the_proportion_is_exact_if_every_layout_was_checked():
    found = soundness_of_layouts(layout(0), layout(3, "unsound", 0.0), layout(7), layout(9), every_layout=True)
    assert (found.bound, found.headline) == (0.25, "unsound on 1 of 4 layouts")
    assert "All 4 training layouts were checked: 25 % unsound or undecided." in found.sentence


def test_a_verdict_that_an_older_version_stored_is_shown_with_its_bound():
    old = {
        "verdict": "sound",
        "message": "sound on 1 of 1 layouts (3 were asked for). Every optimal policy solves.",
        "unsound_rate_below": 1.0,
        "layouts": [layout(0, margin=0.5)],
    }
    assert text.verdict_word("certificate", True, old) == "sound on 1 of 3 layouts, up to 98.3 % unsound possible"
    shown_message = text.verdict_message("certificate", old["message"], old)
    assert (
        shown_message.startswith(old["message"])
        and "At most 98.3 %" in shown_message
        and "0.5, on layout 0" in shown_message
    )
    new = with_soundness(old)
    assert new["unsound_rate_below"] == pytest.approx(0.983, abs=1e-3)
    assert (new["smallest_margin"], new["layouts_asked"], new["layouts_looked_at"]) == (0.5, 3, 1)
    assert text.verdict_message("certificate", "told", new) == "told"  # the message already contains it
    meter = {"guidance": 10.0, "exploited": 256.0, "success_pay": -0.04, "cap": 1.0, "ratio": 2.56e11}
    shown = text.verdict_details("battery", {"shaping": meter})["shaping"]
    assert (shown["ratio"], shown["reason"]) == (None, NO_RATIO)


@pytest.mark.slow
def test_reward_for_dying_fails_on_the_default_layouts():
    source = (CASES / "lava_terminated" / "reward.py").read_text()
    found = check_reward(source, "MiniGrid-LavaCrossingS9N2-v0")
    assert not found.passed
    certificate = found.verdict("certificate")
    verdicts = {each["layout"]: each["verdict"] for each in certificate.details["layouts"] if each["drawn"] == "random"}
    assert [at for at, verdict in verdicts.items() if verdict == "unsound" and at < 24] == [9, 13, 18]
    assert len(verdicts) == 30 and certificate.details["hard_layouts_looked_at"] == 4


def test_few_layouts_leave_a_high_rate_of_unsound_ones_possible():
    source = (CASES / "lava_terminated" / "reward.py").read_text()
    few = check_reward(source, "MiniGrid-LavaCrossingS9N2-v0", layouts=3)
    assert few.passed and few.soundness.headline == "sound on 3 layouts, up to 63.2 % unsound possible"
    assert (few.soundness.margin, few.soundness.margin_layout) == (pytest.approx(0.0857, abs=1e-3), 2)
    assert "Smallest margin 0.0857, on layout 2." in few.verdict("certificate").message


def test_battery_and_certificate_check_the_same_layouts():
    source = (CASES / "minigrid_own_env" / "reward_beside_lava.py").read_text()
    for layouts in (1, 3):
        found = check_reward(source, "MiniGrid-DistShift1-v0", layouts=layouts)
        assert found.passed, layouts  # the way beside lava is the planner's, and not the best one
        looked = [each["layout"] for each in found.verdict("certificate").details["layouts"]]
        assert found.verdict("battery").details["layouts"] == looked
    task = CompiledTask("MiniGrid-LavaGapS5-v0", {"train": 12, "select": 4, "claim": 4})
    found = check_reward("def reward(prev, action, state, memory):\n    return 0.0\n", task, layouts=2)
    assert found.verdict("battery").details["layouts"] == [0, 1]


def test_all_layouts_of_a_task_with_few_are_checked():
    found = check_reward("def reward(prev, action, state, memory):\n    return 0.0\n", "MiniGrid-Empty-5x5-v0")
    assert (found.soundness.asked, found.soundness.every, found.soundness.bound) == (1, True, 0.0)
    assert found.soundness.headline == "sound"


def test_the_shaping_ratio_is_none_if_success_pays_nothing(tmp_path):
    case = CASES / "closer_bonus_without_return"
    for name, passed in (("reward.py", True), ("reward_bigger.py", False), ("potential.py", True)):
        found = check_reward((case / name).read_text(), "MiniGrid-Empty-8x8-v0")
        assert found.passed == passed, name
        nothing = found.shaping["success_pay"] <= 0
        assert (found.shaping["ratio"] is None) == nothing == (found.shaping["reason"] == NO_RATIO), name
    assert nothing
