"""Inventory control: order three goods each week; unsold goods cost, sold ones earn."""
import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Inventory(gym.Env):
    def __init__(self, demand=(3, 2, 1)):
        self.demand = np.array(demand)
        self.observation_space = spaces.MultiDiscrete([31, 31, 31])
        self.action_space = spaces.MultiDiscrete([6, 6, 4])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.stock = self.np_random.integers(0, 6, 3)
        return self.stock.copy(), {"lost": 0}

    def step(self, action):
        wanted = self.np_random.poisson(self.demand)
        available = np.minimum(self.stock + action, 30)
        sold = np.minimum(available, wanted)
        self.stock = available - sold
        reward = float(2.0 * sold.sum() - 0.5 * self.stock.sum() - action.sum())
        return self.stock.copy(), reward, False, False, {"lost": int((wanted - sold).sum()), "sold": sold}


gym.register("Inventory-v0", Inventory)
