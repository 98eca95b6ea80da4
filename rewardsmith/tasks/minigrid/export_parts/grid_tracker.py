def first_row(tracker: Any, env: Any, observation: Any, info: Any) -> tuple[Any, dict[str, Any]]:
    """The state row of an episode's start, and the tables it points into."""
    row, tables = tracker.start(env)
    return with_features(row, tables), tables


def next_row(tracker: Any, env: Any, action: Any, outcome: tuple, tables: dict[str, Any]) -> Any:
    """The state row after a step. outcome: what the environment's step returned."""
    _, reward, terminated, _, _ = outcome
    return with_features(tracker.after(env, action, reward, terminated), tables)
