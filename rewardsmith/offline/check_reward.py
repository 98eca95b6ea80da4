"""`rewardsmith check`: runs the checks that a candidate passes before training on a reward file, without a job."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rewardsmith.errors import UsageError
from rewardsmith.files import RECORD_BYTES, read_text
from rewardsmith.methods import get_method
from rewardsmith.offline.kept_checks import KeptChecks, key_of
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.programs.reward_file import method_of
from rewardsmith.scores import NEED_SUCCESS, NOT_RUN
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks import get_task, is_shipped, with_states
from rewardsmith.tasks.base import Behaviour, Task
from rewardsmith.tasks.capabilities import reference_of, score_rule_of, starts_of, state_limit_of
from rewardsmith.tasks.progress import announced
from rewardsmith.verification.bounds import MOST_CALLS
from rewardsmith.verification.checks import Checked, Proof, Verdict, run_checks
from rewardsmith.verification.counterexample import read_behaviour
from rewardsmith.verification.episode_cap import EpisodeCap, within_cap
from rewardsmith.verification.layouts import HARD_LAYOUTS, LAYOUTS
from rewardsmith.verification.searched import STEPS
from rewardsmith.verification.soundness import Soundness, soundness_of
from rewardsmith.verification.yielding_lock import at_once
from sandbox.client import Isolation

CHECKED_LAYOUTS, QUICK_LAYOUTS = 30, 8
"""Numbers of random layouts that `check` and `check --quick` examine. If none of 30 is unsound, at most 9.5 % of all
layouts are (95 %); of 8, at most 31 %."""
QUICK_HARD_LAYOUTS = 2
"""Most hard layouts that `check --quick` examines as well."""
FAIL_ON = ("failure", "undecided", "bound", "never")
"""What `check --fail-on` accepts, see `CheckedReward.exit_code`."""
FAILED, TOO_WEAK = 1, 3
"""Exit codes of `check` if a check failed, and if the verdict is weaker than `--fail-on` demands."""


@dataclass(frozen=True)
class Origin:
    """Where a reward comes from.

    Attributes:
        kind: "file", "text", "function", "wrapper" or "environment".
        file: Path of the Python file that defines it; "" if unknown.
        line: Line of its definition, from 1; 0 if unknown.
        runs_in: "sandbox", or "this process": what a caller defined and the sandbox cannot be given.
        why: Why it does not run in the sandbox, in a clause; "" if it does, or never could.
    """

    kind: str = "text"
    file: str = ""
    line: int = 0
    runs_in: str = "sandbox"
    why: str = ""


@dataclass(frozen=True)
class CheckedReward:
    """The verdicts on one reward.

    Attributes:
        task: The task's id.
        functions: Names of the reward functions that the program defines.
        gamma: The discount that the checks assumed.
        checked: The verdicts, with the difficulty and the components.
        reference: The task's reference, if it has one.
        scored: Whether the task has a score instead of a success.
        origin: Where the reward comes from.
    """

    task: str
    functions: tuple[str, ...]
    gamma: float
    checked: Checked
    reference: str | None = None
    scored: bool = False
    origin: Origin = Origin()

    @property
    def passed(self) -> bool:
        """Whether the reward passed every check."""
        return self.checked.passed

    def verdict(self, kind: str) -> Verdict | None:
        """Return the verdict of the named check, or None if it was not reached."""
        return next((v for v in self.checked.verdicts if v.kind == kind), None)

    @property
    def soundness(self) -> Soundness | None:
        """The certificate's verdict over all layouts, its bound and smallest margin; None without a certificate."""
        certificate = self.verdict("certificate")
        return None if certificate is None else soundness_of(certificate.details)

    def exit_code(self, fail_on: str = "failure") -> int:
        """Return the exit code of `check`: 0, FAILED or TOO_WEAK.

        Args:
            fail_on: failure: FAILED if a check failed. undecided: also TOO_WEAK if the battery or the certificate did
                not run, or if a layout is undecided. bound: also TOO_WEAK if more than 10 % of the layouts may be
                unsound. never: 0.
        """
        if fail_on == "never":
            return 0
        if not self.passed:
            return FAILED
        found = self.soundness
        if fail_on == "failure":
            return 0
        if found is None or self.not_run:
            return TOO_WEAK
        weak = found.undecided > 0 if fail_on == "undecided" else not found.bounded
        return TOO_WEAK if weak else 0

    @property
    def shaping(self) -> dict[str, float | None] | None:
        """Predicted shaping-to-task reward ratio (verification.battery.Shaping.as_dict); None without a battery."""
        battery = self.verdict("battery")
        return None if battery is None else battery.details["shaping"]

    @property
    def _decided(self) -> bool:
        """Whether the certificate compares every behaviour with a solution, so that none need be played."""
        return self.soundness is not None and self.soundness.verdict != "not certified"

    @property
    def not_run(self) -> list[tuple[str, str]]:
        """(check, reason) of the checks that cannot run on this task; empty if a check failed before them."""
        if not self.passed or self.verdict("battery") is not None or self._decided:
            return []
        if self.scored:
            return [(check, NOT_RUN) for check in NEED_SUCCESS]
        why = "no planner and no reference (`reference:` of a task's description) has a solution"
        if self.reference is not None:
            why = f"the reference {self.reference} succeeds on none of the starts that were played"
        text = f"{why}, so no behaviour was compared with one: a reward that is higher without solving the task passes"
        return [("battery", text)]

    @property
    def difficulty(self) -> float | None:
        """Predicted difficulty of learning (verification.difficulty); smaller is easier."""
        return self.checked.difficulty

    def as_dict(self) -> dict[str, Any]:
        """Return all verdicts as data that JSON can represent."""
        return {
            "task": self.task,
            "functions": list(self.functions),
            "gamma": self.gamma,
            "passed": self.passed,
            "origin": asdict(self.origin),
            "soundness": None if self.soundness is None else self.soundness.as_dict(),
            "shaping": self.shaping,
            "difficulty": self.difficulty,
            "not_run": dict(self.not_run),
            "components": self.checked.components,
            "verdicts": [asdict(v) for v in self.checked.verdicts],
        }


def layout_counts(layouts: int | None, *, quick: bool = False) -> tuple[int, int]:
    """Return the numbers of random and of hard layouts: those of a quick or of a full check unless one is given.

    Raises UsageError if both are asked for.
    """
    if quick and layouts is not None:
        raise UsageError(
            f"--quick checks {QUICK_LAYOUTS} layouts, and --layouts is {layouts}.", "Leave out one of them."
        )
    if quick:
        return QUICK_LAYOUTS, QUICK_HARD_LAYOUTS
    if layouts is None:
        return CHECKED_LAYOUTS, HARD_LAYOUTS
    hard = HARD_LAYOUTS if layouts >= CHECKED_LAYOUTS else QUICK_HARD_LAYOUTS if layouts >= QUICK_LAYOUTS else 0
    return layouts, hard


def reward_of(source: str) -> TrainingReward:
    """Return the reward of a program: reward(), potential(), dense() and sparse(), subgoals() or factors().

    Channels that exist only in training are left out.

    Raises UsageError if the program defines none of these.
    """
    return get_method(method_of(source)).reward(source).written


@dataclass(frozen=True)
class CheckSettings:
    """Further settings of a check.

    Attributes:
        isolation: Least sandbox level at which the program may run.
        episode_cap: Per-episode cap on the return of the program's channels (verification/episode_cap.py).
        exploits: Behaviours that the battery plays in addition to its own.
        tell: Receives a line before work that takes long; by default it is printed to stderr.
        search_steps: Most environment steps of the search for exploits where no optimum is computed; 0 for no search.
        kept: Folder of results of earlier checks; None to check again. Only results on tasks that rewardsmith brings
            are kept: the code of others may change.
        processes: Most reward hosts at once; by default one more than there are processors. No result depends on it.
    """

    isolation: Isolation = Isolation.KERNEL
    episode_cap: EpisodeCap | None = None
    exploits: Sequence[Behaviour] = ()
    tell: Callable[[str], None] | None = None
    search_steps: int = STEPS
    kept: Path | None = None
    processes: int | None = None


def check_reward(
    source: str | TrainingReward,
    task: str | Task,
    gamma: float | None = None,
    layouts: int = CHECKED_LAYOUTS,
    limit: int | None = None,
    settings: CheckSettings | None = None,
    hard: int | None = None,
) -> CheckedReward:
    """Check a reward program on a task. A fault of the program is a verdict, not an error.

    Args:
        source: Text of the program, or the reward.
        task: Task id, or a Task. tasks.minigrid.custom.CustomTask makes one of a MiniGrid environment of your own.
        gamma: The learner's discount; by default that of the task's training settings.
        layouts: Number of random layouts to check; all layouts if the task has fewer.
        limit: Largest number of states of a layout that the certificate enumerates; by default 400,000, or 50,000 for
            an environment of your own.
        settings: Further settings of the check.
        hard: Most hard layouts to check as well; by default 4, 2 or 0, depending on `layouts`. They enter no bound,
            but can add a counter-example.

    Raises:
        UsageError: The task is unknown, or the text defines no reward.
        SandboxWeak: The sandbox does not reach the required level on this machine.
    """
    chosen = settings or CheckSettings()
    found = with_states(get_task(task) if isinstance(task, str) else task)
    reward = reward_of(source) if isinstance(source, str) else source
    used = TrainingSpec(**default_training(found.id)).gamma if gamma is None else gamma
    if layouts > max(CHECKED_LAYOUTS, pool_size(found)):
        raise UsageError(
            f"{found.id} has {pool_size(found)} training layouts, fewer than the {layouts} requested.",
            f"Pass at most {pool_size(found)} to --layouts.",
        )
    with announced(chosen.tell or _on_stderr), at_once(chosen.processes):
        asked = Problem(found, reward, used, chosen.isolation)
        problem = asked.with_reward(within_cap(asked, chosen.episode_cap, min(layouts, LAYOUTS)))
        proof = Proof(
            layouts,
            state_limit_of(found) if limit is None else limit,
            None,
            searched=chosen.search_steps,
            hard=layout_counts(layouts)[1] if hard is None else hard,
            bounds=MOST_CALLS,
        )
        kept = chosen.kept if isinstance(task, str) and is_shipped(task) else None
        checked, reference = _checked(problem, proof, chosen, kept), reference_of(found)
        named, scored = None if reference is None else reference.name, score_rule_of(found) is not None
        return CheckedReward(found.id, reward.functions, used, checked, named, scored)


def _checked(problem: Problem, proof: Proof, chosen: CheckSettings, folder: Path | None) -> Checked:
    """Run the checks, or return the result of an earlier check that was the same."""
    if folder is None:
        return run_checks(problem, proof, chosen.exploits)
    kept, key = KeptChecks(folder), key_of(problem, proof, chosen.exploits)
    found = kept.get(key)
    if found is not None:
        (chosen.tell or _on_stderr)("This is the result of an earlier check. Pass --no-cache to check again.")
        return found
    found = run_checks(problem, proof, chosen.exploits)
    kept.put(key, found)
    return found


def _on_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def save_counterexamples(checked: CheckedReward, path: Path) -> int:
    """Write the certificate's counter-examples as JSON, which a later check can play; return their number."""
    certificate = checked.verdict("certificate")
    layouts = certificate.details["layouts"] if certificate else []
    found = [each["counterexample"] for each in layouts if each["counterexample"]]
    searched = checked.verdict("search")
    found += [searched.details["counterexample"]] if searched and "counterexample" in searched.details else []
    path.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return len(found)


_WRITTEN_BY = "Pass a file written by `rewardsmith check --out FILE`."


def read_exploits(path: Path, task: str | Task) -> tuple[Behaviour, ...]:
    """Read the behaviours in a file that `save_counterexamples` wrote for this task. Raises UsageError."""
    found = get_task(task) if isinstance(task, str) else task
    try:
        read = json.loads(read_text(path, RECORD_BYTES))
        exploits = tuple(map(read_behaviour, read))
        others = {str(e.get("task", found.id)) for e in read} - {found.id}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"Cannot read counter-examples from {path}: {error!r}", _WRITTEN_BY) from error
    if others:
        raise UsageError(
            f"{path} contains counter-examples for {min(others)}, but the task is {found.id}.",
            f"Pass a file written by `rewardsmith check --task {found.id} --out FILE`.",
        )
    most = 10**6 if starts_of(found) is None else pool_size(found)
    for exploit in exploits:
        played = (*exploit.prefix, *exploit.cycle)
        if not played or not all(_is_action(found, a) for a in played):
            raise UsageError(f"{path} contains actions that {found.id} does not have.", _WRITTEN_BY)
        if type(exploit.layout) is not int or not 0 <= exploit.layout < most:
            raise UsageError(
                f"{path} names layout {exploit.layout!r}, but {found.id} has the layouts 0 to {most - 1}.", _WRITTEN_BY
            )
    return exploits


def _is_action(task: Task, action: Any) -> bool:
    """Whether plain data is an action of a task."""
    if task.actions.discrete:
        return type(action) is int and action in range(len(task.actions))
    known = isinstance(action, tuple) and len(action) == task.actions.width
    return known and all(type(x) in (int, float) for x in action)


def pool_size(task: Task) -> int:
    """Return the number of training layouts of a task; 1 if its layouts cannot be distinguished."""
    starts = starts_of(task)
    return 1 if starts is None else len(starts.pool_hashes("train"))
