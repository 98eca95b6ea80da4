"""Schedules over the full trial, whichever rung is running."""

from __future__ import annotations

from collections.abc import Callable

from stable_baselines3.common.base_class import BaseAlgorithm


class Decay:
    """A learning rate that falls linearly over the full trial, whichever rung is running.

    SB3's own progress covers one `learn` call, so the decay would restart at every rung. Without decay, policies that
    had solved DoorKey-8x8 fell back to 70-90 % before the trial's end.
    """

    def __init__(self, start: float, steps: int, hold: float, final_share: float) -> None:
        self.start, self.steps, self.hold, self.final_share = start, steps, hold, final_share
        self.model: BaseAlgorithm | None = None

    def __call__(self, _progress_remaining: float) -> float:
        done = 0 if self.model is None else min(self.model.num_timesteps / self.steps, 1.0)
        fallen = max(0.0, done - self.hold) / max(1.0 - self.hold, 1e-9)
        return self.start * (1.0 - (1.0 - self.final_share) * fallen)


class OverTrial:
    """A schedule of SB3 over the full trial: SB3's own progress covers one `learn` call, and a rung is one."""

    def __init__(self, schedule: Callable[[float], float], model: BaseAlgorithm, steps: int) -> None:
        self._schedule, self._model, self._steps = schedule, model, steps

    def __call__(self, _progress_remaining: float) -> float:
        return self._schedule(1.0 - float(self._model.num_timesteps) / float(self._steps))
