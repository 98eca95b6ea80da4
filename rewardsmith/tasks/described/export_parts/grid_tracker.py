def first_row(tracker: Any, env: Any, observation: Any, info: Any) -> tuple[Any, dict[str, Any]]:
    """The state row of an episode's start, and the tables it points into."""
    row, tables = tracker.start(env)
    tracker.steps, tracker.total = 0, 0.0
    success = own_functions()[1]
    tracker.condition = CONDITION if success is None else FunctionCondition(success)
    tracker.held = [] if tracker.condition is None else tracker.condition.start()
    return with_features(row, tables), tables


def next_row(tracker: Any, env: Any, action: Any, outcome: tuple, tables: dict[str, Any]) -> Any:
    """The state row after a step. outcome: what the environment's step returned."""
    observation, reward, terminated, truncated, info = outcome
    reward, terminated = float(reward), bool(terminated)
    row = tracker.after(env, action, reward, terminated)
    tracker.steps, tracker.total = tracker.steps + 1, tracker.total + reward
    if tracker.condition is not None:
        late = not terminated and (bool(truncated) or tracker.steps >= MAX_STEPS)
        values = {"step": tracker.steps, "length": tracker.steps, "reward": reward, "terminated": terminated,
                  "truncated": late, "episode_return": tracker.total, "info": info, "env": env.unwrapped,
                  "observation": observation}
        row[7] = tracker.condition.holds(values, tracker.held)
    return with_features(row, tables)
