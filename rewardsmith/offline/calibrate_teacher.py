"""The language model of ULPS without a job: fitted if need be, its calibration, its picture."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewardsmith.methods.recipe import recipe_of
from rewardsmith.spec import JobSpec
from rewardsmith.tasks import get_task


@dataclass(frozen=True)
class TeacherReport:
    """What `rewardsmith calibrate` shows. figures: see methods/teacher/calibration.py; folder: where the model is kept;
    files: what was written beside the user's work."""

    figures: dict[str, Any]
    folder: Path
    files: list[Path]


def calibrate_teacher(
    task: str, options: dict[str, Any], out: Path | None, told: Callable[[str], None] | None = None
) -> TeacherReport:
    """Fit the language model that a ULPS job with `options` would use, unless it is there, and read its report.

    `told` hears how the fit goes. Writes report.json and reliability.png into `out`, if given. Raises UsageError.
    """
    from rewardsmith.methods.ulps import teacher_of

    found = get_task(task)
    recipe = recipe_of(JobSpec(task=task, method="ulps", options={"ulps": options}))
    recipe.program(found)
    teacher = teacher_of(found, recipe.options["ulps"], told)
    files: list[Path] = []
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        files = [Path(shutil.copy(teacher.folder / name, out)) for name in ("report.json", "reliability.png")]
    return TeacherReport(teacher.calibration.as_dict(), teacher.folder, files)
