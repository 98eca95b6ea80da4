"""`rewardsmith calibrate`: fits the teacher policy of ULPS without a job, and reports its calibration."""

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
    """The calibration of a teacher policy.

    Attributes:
        figures: Figures of the calibration, by name; see methods/teacher/calibration.py.
        folder: Folder of the fitted model.
        files: Files written to the folder that the user named.
    """

    figures: dict[str, Any]
    folder: Path
    files: list[Path]


def calibrate_teacher(
    task: str, options: dict[str, Any], out: Path | None, told: Callable[[str], None] | None = None
) -> TeacherReport:
    """Fit the language model that a ULPS job with `options` uses, unless it is fitted already, and read its report.

    Args:
        task: Task id.
        options: Options of the method `ulps`, by name.
        out: Folder for report.json and reliability.png; None writes no files.
        told: Receives progress messages of the fit.

    Raises:
        UsageError: The task is unknown, has no teacher, or an option is invalid.
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
