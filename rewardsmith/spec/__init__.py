"""The settings of a job: JobSpec, with its budget (Budget) and its training settings (TrainingSpec)."""

from rewardsmith.spec.job import (
    Budget,
    JobSpec,
    TaskDescription,
    read_spec,
    read_spec_file,
    with_changes,
    with_defaults,
)
from rewardsmith.spec.training import TrainingSpec, default_steps, default_training

__all__ = [
    "Budget",
    "JobSpec",
    "TaskDescription",
    "TrainingSpec",
    "default_steps",
    "default_training",
    "read_spec",
    "read_spec_file",
    "with_changes",
    "with_defaults",
]
