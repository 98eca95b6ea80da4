class StateTracker:
    """Rows of one environment whose observation is a flat vector of named variables."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._variables = schema["width"] - 3
        self._width = schema["width"]
        self._step = 0

    def start(self, observation: Any) -> tuple[Any, dict[str, Any]]:
        """First row (float64 [schema width]) and tables of an episode."""
        self._step = 0
        return self._row(observation, False, False), {}

    def after(self, observation: Any, terminated: bool, truncated: bool) -> Any:
        """Row after a step."""
        self._step += 1
        late = not terminated and (truncated or self._step >= MAX_STEPS)
        values = dict(zip(VARIABLES, np.asarray(observation, dtype=np.float64).tolist()))
        solved = bool(solved_when(**values, step=self._step, terminated=terminated, truncated=late))
        return self._row(observation, solved, terminated and not solved)

    def _row(self, observation: Any, solved: bool, failed: bool) -> Any:
        row = np.zeros(self._width, dtype=np.float64)
        row[: self._variables] = np.asarray(observation, dtype=np.float32)
        row[self._variables :] = self._step, solved, failed
        return row


def first_row(tracker: Any, env: Any, observation: Any) -> tuple[Any, dict[str, Any]]:
    """The state row of an episode's start, and the tables it points into (none)."""
    return tracker.start(observation)


def next_row(
    tracker: Any,
    env: Any,
    observation: Any,
    action: Any,
    reward: Any,
    terminated: bool,
    truncated: bool,
    tables: dict[str, Any],
) -> Any:
    """The state row after a step."""
    return tracker.after(observation, terminated, truncated)
