"""Options that are settings of a job have one definition: the fields of the spec."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest
from running import in_process

import rewardsmith
from rewardsmith.cli.asked_job import AskedJob, read_job
from rewardsmith.cli.options import SETTINGS
from rewardsmith.spec import JobSpec
from scripts.make_options import TARGET, options_text

OWN = {"task", "steps", "options", "weights", "transforms", "training", "budget"}
"""Arguments of design() whose default is not the field's: a mapping is None, and steps are the task's own."""


def test_the_generated_options_match_the_spec():
    """Run `python -m scripts.make_options` to update the file."""
    assert TARGET.read_text(encoding="utf-8") == options_text()


MEASURED = {"description", "prompts", "score", "training_defaults"}
"""Fields that a job fills when it is created."""


def test_design_takes_the_settings_of_the_spec():
    parameters = inspect.signature(rewardsmith.design).parameters
    fields = {name: field for name, field in JobSpec.model_fields.items() if name not in MEASURED}
    assert set(parameters) == {*fields, "home", "slots"}
    for name in set(fields) - OWN:
        assert parameters[name].default == fields[name].default, name
    assert all(parameters[name].default is None for name in OWN - {"task"})


def test_design_describes_a_setting_as_the_spec_does():
    documentation = " ".join((inspect.getdoc(rewardsmith.design) or "").split())
    for name, field in JobSpec.model_fields.items():
        if name not in MEASURED:
            text = field.description or ""
            assert f"{name}: {text[:1].upper()}{text[1:]}" in documentation, name


def test_every_option_sets_its_field():
    given = {
        "combine": ["count"], "options": ["count.weight=0.02"], "weights": ["env=2"], "fallback_models": ["synth"],
        "transforms": ["count=delta"], "training.align": "gradient",
        "episode_cap": "auto", "training.device": "auto", "record": Path("r"), "confirm": 0, "target": 0.5,
    }  # fmt: skip
    kinds = {"str": "synth", "int": 7, "float": 3.0, "bool": True}
    for setting, option in SETTINGS.items():
        kind = str(option.__origin__).removesuffix(" | None")
        given.setdefault(setting, kinds.get(kind, "none"))
    given |= {"task": "CartPole-v1", "steps": 2000, "prompt_tokens": 1000, "answer_tokens": 64, "method": "free"}
    given |= {"api_base": "http://localhost"}
    del given["replay"]
    spec = read_job(AskedJob(given), None)[0].model_dump()
    for setting, value in given.items():
        outer, _, inner = setting.partition(".")
        found = spec[outer][inner] if inner else spec[outer]
        wanted = {"options": {"count": {"weight": 0.02}}, "weights": {"env": 2.0}, "combine": ("count",)}
        wanted |= {"transforms": {"count": "delta"}}
        wanted |= {"fallback_models": ("synth",), "record": str(Path("r").resolve())}
        assert found == wanted.get(setting, value), setting


def test_the_environment_names_the_model_by_default(tmp_path):
    run = ("run", "--dry-run", "--task", "MiniGrid-Empty-5x5-v0", "--samples", "1")
    nobody, unasked = {"REWARDSMITH_MODEL": "none"}, "at most 0 calls"
    assert unasked in in_process(tmp_path, *run, env=nobody).stdout
    assert unasked not in in_process(tmp_path, *run).stdout
    assert unasked not in in_process(tmp_path, *run, "--model", "synth", env=nobody).stdout
    (tmp_path / "spec.yaml").write_text("model: synth\n")
    assert unasked not in in_process(tmp_path, *run, "--spec", "spec.yaml", env=nobody).stdout


def test_the_current_folder_does_not_name_the_model(tmp_path):
    (tmp_path / ".env").write_text("REWARDSMITH_MODEL=none\n")
    ran = in_process(tmp_path, "run", "--dry-run", "--task", "MiniGrid-Empty-5x5-v0", "--samples", "1")
    assert ran.returncode == 0 and "at most 0 calls" not in ran.stdout, ran.stderr
    assert "may not set" in ran.stderr and "REWARDSMITH_MODEL" in ran.stderr


def test_home_is_an_option_and_a_variable(small_job, tmp_path):
    home = small_job.folder / ".rewardsmith"
    for arguments, env in ((("--home", str(home)), {}), ((), {"REWARDSMITH_HOME": str(home)})):
        ran = in_process(tmp_path, *arguments, "ls", "--format", "json", env=env)
        assert ran.returncode == 0 and len(json.loads(ran.stdout)) == 1, ran.stderr


@pytest.mark.parametrize(("command", "option"), [("run", "--max-calls"), ("train", "--steps"), ("check", "--task")])
def test_help_comes_from_the_spec(tmp_path, command, option):
    shown = " ".join(in_process(tmp_path, command, "--help").stdout.split())
    texts = {"--max-calls": "Limit on language-model calls.", "--steps": "Environment steps of a full trial."}
    texts["--task"] = "Task id, or the path of a YAML file that describes a task."
    assert re.search(rf"{option} <\w+> {re.escape(texts[option])}", shown), shown


KNOWN = """
--task --spec --method --with --weight --transform --align --option
--language-model --model --designer-model --critic-model
--analyzer-model --fallback-model --api-base --stream --no-stream --prompt-tokens --answer-tokens --record --replay
--iterations --samples --steps --seeds --confirm --target --train-anyway --retrain --no-retrain --episode-cap
--claim-layouts --prompts-dir
--planner --no-planner --seed --seed-reward --max-seconds --max-steps --max-calls --max-tokens --max-dollars --device
--set --slots --allow-weak-sandbox --no-allow-weak-sandbox --dry-run --help
"""


def test_run_keeps_the_names_of_its_options(tmp_path):
    """Users' scripts contain the options; a renamed field keeps its option."""
    shown = in_process(tmp_path, "run", "--help").stdout
    assert set(re.findall(r"(?<![\w`])--[a-z][\w-]*", shown)) == set(KNOWN.split())


@pytest.mark.parametrize("value", ["abc", "0"])
def test_wrong_slots_in_the_environment_are_cause_and_remedy(tmp_path, value):
    ran = in_process(tmp_path, "run", "--task", "CartPole-v1", env={"REWARDSMITH_SLOTS": value})
    assert ran.returncode == 2 and "REWARDSMITH_SLOTS" in ran.stderr and len(ran.stderr.splitlines()) == 2
