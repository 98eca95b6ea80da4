STATE = build_view(SCHEMA)
ACTION = vector_class("Action", ACTION_ENTRIES)


def named_action(action: Any) -> Any:
    """An action as the program reads it: an int counted from 0, or a tuple whose entries have names."""
    if not ACTION_ENTRIES:
        return int(action)
    return ACTION([int(x) if ACTION_WHOLE else float(x) for x in np.ravel(action)])


def plain_action(action: Any) -> Any:
    """The same of an action as the plain environment takes it."""
    if not ACTION_ENTRIES:
        return int(action) - FIRST_ACTION[0]
    return named_action(np.ravel(action) - FIRST_ACTION if len(FIRST_ACTION) > 1 else np.ravel(action))


def component_sums(
    prev: Any, action: Any, state: Any, memory: dict
) -> tuple[dict[str, float], dict[str, float]]:
    """Return one transition's raw channel values, and the named components that they sum."""
    raw: dict[str, float] = {}
    components: dict[str, float] = {}
    for name in FUNCTIONS:
        if name == "potential":
            continue
        result = globals()[name](prev, action, state, memory)
        parts = (
            {str(k): float(v) for k, v in result.items()}
            if isinstance(result, dict)
            else {name: float(result)}
        )
        total = 0.0
        for part in sorted(parts):
            total += parts[part]
            components[part if name == "reward" or part == name else f"{name}.{part}"] = parts[part]
        raw[name] = total
    return raw, components


class ShapedReward:
    """The training reward of one environment, step by step: the program, then the channels."""

    def __init__(self) -> None:
        self.carry = Carry()
        self.memory: dict = {}
        self.steps = 0
        self.first = True
        self.phi_start = 0.0

    def start(self, state: Any) -> None:
        """Begin an episode in `state`."""
        self.memory = {}
        self.first = True
        if "potential" in FUNCTIONS:
            self.phi_start = float(globals()["potential"](state, self.memory))

    def step(
        self, prev: Any, action: Any, state: Any, env_reward: float, terminated: bool
    ) -> tuple[float, dict]:
        """Return the training reward and the named components of one transition."""
        sums, components = component_sums(prev, action, state, self.memory)
        raw: dict[str, Any] = {}
        for channel in CHANNELS:
            value = env_reward if channel.kind == "env" else sums.get(channel.name, 0.0)
            if channel.kind == "potential":
                value = float(globals()["potential"](state, self.memory))
                raw[channel.name + ":start"] = np.array([[self.phi_start]])
            raw[channel.name] = np.array([[value]], dtype=np.float64)
        composed = compose(
            CHANNELS,
            raw,
            np.array([[self.first]]),
            np.array([[bool(terminated)]]),
            GAMMA,
            self.carry,
            self.steps,
        )
        self.first = False
        self.steps += 1
        return float(composed.total[0, 0]), components


def wrap(env: Any) -> Any:
    """Wrap a Gymnasium environment so that it returns this reward; its own reward is in info["env_reward"]."""
    import gymnasium

    class RewardWrapper(gymnasium.Wrapper):
        def __init__(self, inner: Any) -> None:
            super().__init__(inner)
            self._tracker = StateTracker(SCHEMA)
            self._reward = ShapedReward()

        def reset(self, **kwargs: Any) -> Any:
            observation, info = self.env.reset(**kwargs)
            row, self._tables = first_row(self._tracker, self.env, observation, info)
            self._state = STATE(row.tolist(), self._tables)
            self._reward.start(self._state)
            return observation, info

        def step(self, action: Any) -> Any:
            outcome = self.env.step(action)
            observation, reward, terminated, truncated, info = outcome
            row = next_row(self._tracker, self.env, action, outcome, self._tables)
            prev, self._state = self._state, STATE(row.tolist(), self._tables)
            named = plain_action(action)
            shaped, parts = self._reward.step(prev, named, self._state, float(reward), terminated)
            info = {**info, "env_reward": float(reward), "reward_components": parts}
            return observation, shaped, terminated, truncated, info

    return RewardWrapper(env)


def replay(arrays: dict[str, Any]) -> Any:
    """Return the training reward of recorded transitions [T, N], computed step by step as the wrapper does.

    `rewardsmith verify` runs this in a sandbox and compares the result with the recorded rewards.
    """
    starts = arrays["starts"]
    tables: dict[str, Any] = {name: arrays["table_" + name] for name in TABLES}
    if "texts" in arrays:
        tables.update(json.loads(bytes(arrays["texts"].tolist()).decode()))
    totals = np.zeros(starts.shape, dtype=np.float64)
    for n in range(starts.shape[1]):
        shaped = ShapedReward()
        for t in range(starts.shape[0]):
            prev = STATE(arrays["before"][t, n].tolist(), tables)
            if starts[t, n]:
                shaped.start(prev)
            state = STATE(arrays["after"][t, n].tolist(), tables)
            action, reward = named_action(arrays["actions"][t, n]), float(arrays["rewards"][t, n])
            totals[t, n], _ = shaped.step(prev, action, state, reward, bool(arrays["terminated"][t, n]))
    return totals
