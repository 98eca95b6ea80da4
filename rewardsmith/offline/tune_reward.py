"""`rewardsmith tune`: chooses the numbers that a program leaves open (PARAMS) by the checks, without training.

Optuna's study is in memory and seeded. A setting that fails a check loses to every setting that passes; among those
that pass, the smaller predicted difficulty wins. A job can then train the best settings against each other. It gets
them as the answers of its designer: its candidates are their rows, and its claim counts all steps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rewardsmith.errors import UsageError
from rewardsmith.offline.check_reward import CheckedReward, check_reward
from rewardsmith.programs.params import middle, ranges_of, with_values

_FAILED = 1e6  # more than any predicted difficulty
_WIDE = 10.0  # a range is searched on a logarithmic scale if its ends differ by this factor


@dataclass(frozen=True)
class Tuned:
    """The result of a search.

    Attributes:
        source: The program with the chosen numbers.
        values: The chosen numbers.
        difficulty: Its predicted difficulty; None if no setting passed the checks.
        passed: Number of settings that passed.
        tried: Number of settings that were checked.
        ranked: The programs of the settings that passed, the smallest predicted difficulty first, each once.
    """

    source: str
    values: dict[str, float]
    difficulty: float | None
    passed: int
    tried: int
    ranked: tuple[str, ...] = ()


def write_race(path: Path, programs: Sequence[str]) -> None:
    """Write programs as the answers of a job's designer, for `--designer-model listed:FILE`.

    Raises:
        UsageError: There are no programs.
    """
    if not programs:
        raise UsageError(
            "No setting passed the checks, so none can be trained.", "Widen the ranges, or raise --trials."
        )
    path.write_text(json.dumps({"designer": [f"```python\n{source}```\n" for source in programs]}), encoding="utf-8")
    path.with_suffix(".designer").unlink(missing_ok=True)  # how many answers an earlier job has taken


def tune_reward(
    source: str, task: str, trials: int = 20, layouts: int = 4, seed: int = 0, tell: Callable[[str], None] = print
) -> Tuned:
    """Search the numbers of a program. The first setting is the middle of every range.

    Args:
        source: A program with PARAMS.
        task: The task's id.
        trials: Number of settings to check.
        layouts: Number of layouts per check.
        seed: Seed of Optuna's sampler.
        tell: Receives a line for each setting.

    Raises:
        UsageError: The program declares no range, or Optuna is not installed.
    """
    ranges = ranges_of(source)
    if not ranges:
        raise UsageError(
            "The program declares no PARAMS.", 'Write PARAMS = {"near": (0.01, 0.3)} and read PARAMS["near"].'
        )
    try:
        import optuna
    except ImportError:
        raise UsageError("Optuna is not installed.", "pip install 'rewardsmith[train]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial({name: middle(*ends) for name, ends in ranges.items()})
    difficulties: list[float] = []
    passed: dict[str, float] = {}

    def objective(trial: optuna.Trial) -> float:
        values = {
            n: _rounded(trial.suggest_float(n, *ends, log=_logarithmic(*ends)), *ends) for n, ends in ranges.items()
        }
        program = with_values(source, values)
        checked = check_reward(program, task, layouts=layouts)
        if checked.passed and checked.difficulty is not None:
            difficulties.append(checked.difficulty)
        tell(f"{_said(values)}: {_outcome(checked)}")
        trial.set_user_attr("values", values)
        if not checked.passed:
            return _FAILED
        passed[program] = _FAILED / 2 if checked.difficulty is None else checked.difficulty
        return passed[program]

    study.optimize(objective, n_trials=trials)
    values = dict(study.best_trial.user_attrs["values"])
    best = min(difficulties, default=None)
    ranked = tuple(sorted(passed, key=passed.__getitem__))
    return Tuned(with_values(source, values), values, best, len(difficulties), trials, ranked)


def _logarithmic(low: float, high: float) -> bool:
    return low > 0 and high / low >= _WIDE


def _rounded(value: float, low: float, high: float) -> float:
    return min(max(float(f"{value:.4g}"), low), high)


def _said(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())


def _outcome(checked: CheckedReward) -> str:
    failed = next((v.kind for v in checked.checked.verdicts if not v.passed), None)
    if failed is not None:
        return f"failed check {failed}"
    return "passed" if checked.difficulty is None else f"difficulty {checked.difficulty:.2f}"
