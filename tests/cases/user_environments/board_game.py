"""Noughts and crosses against an opponent who plays at random; an occupied square is an illegal move."""
import gymnasium as gym
import numpy as np
from gymnasium import spaces

LINES = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]


class Noughts(gym.Env):
    observation_space = spaces.Box(-1, 1, (3, 3), np.int8)
    action_space = spaces.Discrete(9)

    def _returned(self, reward=0.0, over=False):
        winner = "me" if reward > 0 else "other" if reward < 0 else "nobody"
        info = {"action_mask": (self.board == 0).astype(np.int8), "winner": winner}
        return self.board.reshape(3, 3).copy(), reward, over, False, info

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.board = np.zeros(9, np.int8)
        observation, _, _, _, info = self._returned()
        return observation, info

    def step(self, action):
        if self.board[action] != 0:
            raise ValueError(f"square {action} is occupied")
        self.board[action] = 1
        for player in (1, -1):
            if any(all(self.board[k] == player for k in line) for line in LINES):
                return self._returned(float(player), True)
            if (self.board != 0).all():
                return self._returned(over=True)
            if player == 1:
                self.board[self.np_random.choice(np.flatnonzero(self.board == 0))] = -1
        return self._returned()


gym.register("Noughts-v0", Noughts)
