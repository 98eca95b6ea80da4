"""The settings of every trial: TrainingSpec, and the defaults by task."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from rewardsmith.spec.setting import Flag, Strict


class TrainingSpec(Strict):
    """PPO settings of every trial. docs/training.md describes the study that the defaults are taken from."""

    num_envs: int = Field(default=64, ge=1, le=4096)
    rollout_steps: int = Field(default=64, ge=8, le=4096, description="steps per environment and rollout")
    batch_size: int = Field(default=512, ge=8, le=2**24)
    epochs: int = Field(default=3, ge=1, le=100)
    learning_rate: float = Field(default=1.5e-3, gt=0, le=1)
    lr_hold: float = Field(
        default=0.8, ge=0, le=1, description="fraction of the trial with a constant learning rate, before it falls"
    )
    final_lr: float = Field(
        default=0.0, ge=0, le=1, description="learning rate at the end of the trial, as a fraction of learning_rate"
    )
    gamma: float = Field(default=0.97, gt=0, le=1)
    gae_lambda: float = Field(default=0.9, ge=0, le=1)
    clip_range: float = Field(default=0.3, gt=0, le=1e6)
    entropy: float = Field(default=0.025, ge=0, le=1e6, description="coefficient of the entropy bonus")
    entropy_schedule: Literal["success", "constant"] = Field(
        default="success", description="success: the coefficient falls as training episodes succeed"
    )
    normalize_advantage: bool = True
    normalize_reward: bool = Field(
        default=True, description="divide rewards by the running root mean square of discounted returns"
    )
    hidden: tuple[Annotated[int, Field(ge=1, le=65_536)], ...] = Field(
        default=(128, 64), min_length=1, description="widths of the hidden layers (tanh)"
    )
    cells: Literal["one-hot", "scaled"] = Field(
        default="one-hot",
        description="encoding of grid views: one-hot, into a first layer shared by actor and critic, or scaled",
    )
    memory: Literal["none", "lstm"] = Field(default="none", description="lstm: recurrent policies")
    eval_episodes: int = Field(
        default=200, ge=10, le=1_000_000, description="evaluation episodes per point of a learning curve"
    )
    final_episodes: int = Field(
        default=1000, ge=10, le=1_000_000, description="episodes per seed of the final evaluation"
    )
    device: Annotated[Literal["cpu", "cuda", "auto"], Flag()] = Field(
        default="cpu", description="where policies are trained: cpu, cuda, or auto (measures both, takes the faster)"
    )


# Differences from the defaults, studied on grids without memory (docs/training.md); both arms of a claim use them.
_UNSTUDIED: dict[str, Any] = {
    "batch_size": 1024, "epochs": 4, "learning_rate": 1e-3, "gamma": 0.99, "gae_lambda": 0.95, "clip_range": 0.2,
    "hidden": (64, 64), "entropy": 0.01,
}  # fmt: skip
# An observation at the beginning of an episode determines the right action at its end.
_MEMORY = {**_UNSTUDIED, "learning_rate": 7e-4, "memory": "lstm"}
_VECTOR = {**_UNSTUDIED, "num_envs": 16, "batch_size": 256, "epochs": 8}
_BALANCE = {
    **_VECTOR, "num_envs": 8, "rollout_steps": 32, "epochs": 20, "gamma": 0.98, "gae_lambda": 0.8, "entropy": 0.0,
    "normalize_reward": False,
}  # fmt: skip
# In a chain of similar rooms views repeat, and a reward for new ground depends on what the view does not show. The
# critic is biased there, so a larger lambda relies on it less.
_ALIKE = {"gae_lambda": 0.98}
# Prefix of the task's id, environment steps of a full trial, training settings that differ from the defaults.
_PRESETS: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("MiniGrid-DoorKey-16x16", 1_500_000, {}),
    ("MiniGrid-DoorKey-", 300_000, {}),
    ("MiniGrid-Empty-", 200_000, {}),
    ("MiniGrid-Unlock-", 300_000, {}),
    ("MiniGrid-Memory", 1_500_000, _MEMORY),
    ("MiniGrid-UnlockPickup", 1_000_000, {}),
    ("MiniGrid-BlockedUnlockPickup", 1_000_000, {}),
    ("MiniGrid-KeyCorridorS3", 1_000_000, {}),
    ("MiniGrid-MultiRoom", 1_000_000, _ALIKE),
    ("MiniGrid-", 1_500_000, {}),
    ("BabyAI-", 1_500_000, {}),
    ("CartPole-", 100_000, _BALANCE),
    ("MountainCar-", 250_000, {**_VECTOR, "gae_lambda": 0.98}),
    # The compiled engine plays none of the others, and a final evaluation may take longer than training.
    ("", 1_000_000, {**_VECTOR, "final_episodes": 200}),
)


def default_steps(task: str) -> int:
    """Return the default environment steps of a full trial on this task: enough for a good reward, as measured."""
    return next(steps for prefix, steps, _ in _PRESETS if task.startswith(prefix))


def default_training(task: str) -> dict[str, Any]:
    """Return the training settings of this task that differ from TrainingSpec's defaults."""
    return next(dict(changes) for prefix, _, changes in _PRESETS if task.startswith(prefix))
