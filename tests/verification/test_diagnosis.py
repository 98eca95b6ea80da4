"""Each label of the diagnosis is decided by its rule alone, with evidence."""

from __future__ import annotations

import pytest

from rewardsmith.agents import prompting
from rewardsmith.telemetry import Telemetry
from rewardsmith.verification.diagnosis import LABELS, SolutionPay, diagnose

COMPONENT = {"mean": 0.1, "min": 0.0, "max": 1.0, "fires": 0.2}
KEY = {**COMPONENT, "fires": 0.004, "paid_episodes": 0.98, "paid_steps": 1.1, "mean_per_episode": 0.5}
DOOR = {**KEY, "paid_episodes": 0.02, "paid_steps": 0.02}
CHANNEL = {"mean_per_episode": 0.5, "magnitude_per_episode": 0.5, "mean_per_success": 0.5}
QUIET = {
    "episodes": 100,
    "components": {"near": COMPONENT},
    "channels": {"env": CHANNEL, "reward": CHANNEL},
    "guidance_per_episode": 0.2,
    "success_pay": 1.0,
    "trajectories": {"failed": 5, "distinct_states": 0.4, "looping": 0.1, "paid_looping": 0.0},
}
FLAT = [{"success": 0.5, "shaped_return": 1.0}] * 4
NEVER = [{"success": 0.0, "shaped_return": 1.0}] * 4
HELD = {
    "entropy_share": 0.97, "advantage_share": 0.21, "entropy_coefficient": 0.01, "return_scale": 2e-6,
    "entropy": 1.89, "explained_variance": 0.1, "signal": 1.0,
}  # fmt: skip
LOUD = {"program_guidance_per_episode": 12.0, "success_pay": None, "env_success_pay": None, "env_weight": 1.0}
PAID = {"success_pay": 2.0, "env_success_pay": 0.5}


def telemetry(**changes):
    return Telemetry.from_json({**QUIET, **changes})


def channels(**changes):
    return {"env": CHANNEL, "reward": {**CHANNEL, **changes}}


@pytest.mark.parametrize(
    ("label", "success", "curve", "measured", "evidence"),
    [
        ("solved", 0.97, FLAT, telemetry(), "97.0% success"),
        ("interface misuse", 0.5, FLAT, telemetry(components={"a": {**COMPONENT, "fires": 0.0}}), "every component"),
        ("never fires", 0.5, FLAT,
         telemetry(components={"a": COMPONENT, "b": {**COMPONENT, "fires": 0.0}}), "on every step: b"),
        ("constant", 0.5, FLAT, telemetry(components={"a": {**COMPONENT, "min": 1.0, "fires": 1.0}}), "one value"),
        ("shaping dominates", 0.5, FLAT,
         telemetry(channels=channels(mean_per_episode=9.0, magnitude_per_episode=9.0)), "9"),
        ("shaping dominates", 0.5, FLAT, telemetry(guidance_per_episode=3.0), "has a reward of 1"),
        ("oscillation", 0.5, FLAT, telemetry(channels=channels(magnitude_per_episode=40.0)), "rewards sum to 40"),
        ("oscillation", 0.5, FLAT, telemetry(trajectories={
            "failed": 5, "distinct_states": 0.1, "looping": 0.7, "paid_looping": 2.0}), "70%"),
        ("exploited", 0.1, [{"success": 0.1, "shaped_return": r} for r in (0, 2, 5)], telemetry(), "rose from 0 to 5"),
        ("unstable", 0.5, [{"success": 0.9, "shaped_return": 1.0}, *FLAT], telemetry(), "was 90.0%"),
        ("entropy dominates", 0.05, NEVER, telemetry(learning=HELD), "21% of the actor's gradient"),
        ("entropy dominates", 0.05, NEVER, telemetry(learning=HELD), "97% of the largest possible"),
        ("saturated", 0.0, NEVER, telemetry(**LOUD), "12 times the success reward of 1, which is the environment's"),
        ("saturated", 0.1, NEVER, telemetry(**LOUD | PAID), "6 times the success reward of 2"),
        ("weak shaping", 0.0, NEVER, telemetry(**LOUD | PAID | {"success_pay": 2.5}), "no sign"),
        ("weak shaping", 0.0, NEVER,
         telemetry(**LOUD, channels={"env": {**CHANNEL, "mean_per_episode": -20.0}}), "no sign"),
        ("weak shaping", 0.0, NEVER, telemetry(**LOUD, episodes=9), "no sign"),
        ("weak shaping", 0.0, NEVER, telemetry(learning=HELD | {"entropy_share": 0.84}), "no sign"),
        ("weak shaping", 0.0, NEVER, telemetry(learning=HELD | {"return_scale": 0.0, "signal": 0.0}), "no sign"),
        ("weak shaping", 0.0, NEVER, telemetry(learning=HELD | {"advantage_share": 0.8}), "no sign"),
        ("weak shaping", 0.0, NEVER,
         telemetry(learning=HELD | {"advantage_share": 0.8, "signal": 0.003}), "no sign"),
        ("entropy dominates", 0.0, NEVER,
         telemetry(learning=HELD | {"advantage_share": 0.8, "signal": 0.0029}), "earns a bonus of 0.00292"),
        ("weak shaping", 0.0, NEVER, telemetry(learning={"entropy_coefficient": 0.01, "return_scale": 1.0}), "no sign"),
        ("weak shaping", 0.0, NEVER, telemetry(learning=HELD, channels={"env": CHANNEL}, components={}), "no sign"),
        ("stalled", 0.01, NEVER, telemetry(components={"key": KEY, "door": DOOR, "near": COMPONENT}, successes=1),
         "stop after key; over the training episodes, key paid in 98 %, door paid in 2 %, and 1.0% succeeded"),
        ("weak shaping", 0.0, NEVER, telemetry(components={"key": {**KEY, "paid_episodes": 0.4, "paid_steps": 0.4}}),
         "no sign"),
        ("weak shaping", 0.0, NEVER, telemetry(components={"key": {**KEY, "paid_steps": 9.0}}), "no sign"),
        ("weak shaping", 0.1, [{"success": 0.1, "shaped_return": 1.0}] * 3, telemetry(trajectories={
            "failed": 5, "distinct_states": 0.03, "looping": 0.1, "paid_looping": 0.0}), "among few states"),
    ],
)  # fmt: skip
def test_a_rule_gives_its_label_and_no_other(label, success, curve, measured, evidence):
    found = diagnose(success, curve, measured)
    assert list(found) == [label]
    assert evidence in found[label]


def test_a_fault_is_a_crash_and_nothing_else():
    assert diagnose(0.0, [], Telemetry(), "line 3: ZeroDivisionError") == {"crash": "line 3: ZeroDivisionError"}


def test_a_healthy_trial_gets_no_label():
    assert diagnose(0.5, FLAT, telemetry()) == {}


def test_potential_neither_dominates_nor_oscillates():
    measured = telemetry(channels=channels(mean_per_episode=-9.0, magnitude_per_episode=60.0), potentials=["reward"])
    assert diagnose(0.5, FLAT, measured) == {}
    assert set(diagnose(0.5, FLAT, measured.updated(potentials=()))) == {"shaping dominates", "oscillation"}


def test_loops_that_pay_nothing_are_not_called_oscillation():
    loops = {"failed": 5, "distinct_states": 0.1, "looping": 0.9, "paid_looping": 0.0}
    assert diagnose(0.5, FLAT, telemetry(trajectories=loops)) == {}


def test_the_designer_s_prompt_explains_every_label():
    for cap in (None, 25.0):
        text = prompting.render("vocabulary.md.j2", impossible=frozenset(), dense_cap=cap)
        assert [label for label in LABELS if label != "solved" and f"- {label}:" not in text] == []


def test_the_prompt_leaves_out_failures_that_the_contract_excludes():
    text = prompting.render("vocabulary.md.j2", impossible=frozenset({"crash", "saturated"}), dense_cap=None)
    shown = [label for label in LABELS if f"- {label}:" in text]
    assert shown == [label for label in LABELS if label not in ("crash", "saturated", "solved")]


def test_an_early_success_excludes_entropy_dominates_and_saturated():
    fell = [{"success": 0.6, "shaped_return": 1.0}, *NEVER]
    found = diagnose(0.05, fell, telemetry(learning=HELD, **LOUD))
    assert not set(found) & {"entropy dominates", "saturated"}


def test_one_noisy_minibatch_does_not_decide_whether_entropy_dominates():
    shares = (0.9, 0.5, 0.95)
    curve = [{**NEVER[0], "components": {"learning": {"advantage_share": share}}} for share in (0.1, 0.1, *shares)]
    assert list(diagnose(0.0, curve, telemetry(learning=HELD))) == ["entropy dominates"]  # their mean is 0.78
    curve[-2]["components"]["learning"]["advantage_share"] = 0.7
    assert list(diagnose(0.0, curve, telemetry(learning=HELD))) == ["weak shaping"]


def test_saturated_and_dominant_shaping_may_both_be_given():
    measured = telemetry(**LOUD | PAID | {"guidance_per_episode": 12.0})
    assert list(diagnose(0.1, NEVER, measured)) == ["shaping dominates", "saturated"]


def test_a_reference_s_pay_replaces_the_environment_s_success_reward():
    loud = telemetry(**LOUD)
    assert "saturated" not in diagnose(0.0, NEVER, loud, solution=SolutionPay(episode=5.0, success=3.0))
    found = diagnose(0.0, NEVER, loud, solution=SolutionPay(episode=5.0, success=0.5))
    assert "24 times the success reward of 0.5, which is the reference's" in found["saturated"]
    never = {"env": {**CHANNEL, "mean_per_success": None}}
    never["reward"] = {**never["env"], "mean_per_episode": 9.0, "magnitude_per_episode": 9.0}
    shaped = telemetry(channels=never)
    assert "shaping dominates" in diagnose(0.5, FLAT, shaped, solution=SolutionPay(episode=5.0, success=1.0))
    assert "shaping dominates" not in diagnose(0.5, FLAT, shaped, solution=SolutionPay(episode=10.0, success=1.0))


def test_scales_are_compared_only_if_the_environment_pays():
    measured = telemetry(**LOUD | {"env_weight": 0.0}, channels={"env": {**CHANNEL, "mean_per_episode": 0.0}})
    assert "saturated" not in diagnose(0.0, NEVER, measured)
