"""The command line of benchmarks.tuning."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import benchmarks.tuning
from benchmarks.tuning import CASES, UPDATES, train

RESULTS = Path(__file__).parents[1] / "results"
JOURNAL = RESULTS / "tuning.journal"
HIDDEN = {"64, 64": (64, 64), "128, 64": (128, 64)}
# The first trials: the earlier defaults for grids of one room and of several rooms, and three settings chosen by hand.
FIRST: tuple[dict[str, Any], ...] = (
    {"rate": 7e-4, "updates": "4 x 1024", "gamma": 0.99, "gae_lambda": 0.95, "entropy": 0.003, "hidden": "64, 64",
     "rollout_steps": 64, "clip_range": 0.2, "schedule": "constant"},
    {"rate": 1e-3, "updates": "4 x 1024", "gamma": 0.97, "gae_lambda": 0.98, "entropy": 0.01, "hidden": "128, 64",
     "rollout_steps": 64, "clip_range": 0.2, "schedule": "constant"},
    {"rate": 1e-3, "updates": "2 x 256", "gamma": 0.97, "gae_lambda": 0.98, "entropy": 0.01, "hidden": "128, 64",
     "rollout_steps": 64, "clip_range": 0.2, "schedule": "success"},
    {"rate": 2e-3, "updates": "3 x 512", "gamma": 0.97, "gae_lambda": 0.95, "entropy": 0.005, "hidden": "128, 64",
     "rollout_steps": 64, "clip_range": 0.2, "schedule": "success"},
    {"rate": 1e-3, "updates": "2 x 256", "gamma": 0.97, "gae_lambda": 0.98, "entropy": 0.01, "hidden": "128, 64",
     "rollout_steps": 32, "clip_range": 0.2, "schedule": "success"},
)  # fmt: skip


def settings_of(trial: Any) -> dict[str, Any]:
    """The training settings that a trial of the study proposes."""
    epochs, batch = UPDATES[trial.suggest_categorical("updates", list(UPDATES))]
    return {
        "normalize_advantage": True,
        "normalize_reward": True,
        "learning_rate": trial.suggest_float("rate", 4e-4, 5e-3, log=True),
        "epochs": epochs,
        "batch_size": batch,
        "rollout_steps": trial.suggest_categorical("rollout_steps", [32, 64, 128]),
        "gamma": trial.suggest_categorical("gamma", [0.95, 0.97, 0.98, 0.99]),
        "gae_lambda": trial.suggest_categorical("gae_lambda", [0.9, 0.95, 0.98]),
        "entropy": trial.suggest_float("entropy", 1e-3, 3e-2, log=True),
        "entropy_schedule": trial.suggest_categorical("schedule", ["success", "constant"]),
        "hidden": HIDDEN[trial.suggest_categorical("hidden", list(HIDDEN))],
        "clip_range": trial.suggest_categorical("clip_range", [0.1, 0.2, 0.3]),
    }


def objective(trial: Any) -> float:
    """Mean value over the cases; stores each result as an attribute, and is pruned if far below other trials."""
    import optuna

    settings = settings_of(trial)
    values = []
    for number, case in enumerate(CASES):
        found = train(case, settings, seed=100 + number)
        trial.set_user_attr(f"{case.reward} on {case.task}", json.dumps(found))
        values.append(0.75 * found["area"] + 0.25 * found["greedy"])
        trial.report(sum(values) / len(values), number)
        if trial.should_prune():
            raise optuna.TrialPruned
    return sum(values) / len(values)


def open_study() -> Any:
    """The study in the journal; a new one starts with the settings FIRST."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    pruner = optuna.pruners.PercentilePruner(40.0, n_startup_trials=6, n_warmup_steps=2)
    study = optuna.create_study(
        study_name="ppo", storage=JournalStorage(JournalFileBackend(str(JOURNAL))), direction="maximize",
        load_if_exists=True, pruner=pruner, sampler=optuna.samplers.TPESampler(multivariate=True, n_startup_trials=12),
    )  # fmt: skip
    if not study.get_trials():
        for first in FIRST:
            study.enqueue_trial(first)
    return study


def table() -> None:
    """Write results/tuning.md from the completed trials."""
    trials = [t for t in open_study().get_trials() if t.value is not None and t.state.name == "COMPLETE"]
    best = sorted(trials, key=lambda t: -t.value)
    names = list(best[0].params) if best else []
    lines = [
        "# Settings of training", "",
        "Written by `python -m benchmarks.tuning table`: trials of the study that trained "
        f"every case ({len(trials)} of {len(open_study().get_trials())}), best first.", "",
        f"| value | {' | '.join(names)} |", "|" + "---|" * (len(names) + 1),
    ]  # fmt: skip
    for t in best:
        shown = (f"{v:.2g}" if isinstance(v, float) else str(v) for v in (t.params[n] for n in names))
        lines.append(f"| {t.value:.3f} | {' | '.join(shown)} |")
    (RESULTS / "tuning.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Run trials of the study, then write the table."""
    parser = argparse.ArgumentParser(
        description=benchmarks.tuning.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["study", "table"])
    parser.add_argument("--trials", type=int, default=20, help="trials of the study that this process runs")
    options = parser.parse_args()
    if options.what == "study":
        open_study().optimize(objective, n_trials=options.trials)
    table()


if __name__ == "__main__":
    main()
