"""Diagnosis after training: labels from a fixed vocabulary, decided by rules from a trial's telemetry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewardsmith.scores import ScoreScale
from rewardsmith.telemetry import ChannelPay, ComponentValues, EpisodeScores, Learning, Telemetry, at_point

LABELS = (
    "interface misuse",
    "crash",
    "never fires",
    "constant",
    "shaping dominates",
    "entropy dominates",
    "saturated",
    "stalled",
    "weak shaping",
    "oscillation",
    "exploited",
    "unstable",
    "solved",
)

_SOLVED = 0.95
_LOW = 0.2
_FELL = 0.15
_MIN_EPISODES = 50
_FEW_EPISODES = 10  # enough for a mean that is compared with five times the success reward
_LOOPING = 0.5
_DISTINCT = 0.1
_REACHED = 0.5  # share of the episodes that reach a milestone, from which on they stall behind it
_UNIFORM = 0.85
"""Proportion of the largest possible entropy. Above it, more than 5 of 7 actions are about equally likely."""
_ENTROPY_DOMINATES = 0.8
"""Largest proportion of the actor's gradient from advantages at which the entropy bonus dominates.

If the two are in balance, the proportion is 1/2 plus the noise of the minibatch, which counts towards advantages.
Measured on DoorKey-8x8 with minibatches of 1,024: 0.5 to 0.8 with coefficients of 0.1 to 1, which learned nothing, and
0.85 to 0.95 with coefficients of 0.01 and 0.03, which did learn.
"""
_LAST_POINTS = 3  # points of the curve over which the proportion is averaged
SATURATED = 5.0
"""Ratio of guidance to success reward. Above it, a success adds less than a fifth to the return of an episode, which is
within the variation of guidance between episodes."""


_EXPLAINED = {"exploited", "shaping dominates", "oscillation", "interface misuse", "entropy dominates", "saturated"}


@dataclass(frozen=True)
class SolutionPay:
    """What a reward pays the task's reference, which stands in where no training episode succeeded.

    Attributes:
        episode: Sum of all channels over its episode.
        success: The reward of the step that succeeds, the smallest over the starts.
    """

    episode: float
    success: float


def diagnose(
    success: float,
    curve: Sequence[Mapping[str, Any]],
    telemetry: Telemetry,
    fault: str | None = None,
    scale: ScoreScale | None = None,
    solution: SolutionPay | None = None,
) -> dict[str, str]:
    """Return the labels that apply to a trial, each with its evidence as text.

    The rules, where "low success" means a success rate under 20 %:

    - crash: the trial ended because the program failed.
    - solved: the success rate is at least 95 %.
    - never fires: a component was 0 on every step of the last stretch.
    - interface misuse: every component was 0 on every step of the last stretch.
    - constant: a component had the same value, not 0, on every step.
    - shaping dominates: the absolute sum of a channel per episode exceeds the sum of all channels over a successful
      episode, or 1 if no episode succeeded. Also if the success rate is under 95 % and the rewards before the step
      that succeeds sum to more than the reward of that step.
    - oscillation: the absolute values of a channel sum to more than 5 times its net sum, and to more than 1 per
      episode. Also if the success rate is under 95 % and half of the steps of failed episodes return to a state of the
      last 12 steps and are rewarded. Potential channels are exempt from the first rules of "shaping dominates"
      and "oscillation", because no policy can change their sum over an episode.
    - exploited: the shaped return rose by half of its range while success was low.
    - unstable: the success rate fell by more than 15 percentage points from its best.
    - entropy dominates: low success although the program's rewards are not 0. The policy's entropy is at least 85 % of
      the largest possible. Either less than 80 % of the actor's gradient comes from advantages (the rest comes from the
      entropy bonus), or discounted returns are smaller than the bonus for this much entropy.
    - saturated: low success, and the guidance of an episode exceeds 5 times the success reward (see `guidance_scale`).
    - stalled: low success that no other label explains, and half of the episodes reach a milestone (see `_stalled`).
    - weak shaping: low success that no other label explains. The evidence states whether failed episodes stay among few
      states (under 10 % of their steps reach a new state).

    On a task with a score instead of a success, `diagnose_score` states the rules.

    Args:
        success: The final success rate, in [0, 1].
        curve: Evaluation points with `success` and `shaped_return`.
        telemetry: The trial's telemetry at the end of a rung.
        fault: The program's fault that ended the trial, if any.
        scale: The scale of the task's scores; None if the task has a success.
        solution: What the reward pays the task's reference; it replaces the constants for trials without a success.
    """
    if fault is not None:
        return {"crash": fault}
    if scale is not None:
        return diagnose_score(curve, telemetry, scale)
    labels: dict[str, str] = {}
    best = max((float(p["success"] or 0.0) for p in curve), default=success)
    if success >= _SOLVED:
        labels["solved"] = f"{success:.1%} success"
    labels |= _components(telemetry.components)
    labels |= _channels(telemetry, solution)
    if success < _SOLVED and "shaping dominates" not in labels and (dominates := _shaping_dominates(telemetry)):
        labels["shaping dominates"] = dominates
    if success < _SOLVED and "oscillation" not in labels and (loops := _loops(telemetry)):
        labels["oscillation"] = loops
    if best - success > _FELL:
        labels["unstable"] = f"success was {best:.1%} and fell to {success:.1%}"
    labels |= {"exploited": risen} if success < _LOW and (risen := _risen(curve)) else {}
    if max(best, success) < _LOW:
        labels |= _trainers(telemetry, curve, solution)
    if success < _LOW and not set(labels) & _EXPLAINED:
        labels |= _unexplained(success, telemetry)
    return labels


def diagnose_score(curve: Sequence[Mapping[str, Any]], telemetry: Telemetry, scale: ScoreScale) -> dict[str, str]:
    """Return the labels of a trial on a task with a score instead of a success, each with its evidence as text.

    The rules are those of `diagnose`, with these differences. The score is low if its normalised value is under 0.2, or
    without a reference, if its interval is not above that of random play.

    - solved: the normalised score is at least 0.95.
    - unstable: the normalised score fell by more than 0.15 from its best, and the two intervals do not overlap. Without
      a reference it fell by more than 15 % of the best one's distance from random play.
    - exploited, entropy dominates, saturated, weak shaping: as there, with a low score in place of low success.
      The reward for success of "saturated" is the environment's own return of an episode.
    - shaping dominates: never, because no step succeeds.
    """
    final = telemetry.score
    if final is None:
        return {}
    labels: dict[str, str] = {}
    merit, shown = scale.merit(final.mean), scale.show(final.mean, final.low, final.high)
    if scale.has_reference and merit >= _SOLVED:
        labels["solved"] = f"score {shown}"
    labels |= _components(telemetry.components)
    labels |= {name: text for name, text in _channels(telemetry, None).items() if name == "oscillation"}
    points = [told for p in curve if (told := at_point(p).score) is not None]
    best = max([*points, final], key=lambda told: scale.merit(told.mean))
    fell = scale.merit(best.mean) - merit
    apart = best.low > final.high if scale.sign > 0 else best.high < final.low
    if fell > _FELL * (1.0 if scale.has_reference else abs(scale.merit(best.mean))) and apart:
        labels["unstable"] = f"the score was {scale.show(best.mean)} and got worse, to {shown}"
    if not _is_low(final, scale):
        return labels
    if (risen := _risen(curve)) is not None:
        labels["exploited"] = risen.replace("success did not", "the score stayed low")
    labels |= _trainers(telemetry, curve, None)
    if "oscillation" not in labels and (loops := _loops(telemetry)):
        labels["oscillation"] = loops.replace("failed episodes", "the episodes with the lowest scores")
    if not set(labels) & _EXPLAINED:
        labels["weak shaping"] = f"score {shown} and no sign of another failure"
    return labels


def _is_low(final: EpisodeScores, scale: ScoreScale) -> bool:
    if scale.has_reference:
        return scale.merit(final.mean) < _LOW
    if scale.sign > 0:
        return final.low <= scale.random_high
    return final.high >= scale.random_low


def _components(components: Mapping[str, ComponentValues]) -> dict[str, str]:
    silent = [n for n, c in components.items() if c.fires == 0.0]
    constant = [n for n, c in components.items() if c.fires > 0 and c.min == c.max]
    labels = {}
    if silent and len(silent) == len(components):
        labels["interface misuse"] = "every component was 0 on every step"
    elif silent:
        labels["never fires"] = f"0 on every step: {', '.join(silent)}"
    if constant:
        labels["constant"] = f"one value on every step: {', '.join(constant)}"
    return labels


def _channels(telemetry: Telemetry, solution: SolutionPay | None = None) -> dict[str, str]:
    labels: dict[str, str] = {}
    if telemetry.episodes < _MIN_EPISODES:
        return labels
    wins = [c.mean_per_success for c in telemetry.channels.values() if c.mean_per_success is not None]
    pay = max(sum(wins), 1.0) if wins else max(1.0, 0.0 if solution is None else solution.episode)
    for name, c in telemetry.channels.items():
        if name in telemetry.potentials:
            continue  # a potential has both signs by design, and its sum does not depend on the policy
        net, size = c.mean_per_episode, c.magnitude_per_episode
        if name != "env" and abs(net) > pay:
            labels["shaping dominates"] = f"{name} sums to {net:.3g} per episode, a successful episode has {pay:.3g}"
        if size > 5 * max(abs(net), 0.2) and size > 1:
            labels["oscillation"] = f"{name}: absolute rewards sum to {size:.3g} per episode, net sum {net:.3g}"
    return labels


def _trainers(telemetry: Telemetry, curve: Sequence[Mapping[str, Any]], solution: SolutionPay | None) -> dict[str, str]:
    """The labels whose cause is the trainer's settings rather than the program."""
    labels = {}
    if dominates := _entropy_dominates(telemetry, curve):
        labels["entropy dominates"] = dominates
    if (scale := guidance_scale(telemetry, solution)) and scale.guidance > SATURATED * scale.success > 0.0:
        known = telemetry.success_pay is not None
        whose = "environment's" if solution is None else "reference's"
        source = "" if known else f", which is the {whose} (no episode succeeded)"
        times = scale.guidance / scale.success
        labels["saturated"] = (
            f"the program's channels sum to {scale.guidance:.3g} per episode, {times:.3g} times the success reward "
            f"of {scale.success:.3g}{source}"
        )
    return labels


def _entropy_dominates(telemetry: Telemetry, curve: Sequence[Mapping[str, Any]]) -> str | None:
    learning = telemetry.learning
    entropy, share = learning.entropy_share, _advantage_share(learning, curve)
    if entropy is None or share is None or entropy < _UNIFORM or not _pays(telemetry) or not learning.return_scale:
        return None
    signal, bonus = learning.signal, (1 - _UNIFORM) * learning.entropy_coefficient * learning.entropy / entropy
    if share >= _ENTROPY_DOMINATES and signal >= bonus:
        return None
    return (
        f"{share:.0%} of the actor's gradient came from advantages, {1 - share:.0%} from the entropy bonus "
        f"(coefficient {learning.entropy_coefficient:.3g}); the policy's entropy is {entropy:.0%} of the largest "
        f"possible; discounted returns have a root mean square of {signal:.3g} in the loss, and entropy above "
        f"{_UNIFORM:.0%} earns a bonus of {bonus:.3g}"
    )


def _advantage_share(learning: Learning, curve: Sequence[Mapping[str, Any]]) -> float | None:
    """The proportion of the actor's gradient from advantages, averaged over the last points that have it."""
    shares = [at_point(p).learning.advantage_share for p in curve]
    known = [share for share in shares if share is not None][-_LAST_POINTS:]
    return sum(known) / len(known) if known else learning.advantage_share


def _pays(telemetry: Telemetry) -> bool:
    """Whether a component of the program, or a channel other than the environment's, was not always 0."""
    paid = any(c.magnitude_per_episode > 0.0 for name, c in telemetry.channels.items() if name != "env")
    return paid or any(c.fires > 0.0 for c in telemetry.components.values())


@dataclass(frozen=True)
class GuidanceScale:
    """The guidance of an episode and the reward of a success.

    Attributes:
        guidance: Absolute sum of the program's channels over an episode, without the step that succeeds and without
            potentials.
        by_env: Success reward from the environment.
        by_program: Success reward from the program.
    """

    guidance: float
    by_env: float
    by_program: float

    @property
    def success(self) -> float:
        """The success reward: the environment's and the program's."""
        return self.by_env + self.by_program


def guidance_scale(telemetry: Telemetry, solution: SolutionPay | None = None) -> GuidanceScale | None:
    """Measure the guidance of an episode and the reward of a success; None if there are too few episodes.

    The success reward is that of the step that succeeds. If no episode succeeded, it is the weight of the environment's
    channel, because MiniGrid's reward for an immediate success is 1. If the environment's rewards over an episode sum
    to more than that (for example a reward for every step), that sum is used. What the reward pays the task's
    reference, if it has one, is known without any such assumption.
    """
    guidance = telemetry.program_guidance_per_episode
    if guidance is None or telemetry.episodes < _FEW_EPISODES:
        return None
    pay, last = telemetry.success_pay, telemetry.env_success_pay
    if pay is None and solution is not None:
        return GuidanceScale(guidance, max(solution.success, 0.0), 0.0)
    env = telemetry.channels.get("env", ChannelPay())
    episode = env.mean_per_success if pay is not None else env.mean_per_episode
    by_program = 0.0 if pay is None or last is None else max(pay - last, 0.0)
    return GuidanceScale(guidance, max(telemetry.env_weight if last is None else last, abs(episode or 0.0)), by_program)


def _unexplained(success: float, telemetry: Telemetry) -> dict[str, str]:
    if (stalled := _stalled(telemetry)) is not None:
        return {"stalled": stalled}
    return {"weak shaping": f"{success:.1%} success and no sign of another failure{_confined(telemetry)}"}


def _stalled(telemetry: Telemetry) -> str | None:
    """The milestones and the shares of the training episodes that reach them, as text; None unless half reach one.

    A milestone is a component that pays at most twice in an episode in which it pays.
    """
    if telemetry.episodes < _FEW_EPISODES:
        return None
    rare = {name: c.paid_episodes or 0.0 for name, c in telemetry.components.items() if c.is_milestone}
    if max(rare.values(), default=0.0) < _REACHED:
        return None
    ordered = sorted(rare.items(), key=lambda pair: -pair[1])
    shares = ", ".join(f"{name} paid in {share:.3g} %" for name, share in ((n, 100 * s) for n, s in ordered))
    last = [name for name, share in ordered if share >= _REACHED][-1]
    return (
        f"episodes stop after {last}; over the training episodes, {shares}, and {telemetry.success_rate:.1%} succeeded"
    )


def _shaping_dominates(telemetry: Telemetry) -> str | None:
    """The measured shaping rewards, if they exceed the reward of the step that succeeds, as text."""
    guidance, pay = telemetry.guidance_per_episode, telemetry.success_pay
    if guidance is None or pay is None or guidance <= max(pay, 0.0):
        return None
    size = f"guidance sums to {guidance:.3g} in absolute value per episode"
    return f"{size}, the step that succeeds has a reward of {pay:.3g}"


def _loops(telemetry: Telemetry) -> str | None:
    seen = telemetry.trajectories
    if not seen.failed or (seen.looping or 0.0) < _LOOPING or (seen.paid_looping or 0.0) <= 1e-9:
        return None
    return (
        f"{seen.looping:.0%} of the steps of failed episodes return to a state of the last 12 steps; their rewards sum "
        f"to {seen.paid_looping:.3g} per episode"
    )


def _confined(telemetry: Telemetry) -> str:
    seen = telemetry.trajectories
    if not seen.failed or seen.distinct_states is None or seen.distinct_states >= _DISTINCT:
        return ""
    return f"; failed episodes stay among few states ({seen.distinct_states:.0%} of their steps reach a new one)"


def _risen(curve: Sequence[Mapping[str, Any]]) -> str | None:
    returns = [float(p["shaped_return"]) for p in curve if p.get("shaped_return") is not None]
    if len(returns) < 3:
        return None
    rise, spread = returns[-1] - returns[0], max(returns) - min(returns)
    if spread > 0.5 and rise > 0.5 * spread:
        return f"the return under the designed reward rose from {returns[0]:.3g} to {returns[-1]:.3g}, success did not"
    return None
