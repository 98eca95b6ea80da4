"""Diagnosis after training: one fixed vocabulary, decided from telemetry by the rules below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewardsmith.telemetry import ChannelPay, ComponentValues, Learning, Telemetry, at_point

LABELS = (
    "interface misuse",
    "crash",
    "never fires",
    "constant",
    "flooding",
    "drowned",
    "saturated",
    "weak shaping",
    "oscillation",
    "hacked",
    "unstable",
    "solved",
)

_SOLVED = 0.95
_LOW = 0.2
_FELL = 0.15
_MIN_EPISODES = 50
_FEW_EPISODES = 10  # enough for a mean that is compared with a fifth of it
_LOOPING = 0.5
_DISTINCT = 0.1
_UNIFORM = 0.85
"""Proportion of the largest entropy: of 7 actions, more than 5 are then as likely as each other."""
_DROWNED = 0.8
"""Share of the actor's gradient that comes from advantages, at most, where the entropy bonus holds a policy.

Where it does, both pull with equal strength: a share of 1/2, were it not for the noise of a minibatch, which is all
counted for advantages. Measured on DoorKey-8x8 with minibatches of 1,024: 0.5 to 0.8 with coefficients of 0.1 to 1, at
which nothing was learnt, 0.85 to 0.95 with 0.01 and 0.03, at which something was.
"""
_LAST_POINTS = 3  # of the curve, over which the share is averaged
SATURATED = 5.0
"""Guidance of so many times a success: success then adds less than a fifth to what an episode is paid, which is
within the spread that guidance has from episode to episode."""


_EXPLAINED = {"hacked", "flooding", "oscillation", "interface misuse", "drowned", "saturated"}


def diagnose(
    success: float, curve: Sequence[Mapping[str, Any]], telemetry: Telemetry, fault: str | None = None
) -> dict[str, str]:
    """Labels with their evidence.

    `curve` points carry success and shaped_return; `telemetry` is a trial's, at the end of a rung.
    - crash: the trial ended by the program's fault.
    - solved: success >= 95 %.
    - never fires: a component was 0 on every step of the last stretch. interface misuse: all of them were.
    - constant: a component had one value, not 0, on every step.
    - flooding: a channel's |sum| per episode exceeds what all channels pay over a successful episode, or over
      1 when nothing succeeded; or success is under 95 % and all channels together pay more, before the step that
      succeeds, than that step is paid.
    - oscillation: a channel's magnitudes sum to over 5 times its net sum, and to over 1 per episode; or success is
      under 95 %, on half of the steps of failed episodes a state of the last 12 steps came back, and those steps paid.
      Neither is said of potential channels, whose sum over an episode is no policy's to change.
    - hacked: shaped return rose by half of its range while success stayed under 20 %.
    - unstable: success fell by over 15 points from its best.
    - drowned: success stayed under 20 % although the program pays; the policy's entropy is at least 85 % of the
      largest possible, and either less than 80 % of the actor's gradient comes from advantages, the rest from the
      entropy bonus, or discounted returns are smaller than what the bonus pays for as much entropy.
    - saturated: success stayed under 20 %, and over an episode the program's channels pay, before the step that
      succeeds, over 5 times what a success is paid (see `guidance_scale`).
    - weak shaping: none of the above explains success under 20 %. Its evidence says whether failed episodes stay
      among few states (under 10 % of their steps reach a new one).
    """
    if fault is not None:
        return {"crash": fault}
    labels: dict[str, str] = {}
    best = max((float(p["success"] or 0.0) for p in curve), default=success)
    if success >= _SOLVED:
        labels["solved"] = f"{success:.1%} success"
    labels |= _components(telemetry.components)
    labels |= _channels(telemetry)
    if success < _SOLVED and "flooding" not in labels and (flooded := _flooded(telemetry)):
        labels["flooding"] = flooded
    if success < _SOLVED and "oscillation" not in labels and (loops := _loops(telemetry)):
        labels["oscillation"] = loops
    if best - success > _FELL:
        labels["unstable"] = f"success was {best:.1%} and fell to {success:.1%}"
    labels |= {"hacked": risen} if success < _LOW and (risen := _risen(curve)) else {}
    if max(best, success) < _LOW:
        labels |= _trainers(telemetry, curve)
    if success < _LOW and not set(labels) & _EXPLAINED:
        labels["weak shaping"] = f"{success:.1%} success and no sign of another failure{_confined(telemetry)}"
    return labels


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


def _channels(telemetry: Telemetry) -> dict[str, str]:
    labels: dict[str, str] = {}
    if telemetry.episodes < _MIN_EPISODES:
        return labels
    wins = [c.mean_per_success for c in telemetry.channels.values() if c.mean_per_success is not None]
    pay = max(sum(wins), 1.0) if wins else 1.0
    for name, c in telemetry.channels.items():
        if name in telemetry.potentials:
            continue  # pays to and fro by its nature, and takes it back
        net, size = c.mean_per_episode, c.magnitude_per_episode
        if name != "env" and abs(net) > pay:
            labels["flooding"] = f"{name} sums to {net:.3g} per episode, a success pays {pay:.3g}"
        if size > 5 * max(abs(net), 0.2) and size > 1:
            labels["oscillation"] = f"{name}: steps of both signs sum to {size:.3g} per episode, net {net:.3g}"
    return labels


def _trainers(telemetry: Telemetry, curve: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The labels that blame the trainer's settings rather than the program."""
    labels = {}
    if drowned := _drowned(telemetry, curve):
        labels["drowned"] = drowned
    if (scale := guidance_scale(telemetry)) and scale.guidance > SATURATED * scale.success > 0.0:
        known = telemetry.success_pay is not None
        told = "a success is paid" if known else "nothing succeeded, for which the environment pays"
        times = scale.guidance / scale.success
        labels["saturated"] = (
            f"the program's channels pay {scale.guidance:.3g} per episode, {times:.3g} times a success: "
            f"{told} {scale.success:.3g}"
        )
    return labels


def _drowned(telemetry: Telemetry, curve: Sequence[Mapping[str, Any]]) -> str | None:
    learning = telemetry.learning
    entropy, share = learning.entropy_share, _advantage_share(learning, curve)
    if entropy is None or share is None or entropy < _UNIFORM or not _pays(telemetry) or not learning.return_scale:
        return None
    signal, bonus = learning.signal, (1 - _UNIFORM) * learning.entropy_coefficient * learning.entropy / entropy
    if share >= _DROWNED and signal >= bonus:
        return None
    return (
        f"{share:.0%} of the actor's gradient came from advantages, {1 - share:.0%} from the entropy bonus "
        f"(coefficient {learning.entropy_coefficient:.3g}); the policy's entropy is {entropy:.0%} of the largest "
        f"possible; discounted returns have a root mean square of {signal:.3g} in the loss, and the bonus pays "
        f"{bonus:.3g} for staying above {_UNIFORM:.0%}"
    )


def _advantage_share(learning: Learning, curve: Sequence[Mapping[str, Any]]) -> float | None:
    """The advantages' share of the actor's gradient, mean of the curve's last points that know it."""
    told = [at_point(p).learning.advantage_share for p in curve]
    known = [share for share in told if share is not None][-_LAST_POINTS:]
    return sum(known) / len(known) if known else learning.advantage_share


def _pays(telemetry: Telemetry) -> bool:
    """Whether a component of the program was not always 0, or a channel beside the environment's own paid."""
    paid = any(c.magnitude_per_episode > 0.0 for name, c in telemetry.channels.items() if name != "env")
    return paid or any(c.fires > 0.0 for c in telemetry.components.values())


@dataclass(frozen=True)
class GuidanceScale:
    """guidance: what the program's channels pay per episode, in size, but for the step that succeeds; no potentials.

    by_env, by_program: what a success is paid by the environment's own reward and by the rest.
    """

    guidance: float
    by_env: float
    by_program: float

    @property
    def success(self) -> float:
        """What a success is paid."""
        return self.by_env + self.by_program


def guidance_scale(telemetry: Telemetry) -> GuidanceScale | None:
    """How guidance and the pay of a success compare in size, None where too little is known.

    A success is paid by its last step; where nothing succeeded, the weight of the environment's own reward stands in
    for that, as MiniGrid pays 1 for a success at an episode's beginning. Where the environment pays more than that over
    an episode (for every step that it lasts, say), that counts.
    """
    guidance = telemetry.program_guidance_per_episode
    if guidance is None or telemetry.episodes < _FEW_EPISODES:
        return None
    pay, last = telemetry.success_pay, telemetry.env_success_pay
    env = telemetry.channels.get("env", ChannelPay())
    episode = env.mean_per_success if pay is not None else env.mean_per_episode
    by_program = 0.0 if pay is None or last is None else max(pay - last, 0.0)
    return GuidanceScale(guidance, max(telemetry.env_weight if last is None else last, abs(episode or 0.0)), by_program)


def _flooded(telemetry: Telemetry) -> str | None:
    """The flooding meter as measured: guidance per episode over what the step that succeeds is paid."""
    guidance, pay = telemetry.guidance_per_episode, telemetry.success_pay
    if guidance is None or pay is None or guidance <= max(pay, 0.0):
        return None
    return f"guidance sums to {guidance:.3g} in size per episode, the step that succeeds is paid {pay:.3g}"


def _loops(telemetry: Telemetry) -> str | None:
    seen = telemetry.trajectories
    if not seen.failed or (seen.looping or 0.0) < _LOOPING or (seen.paid_looping or 0.0) <= 1e-9:
        return None
    return (
        f"on {seen.looping:.0%} of the steps of failed episodes a state of the last 12 steps came back; these steps "
        f"paid {seen.paid_looping:.3g} per episode"
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
        return f"the designed return rose from {returns[0]:.3g} to {returns[-1]:.3g} while success stayed low"
    return None
