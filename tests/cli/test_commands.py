"""Every command on a real finished job, and every error as a cause and a remedy."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys

import pytest
from running import FEW_EPISODES, in_process, rewardsmith


def test_a_run_ends_with_the_claim_and_the_next_command(small_job):
    text = small_job.output
    assert "synth" in text and "not a language model" in text
    assert "final evaluation: 2 fresh seeds, preliminary" in text
    assert "verdict:" in text and "rewardsmith export" in text


def test_ls_and_show_in_every_format(small_job):
    rows = json.loads(small_job.run("ls", "--format", "json").stdout)
    assert len(rows) == 1 and rows[0]["state"] == "done"
    assert small_job.run("ls", "--format", "csv").stdout.startswith("job,task")
    job = rows[0]["job"]
    shown = small_job.run("show", job[:4]).stdout
    assert job in shown and "oracle-informed" in shown and "environment steps" in shown
    best = json.loads(small_job.run("show", "best", "--format", "json").stdout)[0]
    assert best["id"] == rows[0]["best"] and {c["kind"] for c in best["checks"]} >= {"gate", "battery", "critic"}


def test_show_states_trained_and_played_steps_by_purpose(small_job):
    shown = small_job.run("show").stdout
    for words in ("steps of the search: ", "steps of the final evaluation: ", "trained; also played: ", "in checks",
                  "for the learning curve", "for the final success rate", "for greedy success"):  # fmt: skip
        assert words in " ".join(shown.split()), words
    assert "smallest number of episodes" not in shown
    rows = json.loads(small_job.run("show", "--format", "json").stdout)
    assert all(row["played"] > 0 for row in rows if row["steps"])


def test_no_trial_of_a_finished_job_runs_in_the_table(small_job):
    with sqlite3.connect(small_job.folder / ".rewardsmith/rewardsmith.db") as database:
        states = {state for (state,) in database.execute("SELECT state FROM trials")}
    assert states <= {"done", "stopped"}


def test_show_candidate_has_code_checks_components_curve_and_cost(small_job):
    shown = small_job.run("show", "best").stdout
    for word in ("def sparse", "determinism", "component", "nonzero steps", "cost:", "sandbox", "kernel"):
        assert word in shown, word


@pytest.mark.parametrize(
    "command", [["tree"], ["why"], ["calls"], ["logs"], ["tasks", "list", "DoorKey"], ["db", "current"]]
)
def test_reading_commands_exit_with_0(small_job, command):
    ran = small_job.run(*command)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout or ran.stderr


def test_compare_shows_a_diff(small_job):
    job = json.loads(small_job.run("ls", "--format", "json").stdout)[0]["job"]
    ran = small_job.run("compare", f"{job}-1a", f"{job}-1b")
    assert ran.returncode == 0, ran.stderr
    assert "+++" in ran.stdout


def test_curves_writes_a_picture(small_job, tmp_path):
    ran = small_job.run("curves", "--out", str(tmp_path / "c.png"))
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def exported(small_job, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "out"
    ran = small_job.run("export", "latest", "--best", "--out", str(folder))
    assert ran.returncode == 0, ran.stderr
    return folder


def test_export_verifies_and_a_changed_reward_does_not(small_job, exported, tmp_path):
    assert "every replayed reward matches the recorded one" in small_job.run("verify", str(exported)).stdout
    edited = tmp_path / "edited"
    shutil.copytree(exported, edited)
    text = (edited / "reward.py").read_text()
    (edited / "reward.py").write_text(text.replace("return 1.0", "return 2.0"))
    ran = small_job.run("verify", str(edited))
    assert ran.returncode == 1 and "edited" in ran.stderr
    # A change outside the program changes the rewards.
    (edited / "reward.py").write_text(
        text.replace("Channel(name='dense', weight=0.1", "Channel(name='dense', weight=0.2")
    )
    ran = small_job.run("verify", str(edited))
    assert ran.returncode == 1 and "rewards differ" in ran.stderr


def test_the_card_states_scores_seeds_hashes_and_versions(exported):
    card = (exported / "card.md").read_text()
    assert "nan" not in card and card.count(" % [") >= 2, "a score without its interval"
    for word in ("fresh seeds, preliminary", "oracle-informed", "sha256", "stable-baselines3", "greedy", "10000"):
        assert word in card, word
    assert (exported / "policy.safetensors").exists()


def test_a_job_leaves_nothing_in_the_temporary_folder(small_job):
    assert [path.name for path in small_job.temporary.iterdir()] == []


def test_the_exported_wrapper_works_with_plain_sb3_and_without_rewardsmith(exported, tmp_path):
    import subprocess

    script = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, *_):\n"
        "        assert name.split('.')[0] not in ('rewardsmith', 'sandbox', 'workers'), name\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import gymnasium, minigrid, reward\n"
        "from minigrid.wrappers import FlatObsWrapper\n"
        "from stable_baselines3 import PPO\n"
        "env = FlatObsWrapper(reward.wrap(gymnasium.make('MiniGrid-DoorKey-5x5-v0')))\n"
        "PPO('MlpPolicy', env, n_steps=64, batch_size=64, device='cpu').learn(256)\n"
        "env.reset(seed=0)\n"
        "_, r, _, _, info = env.step(0)\n"
        "assert isinstance(r, float) and 'env_reward' in info, info\n"
        "print('fine')\n"
    )
    quiet = {**os.environ, "TMPDIR": str(tmp_path)}  # SB3 itself leaves a temporary folder for each learner
    ran = subprocess.run([sys.executable, "-c", script], cwd=exported, capture_output=True, text=True, env=quiet)
    assert ran.stdout.strip() == "fine", ran.stderr


def test_train_accepts_an_exported_reward_file(exported, tmp_path):
    asked = ("--task", "MiniGrid-DoorKey-5x5-v0", "--steps", "2048", *FEW_EPISODES, "--set", "verification=false")
    ran = rewardsmith(tmp_path, "train", "--reward", str(exported / "reward.py"), *asked)
    assert ran.returncode == 0, ran.stderr
    assert "final evaluation: 1 fresh seed," in ran.stdout


@pytest.mark.slow
def test_train_accepts_a_potential_in_any_file(tmp_path):
    """tests/test_api.py trains source text, which takes the same way."""
    own = tmp_path / "mine.py"
    own.write_text("def potential(state, memory):\n    return -0.1 * abs(state.agent.x - 3)\n")
    asked = ("--task", "MiniGrid-Empty-5x5-v0", "--steps", "2048", *FEW_EPISODES)
    ran = rewardsmith(tmp_path, "train", "--reward", str(own), *asked)
    assert ran.returncode == 0, ran.stderr
    assert "final evaluation: 1 fresh seed," in ran.stdout


ERRORS = {
    "unknown task": (["run", "--task", "MiniGrid-DorKey-8x8-v0"], 2, "Did you mean MiniGrid-DoorKey-8x8-v0"),
    "no task": (["run"], 2, "--task"),
    "wrong option": (["run", "--task", "CartPole-v1", "--iteratons", "3"], 2, "--iterations"),
    "wrong value": (["run", "--task", "CartPole-v1", "--target", "7"], 2, "target"),
    "unreadable spec": (["run", "--spec", "nothing.yaml"], 2, "nothing.yaml"),
    "no reward file": (["train", "--reward", "no.py", "--task", "CartPole-v1"], 2, "no.py"),
    "no database": (["show"], 1, "rewardsmith run"),
    "not an export": (["verify", "."], 2, "export"),
    "unknown price": (
        ["run", "--task", "CartPole-v1", "--model", "ollama/nothing", "--max-dollars", "1"],
        2,
        "--max-tokens",
    ),
    "small budget": (["run", "--task", "CartPole-v1", "--max-steps", "5000"], 2, "claim"),
    "unknown method": (["run", "--task", "CartPole-v1", "--method", "magic"], 2, "auto-mc-reward"),
}


@pytest.mark.parametrize("name", list(ERRORS))
def test_errors_are_a_cause_and_a_remedy(name, tmp_path):
    arguments, code, words = ERRORS[name]
    ran = in_process(tmp_path, *arguments)
    assert ran.returncode == code, ran.stderr
    lines = ran.stderr.strip().splitlines()
    assert lines[0].startswith("error: ") and len(lines) == 2, ran.stderr
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_misspelt_key_in_a_spec_names_the_right_one(tmp_path):
    (tmp_path / "job.yaml").write_text("task: CartPole-v1\nitterations: 3\n")
    ran = in_process(tmp_path, "run", "--spec", "job.yaml")
    assert ran.returncode == 2 and "did you mean `iterations`" in ran.stderr


@pytest.mark.parametrize("command", [("run", "--seed-reward"), ("train", "--reward"), ("check",)])
def test_a_file_that_is_not_python_is_reported_with_its_line(tmp_path, command):
    (tmp_path / "bad.py").write_text("x = 1\ndef reward(prev, action, state, memory)\n    return 0.0\n")
    ran = in_process(tmp_path, *command, "bad.py", "--task", "CartPole-v1")
    assert ran.returncode == 2 and "line 2: expected ':'" in ran.stderr


def test_version_and_help_without_a_command(tmp_path):
    assert in_process(tmp_path, "--version").stdout.startswith("rewardsmith ")
    ran = in_process(tmp_path)
    assert ran.returncode == 0 and "Usage:" in ran.stdout and not ran.stderr


def test_an_error_in_a_reward_file_names_its_line(tmp_path):
    (tmp_path / "bad.py").write_text("def reward(prev, action, state, memory):\n    return open('/etc/passwd')\n")
    ran = rewardsmith(tmp_path, "train", "--reward", "bad.py", "--task", "CartPole-v1", "--steps", "2048")
    assert ran.returncode == 1
    assert "line 2" in in_process(tmp_path, "why").stdout


def test_a_missing_key_is_reported_before_training(tmp_path):
    no_keys = {"OPENAI_API_KEY": ""}
    ran = in_process(tmp_path, "run", "--task", "CartPole-v1", "--critic-model", "openai/gpt-4o", env=no_keys)
    assert ran.returncode == 1
    assert len(ran.stderr.strip().splitlines()) == 2 and "export OPENAI_API_KEY" in ran.stderr
    assert json.loads(in_process(tmp_path, "ls", "--format", "json").stdout) == []


def test_any_setting_of_a_spec_can_be_given_on_the_command_line(tmp_path):
    ran = in_process(tmp_path, "run", "--task", "CartPole-v1", "--set", "training.entropi=0.1")
    assert ran.returncode == 2 and "did you mean `entropy`" in ran.stderr
    ran = in_process(tmp_path, "train", "--reward", "x.py", "--task", "CartPole-v1", "--set", "entropy")
    assert ran.returncode == 2


def test_an_unknown_candidate_names_the_known_ones(small_job):
    ran = small_job.run("show", "best-of-all")
    assert ran.returncode == 2


def test_a_database_of_another_version_is_reported(small_job, tmp_path):
    shutil.copytree(small_job.folder / ".rewardsmith", tmp_path / ".rewardsmith")
    database = sqlite3.connect(tmp_path / ".rewardsmith" / "rewardsmith.db")
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.commit()
    ran = in_process(tmp_path, "ls")
    assert ran.returncode == 1 and "newer than this program" in ran.stderr


def test_the_documented_queries_run(small_job):
    from pathlib import Path

    text = (Path(__file__).parents[2] / "docs" / "database.md").read_text()
    queries = [part.split("```")[0] for part in text.split("```sql\n")[1:]]
    assert len(queries) >= 3
    database = sqlite3.connect(small_job.folder / ".rewardsmith" / "rewardsmith.db")
    for query in queries:
        assert database.execute(query).fetchall(), query


def test_a_recording_without_its_first_line_is_named_where_no_task_is(tmp_path):
    (tmp_path / "cut.jsonl").write_text("[]\n")
    ran = in_process(tmp_path, "run", "--replay", "cut.jsonl")
    assert ran.returncode == 2 and "cut.jsonl does not begin with a job's settings" in ran.stderr
