"""rewardsmith designs reward functions for sparse-reward reinforcement learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rewardsmith.api import check, design, export, load, train
    from rewardsmith.errors import RewardsmithError, UsageError
    from rewardsmith.reporting.queries import Arm, Claim
    from rewardsmith.results import CandidateResult, CheckResult, CheckVerdict, CurvePoint, ExportResult, JobResult

__version__ = "0.1.0"
__all__ = [
    "Arm",
    "CandidateResult",
    "CheckResult",
    "CheckVerdict",
    "Claim",
    "CurvePoint",
    "ExportResult",
    "JobResult",
    "RewardsmithError",
    "UsageError",
    "__version__",
    "check",
    "design",
    "export",
    "load",
    "train",
]

_MODULES = {
    "rewardsmith.api": ("check", "design", "export", "load", "train"),
    "rewardsmith.errors": ("RewardsmithError", "UsageError"),
    "rewardsmith.reporting.queries": ("Arm", "Claim"),
    "rewardsmith.results": (
        "CandidateResult",
        "CheckResult",
        "CheckVerdict",
        "CurvePoint",
        "ExportResult",
        "JobResult",
    ),
}


def __getattr__(name: str) -> Any:
    # The public functions import the database and the trainer; `import rewardsmith` alone loads neither.
    from importlib import import_module

    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'rewardsmith' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
