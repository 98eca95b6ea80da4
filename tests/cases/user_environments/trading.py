"""A trading toy: hold between -1 and 1 of a share whose price reverts to its mean."""
import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Account:
    def __init__(self):
        self.held, self.wealth = 0.0, 1.0


class Trading(gym.Env):
    observation_space = spaces.Box(-np.inf, np.inf, (10, 2), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def _window(self):
        prices = np.array(self.prices[-11:])
        return np.stack([prices[1:], np.diff(prices)], axis=1).astype(np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.account, self.prices = Account(), list(1 + 0.02 * self.np_random.normal(size=11))
        return self._window(), {"wealth": 1.0}

    def step(self, action):
        price = self.prices[-1]
        self.prices.append(float(price + 0.2 * (1 - price) + 0.02 * self.np_random.normal()))
        before, self.account.held = self.account.wealth, float(action[0])
        self.account.wealth *= 1 + self.account.held * (self.prices[-1] / price - 1)
        broke = self.account.wealth < 0.5
        return self._window(), self.account.wealth - before, broke, False, {"wealth": self.account.wealth}


TASK = {
    "id": "trading-toy", "env": Trading, "max_steps": 100,
    "goal": "Multiply the wealth by buying low and selling high.",
    "state": [
        {"name": "price", "from": "observation[-1][0]"}, {"name": "changes", "from": "observation[5:]"},
        {"name": "wealth", "from": "env.account.wealth"}, {"name": "held", "from": "env.account.held"},
    ],
    "actions": ["position"],
    "success": "truncated and wealth > 1.05",
}  # fmt: skip
