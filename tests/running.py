"""Runs `rewardsmith` in a process of its own, or within the test's process."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

# Final evaluations take 1,000 episodes by default; most tests need fewer.
FEW_EPISODES = ("--set", "training.eval_episodes=10", "--set", "training.final_episodes=20")


def rewardsmith(
    folder: Path, *arguments: str, timeout: float = 600, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `rewardsmith` in `folder`, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "rewardsmith.cli.main", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**clean_environment(), **(env or {})},
    )


def in_process(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `rewardsmith` in `folder` within this process, which saves the imports; for commands without a job."""
    from rewardsmith.cli.main import main
    from rewardsmith.config import settings

    out, err, here, code = io.StringIO(), io.StringIO(), Path.cwd(), 0
    with (
        mock.patch.dict(os.environ, {**clean_environment(), **(env or {})}, clear=True),
        mock.patch.object(sys, "argv", ["rewardsmith", *arguments]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        # A command of an earlier test may have set it in this process.
        os.environ.pop("REWARDSMITH_ENV_FILE_ANNOUNCED", None)
        settings.cache_clear()
        os.chdir(folder)
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            os.chdir(here)
            settings.cache_clear()
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def fork_server() -> multiprocessing.context.BaseContext:
    """A context for processes that share a database, forked from a server that has imported their modules."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "alembic.config", "rewardsmith.engine.jobs.service"])
    return context


def clean_environment() -> dict[str, str]:
    """This process's environment without rewardsmith's home and database."""
    ours = ("REWARDSMITH_HOME", "REWARDSMITH_DATABASE_URL")
    return {k: v for k, v in os.environ.items() if k not in ours}


PLANTED = (
    *("argparse", "json", "socket", "signal", "threading", "subprocess", "logging", "fcntl", "selectors", "secrets"),
    *("queue", "tempfile", "uuid", "numpy", "sqlalchemy", "pydantic", "torch", "celery", "kombu", "billiard", "yaml"),
    *("rewardsmith", "workers", "sandbox", "sitecustomize", "usercustomize", "tblib", "django", "gevent"),
)
"""Modules that some process might import."""


def plant_modules(folder: Path, record: Path) -> list[Path]:
    """Write a module of every name in PLANTED into a folder; one that is imported adds its name to `record`."""
    planted = []
    for name in PLANTED:
        planted.append(folder / f"{name}.py")
        planted[-1].write_text(f"open({str(record)!r}, 'a').write('{name} ')\n")
    return planted
