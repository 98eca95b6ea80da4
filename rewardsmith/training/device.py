"""Choose the device of a trial: the requested one, or the faster one according to a short measurement."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from stable_baselines3.common.policies import ActorCriticPolicy

from rewardsmith.errors import no_cuda
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks.base import Task
from rewardsmith.training.policies import policy_for

_TURNS = 5


@dataclass(frozen=True)
class Chosen:
    """A device, "cpu" or "cuda", and the reason for it in words."""

    device: str
    why: str


def choose_device(task: Task, training: TrainingSpec) -> Chosen:
    """Choose the device of a trial of `task`.

    "auto" measures the forward passes and updates of one rollout on each device; small networks are often faster on
    the CPU. Raises RewardsmithError if "cuda" is requested on a machine without it.
    """
    if training.device == "cpu":
        return Chosen("cpu", "requested")
    if not torch.cuda.is_available():
        if training.device == "cuda":
            raise no_cuda()
        return Chosen("cpu", "auto: there is no CUDA device")
    if training.device == "cuda":
        return Chosen("cuda", "requested")
    if training.off_policy:
        return Chosen("cpu", "auto: rollouts are measured, which this algorithm does not collect")
    seconds = {device: _rollout_seconds(task, training, device) for device in ("cpu", "cuda")}
    faster = min(seconds, key=lambda device: seconds[device])
    measured = ", ".join(f"{device} {1000 * taken:.0f} ms" for device, taken in seconds.items())
    return Chosen(faster, f"auto: network time of a rollout, {measured}")


def _rollout_seconds(task: Task, training: TrainingSpec, device: str) -> float:
    """Seconds of one rollout's forward passes and of the updates after it, extrapolated from a few of each."""
    policy_class, kwargs = policy_for(task, training)
    policy = policy_class(task.observation.space, task.actions.space(), lambda _: 1e-3, **kwargs).to(device)
    size = training.num_envs * training.rollout_steps
    batch = min(training.batch_size, size)
    few, many = (
        policy.obs_to_tensor(task.observation.structured(task.observation.rows(count)))[0]
        for count in (training.num_envs, batch)
    )
    memories: list[tuple[Any, ...]] = [(), ()]
    if training.memory == "lstm":
        from rewardsmith.training.recurrent import no_memory

        sequences = max(1, batch // training.rollout_steps)
        batch = sequences * (batch // sequences)
        assert isinstance(many, torch.Tensor)
        many = many[:batch]
        memories = [no_memory(policy, training.num_envs, training.num_envs), no_memory(policy, sequences, batch)]
    actions = torch.as_tensor(task.actions.rows(batch), device=device)
    forward = _seconds(lambda: _forward(policy, few, *memories[0]), device)
    update = _seconds(lambda: _update(policy, many, actions, *memories[1]), device)
    return training.rollout_steps * forward + training.epochs * (size // batch) * update


def _forward(policy: ActorCriticPolicy, observations: Any, *memory: Any) -> None:
    with torch.no_grad():
        policy(observations, *memory)[0].cpu()  # the environments wait for the actions


def _update(policy: ActorCriticPolicy, observations: Any, actions: torch.Tensor, *memory: Any) -> None:
    values, log_probs, _ = policy.evaluate_actions(observations, actions, *memory)
    policy.optimizer.zero_grad()
    (values.mean() + log_probs.mean()).backward()
    policy.optimizer.step()


def _seconds(work, device: str) -> float:
    work()
    taken = []
    for _ in range(_TURNS):
        began = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
    return sorted(taken)[_TURNS // 2]
