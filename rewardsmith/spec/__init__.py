"""The settings of a job: JobSpec, with its budget (Budget) and its training settings (TrainingSpec)."""

from rewardsmith.spec.job import (
    CLAIM_LAYOUTS,
    Budget,
    JobSpec,
    TaskDescription,
    TrainingDefaults,
    read_spec,
    read_spec_file,
    with_changes,
    with_defaults,
)
from rewardsmith.spec.presets import default_steps, default_training
from rewardsmith.spec.training import TrainingSpec

__all__ = [
    "CLAIM_LAYOUTS",
    "Budget",
    "JobSpec",
    "TaskDescription",
    "TrainingDefaults",
    "TrainingSpec",
    "default_steps",
    "default_training",
    "read_spec",
    "read_spec_file",
    "with_changes",
    "with_defaults",
]
