"""A grid world of one's own: walk to the exit, past walls. The observation is the number of the cell."""
import gymnasium as gym
from gymnasium import spaces

PLAN = ["S..#....", ".#.#.##.", ".#...#..", ".####.#.", "......#E"]


class GridWorld(gym.Env):
    def __init__(self):
        self.width = len(PLAN[0])
        self.observation_space = spaces.Discrete(self.width * len(PLAN))
        self.action_space = spaces.Discrete(4)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        free = [(x, y) for y, row in enumerate(PLAN) for x, cell in enumerate(row) if cell in "S."]
        self.x, self.y = free[self.np_random.integers(len(free))]
        return self.y * self.width + self.x, {}

    def step(self, action):
        dx, dy = [(0, -1), (1, 0), (0, 1), (-1, 0)][action]
        x, y = self.x + dx, self.y + dy
        if 0 <= x < self.width and 0 <= y < len(PLAN) and PLAN[y][x] != "#":
            self.x, self.y = x, y
        found = PLAN[self.y][self.x] == "E"
        return self.y * self.width + self.x, float(found), found, False, {}


gym.register("GridWorld-v0", GridWorld, max_episode_steps=60)
