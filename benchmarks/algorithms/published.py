"""Results that the RL-Zoo publishes: mean return and standard deviation of one trained agent per algorithm and task.

Source: benchmark.md of https://github.com/DLR-RM/rl-baselines3-zoo at commit 0088472 (one run each, deterministic
policy, about 150,000 evaluation steps). The task may be an earlier version of the one that this benchmark trains.
"""

from __future__ import annotations

SOURCE = "https://github.com/DLR-RM/rl-baselines3-zoo/blob/0088472b8cb622732bdbc4aa3d0d0abde86c67ed/benchmark.md"

_RESULTS: dict[tuple[str, str], tuple[float, float, str]] = {
    ("ppo", "CartPole-v1"): (500.0, 0.0, "100k"),
    ("dqn", "CartPole-v1"): (500.0, 0.0, "50k"),
    ("ppo", "Acrobot-v1"): (-73.506, 18.201, "1M"),
    ("dqn", "Acrobot-v1"): (-76.639, 11.752, "100k"),
    ("ppo", "LunarLander-v2"): (242.119, 31.823, "1M"),
    ("dqn", "LunarLander-v2"): (154.382, 79.241, "100k"),
    ("sac", "Pendulum-v1"): (-156.995, 88.714, "20k"),
    ("sac", "MountainCarContinuous-v0"): (94.679, 1.134, "50k"),
    ("tqc", "FetchReach-v1"): (-1.659, 0.873, "20k"),
    ("tqc", "FetchPush-v1"): (-8.799, 5.438, "1M"),
    ("tqc", "FetchPickAndPlace-v1"): (-9.331, 6.850, "1M"),
    ("tqc", "FetchSlide-v1"): (-29.210, 11.387, "3M"),
    ("sac", "Ant-v3"): (4615.791, 1354.111, "1M"),
    ("sac", "HalfCheetah-v3"): (9535.451, 100.470, "1M"),
    ("sac", "Hopper-v3"): (2325.547, 1129.676, "1M"),
    ("sac", "Humanoid-v3"): (6232.287, 279.885, "2M"),
    ("sac", "Swimmer-v3"): (345.568, 3.084, "1M"),
    ("sac", "Walker2d-v3"): (3863.203, 254.347, "1M"),
}


def published(algorithm: str, environment: str) -> str:
    """The published return, its deviation and its steps, as a table shows them; `not found` without one."""
    found = _RESULTS.get((algorithm, environment))
    if found is None:
        return "not found"
    mean, deviation, steps = found
    return f"{mean:.1f} ± {deviation:.1f} ({environment}, {steps})"
