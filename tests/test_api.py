"""The public functions design, check, train, export and load, and the representations of their results."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import rewardsmith
from rewardsmith.cli.asked_job import AskedJob, read_job
from rewardsmith.errors import UsageError
from rewardsmith.results import CandidateResult, CheckResult, CheckVerdict, ExportResult, JobResult

TASK = "MiniGrid-DoorKey-5x5-v0"
SPARSE = "def reward(prev, action, state, memory):\n    return 1.0 if state.solved else 0.0\n"
EXPLOIT = "def reward(prev, action, state, memory):\n    return 1.0\n"
HOSTILE = '<script>alert(1)</script> & "x" \u202e'
HEAVY = ("torch", "numpy", "pydantic", "sqlalchemy", "gymnasium", "numba")


@pytest.fixture(scope="module")
def home(small_job):
    return small_job.folder / ".rewardsmith"


@pytest.fixture(scope="module")
def loaded_job(home) -> JobResult:
    return rewardsmith.load(home=home)


def test_importing_the_package_loads_nothing_heavy():
    script = (
        "import sys, rewardsmith\n"
        "assert 'design' in dir(rewardsmith)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.stdout.strip() == "[]", ran.stderr


def test_the_package_declares_its_annotations_to_type_checkers():
    assert (Path(rewardsmith.__file__).parent / "py.typed").exists()
    built = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert "rewardsmith" in built["targets"]["wheel"]["packages"]  # with every file in it


def test_load_reads_a_job_with_its_claim_candidates_and_curves(loaded_job):
    assert loaded_job.state == "done" and loaded_job.task == TASK and loaded_job.method == "auto-mc-reward"
    assert loaded_job.claim is not None and len(loaded_job.claim.best.seeds) == 2 and loaded_job.claim.preliminary
    best = next(c for c in loaded_job.candidates if c.best)
    assert best.id == loaded_job.best and best.source == loaded_job.source and "def sparse" in best.source
    assert loaded_job.candidates[0].move == "baseline" and loaded_job.candidates[0].source == ""
    assert {point.purpose for point in loaded_job.curves} >= {"search", "confirm"}


def test_a_job_is_found_by_a_prefix_and_an_unknown_one_is_named(loaded_job, home):
    assert rewardsmith.load(loaded_job.job_id[:4], home=home).job_id == loaded_job.job_id
    with pytest.raises(UsageError, match="There is no job"):
        rewardsmith.load("none", home=home)


def test_a_job_consists_of_plain_records(loaded_job):
    candidates, curves = loaded_job.to_records(), loaded_job.to_records("curves")
    assert len(candidates) == len(loaded_job.candidates) and candidates[0]["id"] == loaded_job.candidates[0].id
    assert len(curves) == len(loaded_job.curves) and 0 <= curves[0]["success"] <= 1
    seeds = loaded_job.to_records("claim")
    assert len(seeds) == 4 and {row["candidate"] for row in seeds} == {loaded_job.best, f"{loaded_job.job_id}-sparse"}
    json.dumps([candidates, curves, seeds], allow_nan=False)


def test_a_job_is_json(loaded_job):
    values = json.loads(loaded_job.to_json())
    assert values["claim"]["verdict"] == loaded_job.claim.verdict
    # Two seeds give an infinite interval, and JSON has no infinite numbers.
    assert "Infinity" not in loaded_job.to_json() and len(values["candidates"]) == len(loaded_job.candidates)


def test_a_notebook_shows_a_job(loaded_job):
    shown = loaded_job._repr_html_()
    assert loaded_job.job_id in shown and loaded_job.claim.verdict in shown and "def sparse" in shown


def hostile_job() -> JobResult:
    candidate = CandidateResult("a-1a", 1, "new", "rejected", False, None, None, None, 0, None, HOSTILE, HOSTILE)
    return JobResult("a", HOSTILE, HOSTILE, "failed", HOSTILE, "a-1a", HOSTILE, False, None, (candidate,))


def hostile_check() -> CheckResult:
    verdict = CheckVerdict(HOSTILE, False, HOSTILE, {})
    soundness = {"headline": HOSTILE}
    return CheckResult(HOSTILE, (), 0.9, False, (verdict,), {HOSTILE: HOSTILE}, soundness, None, None, {}, ())


@pytest.mark.parametrize("result", [hostile_job(), hostile_check(), ExportResult(HOSTILE, HOSTILE, (), (HOSTILE,))])
def test_untrusted_text_is_never_html(result):
    shown = result._repr_html_()
    assert "&lt;script&gt;" in shown and "<script" not in shown and "\u202e" not in shown


def test_check_reports_a_sound_reward(tmp_path):
    (tmp_path / "reward.py").write_text("\ufeff" + SPARSE, encoding="utf-8")
    found = rewardsmith.check(TASK, tmp_path / "reward.py", layouts=1)
    assert found.passed and found.soundness["headline"].startswith("sound on 1") and found.counterexamples == ()
    assert found.to_records()[0]["check"] == "gate" and found.verdict("battery").passed
    assert found.soundness["headline"] in found._repr_html_()
    assert json.loads(found.to_json())["passed"] is True
    assert rewardsmith.check(TASK, str(tmp_path / "reward.py"), layouts=1).difficulty == found.difficulty


def test_counterexamples_are_played_by_the_next_check(tmp_path):
    found = rewardsmith.check(TASK, EXPLOIT, layouts=1)
    assert not found.passed and "never solves" in found.counterexamples[0]["text"]
    assert found.save_counterexamples(tmp_path / "exploits.json") == 1
    assert rewardsmith.check(TASK, SPARSE, layouts=1, exploits=tmp_path / "exploits.json").passed


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ({"reward": "def other():\n    return 0\n"}, "defines neither"),
        ({"reward": "nowhere.py"}, "Cannot read"),
        ({"gamma": 1.5}, "gamma"),
        ({"task": "MiniGrid-DorKey-5x5-v0"}, "DorKey"),
    ],
)
def test_check_refuses_wrong_arguments(arguments, cause):
    with pytest.raises(UsageError, match=cause):
        rewardsmith.check(**{"task": TASK, "reward": SPARSE, **arguments})


def test_check_accepts_a_user_s_minigrid_environment():
    from minigrid.envs import EmptyEnv

    class Small(EmptyEnv):
        """A room of 5 x 5."""

    found = rewardsmith.check(lambda: Small(size=5), SPARSE, name="small", layouts=1)
    assert found.passed and found.task == "small" and found.soundness["headline"].startswith("sound")
    with pytest.raises(UsageError, match="not a gymnasium"):
        rewardsmith.check(5, SPARSE)


def test_export_writes_the_same_files_as_the_command(loaded_job, home, small_job, tmp_path):
    written = rewardsmith.export(loaded_job.job_id, tmp_path / "out", home=home)
    assert written.candidate == loaded_job.best and written.notes == ()
    names = {path.name for path in written.files}
    assert names >= {"reward.py", "card.md", "manifest.json", "transitions.npz", "policy.safetensors"}
    assert {row["file"] for row in written.to_records()} == {str(path) for path in written.files}
    assert "reward.py" in written._repr_html_() and json.loads(written.to_json())["candidate"] == loaded_job.best
    assert "every replayed reward matches the recorded one" in small_job.run("verify", str(tmp_path / "out")).stdout
    with pytest.raises(UsageError, match="not empty"):
        rewardsmith.export(loaded_job.best, tmp_path / "out", home=home)


def test_design_refuses_a_setting_that_does_not_exist(tmp_path):
    with pytest.raises(TypeError, match="stepz"):
        rewardsmith.design(TASK, stepz=1)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="iterations"):
        rewardsmith.design(TASK, home=tmp_path, iterations=0)


@pytest.mark.integration
def test_train_accepts_source_text_and_trains_a_baseline(tmp_path):
    few = {"eval_episodes": 10, "final_episodes": 20}
    done = rewardsmith.train("MiniGrid-Empty-5x5-v0", SPARSE, steps=2048, settings={"training": few}, home=tmp_path)
    assert done.state == "done" and done.method == "free" and done.claim is not None
    assert [c.move for c in done.candidates] == ["baseline", "new"] and done.source == SPARSE


@pytest.mark.parametrize("given", [{}, {"method": "free", "steps": 120_000, "training": {"entropy": 0.01}}])
def test_design_creates_the_same_job_as_the_command(monkeypatch, given):
    """The fingerprints are equal, so each resumes the other's unfinished job."""
    asked = []
    monkeypatch.setattr("rewardsmith.api._finished", lambda context, spec, source, slots: asked.append(spec))
    monkeypatch.setattr("rewardsmith.api._context", lambda home: None)
    rewardsmith.design(TASK, **given)
    command = read_job(AskedJob({"task": TASK, **given}), None)[0]
    assert asked == [command] and asked[0].fingerprint() == command.fingerprint()
