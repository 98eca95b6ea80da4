"""Results of earlier checks, kept in a folder: the same program on the same task with the same settings and version."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from rewardsmith.files import RECORD_BYTES, read_text
from rewardsmith.programs.problem import Problem
from rewardsmith.tasks.base import Behaviour
from rewardsmith.verification.checks import Checked, Proof, Verdict

MOST = 1000
"""Most results that a folder keeps; the oldest are removed."""


class KeptChecks:
    """A folder with one JSON file for each result.

    Args:
        folder: The folder; it is made when the first result is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> Checked | None:
        """Return the result of a key; None if it is not kept, or its file is damaged."""
        try:
            found = json.loads(read_text(self._folder / f"{key}.json", RECORD_BYTES))
            verdicts = [Verdict(**each) for each in found.pop("verdicts")]
            return Checked(verdicts, **found)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def put(self, key: str, checked: Checked) -> None:
        """Keep a result. A folder that cannot be written is left as it is: the result is computed again."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{key}.json"
            part = path.with_suffix(f".{os.getpid()}")
            part.write_text(json.dumps(asdict(checked)), encoding="utf-8")
            part.replace(path)
            kept = sorted(self._folder.glob("*.json"), key=lambda each: each.stat().st_mtime)
            for old in kept[:-MOST]:
                old.unlink(missing_ok=True)
        except OSError:
            return


def key_of(problem: Problem, proof: Proof, exploits: Sequence[Behaviour]) -> str:
    """Return the sha256 of all that a check depends on: reward, task, gamma, extent, sandbox level, and versions."""
    on = {
        "reward": problem.reward.hash,
        "task": problem.task.id,
        "gamma": problem.gamma,
        "isolation": problem.isolation.name,
        "proof": asdict(proof),
        "exploits": [asdict(each) for each in exploits],
        "versions": _versions(),
    }
    return hashlib.sha256(json.dumps(on, sort_keys=True).encode()).hexdigest()


@cache
def _versions() -> dict[str, Any]:
    """The version of Python, those of all installed packages, and a hash of the code of rewardsmith and its sandbox."""
    root, digest = Path(__file__).parents[2], hashlib.sha256()
    for folder in ("rewardsmith", "sandbox"):
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    packages = sorted({(each.name, each.version) for each in distributions()})
    machine = [platform.python_version(), platform.machine()]
    return {"machine": machine, "packages": packages, "code": digest.hexdigest()}
