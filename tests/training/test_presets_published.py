"""Published hyper-parameters become the defaults of the tasks that they are for, and the algorithm of `auto`."""

from __future__ import annotations

from typing import Any

import pytest

from rewardsmith.engine.jobs.settling import settle_training
from rewardsmith.errors import UsageError
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.reporting.text import training_words
from rewardsmith.spec import JobSpec, TrainingSpec, read_spec, with_defaults
from rewardsmith.spec.presets import Space, preset_of
from rewardsmith.spec.training import ALGORITHMS
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.task import DescribedTask, Description
from rewardsmith.training.fit import require_algorithm
from scripts import make_algorithm_table as made
from scripts.make_presets import translated
from tests.space_tasks import TASKS


def settled(task: Any, training: dict[str, Any], **values: Any) -> JobSpec:
    opened = get_task(task) if isinstance(task, str) else task
    spec = read_spec(with_defaults({"task": opened.id, "training": training, "method": "free", **values}))
    return settle_training(spec, opened, recipe_of(spec))


def stepping(monkeypatch: pytest.MonkeyPatch, seconds: float | None) -> None:
    monkeypatch.setattr("rewardsmith.engine.jobs.settling.step_seconds", lambda task, stored: seconds)


def test_a_published_entry_becomes_settings_or_is_named_as_left_out() -> None:
    entry = {
        "n_timesteps": 5e4, "policy": "MlpPolicy", "learning_rate": "lin_7.3e-4", "ent_coef": 0.1, "use_sde": True,
        "normalize": True, "policy_delay": 2, "train_freq": 32,
        "policy_kwargs": "dict(log_std_init=-3, net_arch=dict(pi=[64, 32], qf=[128]), activation_fn=nn.ReLU)",
    }  # fmt: skip
    settings, left_out = translated("sac", entry)
    assert settings == {
        "learning_rate": 7.3e-4, "lr_hold": 0.0, "final_lr": 0.0, "sde": True, "normalize_observation": True,
        "train_freq": 32, "hidden": [64, 32], "policy_kwargs": {"log_std_init": -3},
    }  # fmt: skip
    assert [each.split()[0] for each in left_out] == ["ent_coef", "policy_delay", "net_arch", "activation_fn"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("task", ["Pendulum-v1", "Walker2d-v5", "LunarLander-v3", "FetchPush-v4", "Unknown-v0"])
def test_a_preset_names_its_source_and_has_settings_of_its_algorithm(algorithm: str, task: str) -> None:
    preset = preset_of(task, algorithm, Space("box"))
    training = TrainingSpec.model_validate(preset.settings)
    assert training.algorithm == algorithm and preset.source
    assert set(preset.settings) - {"algorithm", "memory"} <= ALGORITHMS[algorithm].settings
    assert training.final_episodes == 200 and preset.steps <= 1_000_000


def test_a_preset_is_found_by_the_environment_of_a_described_task() -> None:
    task = DescribedTask(Description(id="Swing", env_id="Pendulum-v1", goal="Swing up.", max_steps=200, score="return"))
    spec = settled(task, {"algorithm": "sac", "gamma": 0.9})
    assert (spec.training.learning_rate, spec.training.gamma, spec.steps) == (1e-3, 0.9, 20_000)
    told = training_words(spec.model_dump(mode="json"))
    assert told == [
        "The training settings come from rl_zoo3 2.9.2, hyperparams/sac.yml, Pendulum-v1; set by you: gamma."
    ]


def test_a_user_s_arguments_of_a_policy_join_the_published_ones() -> None:
    given = {"algorithm": "sac", "policy_kwargs": {"log_std_init": -1.0}, "learning_starts": 10}
    spec = settled("MountainCarContinuous-v0", given, steps=9_000)
    assert spec.training.policy_kwargs == {"log_std_init": -1.0, "use_expln": True}
    assert (spec.training.sde, spec.steps, spec.training.learning_starts) == (True, 9_000, 10)
    assert "ent_coef 0.1" in training_words(spec.model_dump(mode="json"))[-1]


def test_published_rollouts_and_first_updates_fit_into_a_short_trial() -> None:
    ppo, td3 = (settled("Pendulum-v1", {"algorithm": name}, steps=5_000) for name in ("ppo", "td3"))
    assert ppo.training.num_envs * ppo.training.rollout_steps * 16 <= 5_000
    assert td3.training.learning_starts == 500
    assert td3.training_defaults is not None and "learning_starts 10000" in td3.training_defaults.left_out[-1]


@pytest.mark.parametrize(
    ("kind", "seconds", "algorithm"),
    [
        ("box action", 1e-3, "sac"),
        ("box action", 1e-5, "ppo"),
        ("discrete from -1", 1e-3, "dqn"),
        ("discrete from -1", 1e-5, "ppo"),
        ("multi-discrete", 1e-3, "ppo"),
        ("action mask", 1e-3, "ppo"),
    ],
)
def test_auto_chooses_by_actions_and_speed_and_says_why(
    kind: str, seconds: float, algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stepping(monkeypatch, seconds)
    spec = settled(TASKS[kind][0], {"algorithm": "auto"})
    assert spec.training.algorithm == algorithm
    first = training_words(spec.model_dump(mode="json"))[0]
    assert first.startswith(f"The algorithm is {algorithm}, chosen by auto: ")
    assert settle_training(spec, TASKS[kind][0], recipe_of(spec)) == spec, "the choice is not made again"


def test_auto_leaves_out_what_lacks_a_setting_or_does_not_fit_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    stepping(monkeypatch, 1e-3)
    assert settled("Pendulum-v1", {"algorithm": "auto", "clip_range": 0.1}).training.algorithm == "ppo"
    assert settled("Pendulum-v1", {"algorithm": "auto", "action_noise": 0.2}).training.algorithm == "td3"
    assert settled("Pendulum-v1", {"algorithm": "auto"}, combine=("rnd",)).training.algorithm == "ppo"
    with pytest.raises(UsageError, match="no algorithm for Pendulum-v1 that has all of"):
        settled("Pendulum-v1", {"algorithm": "auto", "clip_range": 0.1, "tau": 0.5})


def test_auto_measures_a_real_environment_and_not_the_compiled_engine() -> None:
    assert "steps a second" in training_words(settled("Pendulum-v1", {"algorithm": "auto"}).model_dump())[0]
    spec = settled("MiniGrid-Empty-5x5-v0", {"algorithm": "auto"})
    assert spec.training == settled("MiniGrid-Empty-5x5-v0", {}).training


def test_all_settings_that_an_algorithm_lacks_are_named_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        with_defaults({"task": "Pendulum-v1", "training": {"algorithm": "sac", "epochs": 5, "clip_range": 0.1}})
    assert "no settings `epochs` and `clip_range`" in caught.value.cause
    assert "`training.gradient_steps` instead of `epochs`" in caught.value.remedy
    assert "`training.algorithm` to ppo" in caught.value.remedy


def test_all_wrong_arguments_of_a_policy_are_named_at_once() -> None:
    given = {"policy_kwargs": {"net_arch": 3, "n_critic": 1, "log_std_init": 99}}
    with pytest.raises(UsageError) as caught:
        read_spec(with_defaults({"task": "Pendulum-v1", "training": given}))
    for words in ("set by `training.hidden`", "did you mean `n_critics`", "log_std_init must be from -20 to 20"):
        assert words in caught.value.cause


@pytest.mark.parametrize(
    ("kind", "training", "words"),
    [
        ("box action", {"algorithm": "maskable-ppo"}, "cannot choose continuous actions"),
        ("discrete from -1", {"algorithm": "maskable-ppo"}, "needs action masks"),
        ("action mask", {"algorithm": "recurrent-ppo"}, r"RecurrentPPO \(sb3-contrib\) takes no action masks"),
        ("action mask", {"algorithm": "dqn"}, "takes no action masks"),
    ],
)
def test_a_class_of_ppo_that_does_not_fit_is_refused(kind: str, training: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        require_algorithm(TASKS[kind][0], TrainingSpec.model_validate(training))


def test_recurrent_ppo_has_memory_and_maskable_ppo_takes_masks() -> None:
    assert TrainingSpec(algorithm="recurrent-ppo").memory == "lstm"
    with pytest.raises(UsageError, match="recurrent-ppo has `memory: lstm`"):
        read_spec(with_defaults({"task": "x", "training": {"algorithm": "recurrent-ppo", "memory": "none"}}))
    require_algorithm(TASKS["action mask"][0], TrainingSpec(algorithm="maskable-ppo"))


def test_the_tables_of_the_page_are_what_creating_a_job_refuses() -> None:
    page = made.PAGE.read_text()
    assert made.with_tables(page) == page, "run `make generate`"
    assert made.accepts_method("count", "ppo") and not made.accepts_method("count", "sac")
    assert made.accepts_setting("tau", "sac") and not made.accepts_setting("tau", "crossq")
