class StateTracker:
    """Rows of one environment: what its observations, infos and attributes say of the variables."""

    def __init__(self, schema: dict[str, Any]) -> None:
        fields = {f["name"]: f for f in schema["fields"]}
        variables = [Variable(fields[name], source, flat) for name, source, flat in SOURCES]
        self.flattening = Flattening(LEAVES)
        self.flat = np.zeros(self.flattening.size)
        self.width = schema["width"]
        state, success = own_functions()
        condition = CONDITION if success is None else FunctionCondition(success)
        self.reading = StateReading(variables, condition, MAX_STEPS, state)


def first_row(tracker: Any, env: Any, observation: Any, info: Any) -> tuple[Any, dict[str, Any]]:
    """The state row of an episode's start, and the tables it points into (none)."""
    tracker.flattening.write(observation, tracker.flat)
    row = np.zeros(tracker.width)
    tracker.reading.first(env, observation, info, tracker.flat, row)
    return row, {}


def next_row(tracker: Any, env: Any, action: Any, outcome: tuple, tables: dict[str, Any]) -> Any:
    """The state row after a step. outcome: what the environment's step returned."""
    observation, reward, terminated, truncated, info = outcome
    tracker.flattening.write(observation, tracker.flat)
    row = np.zeros(tracker.width)
    plain = observation, float(reward), bool(terminated), bool(truncated), info
    tracker.reading.next(env, plain, tracker.flat, row)
    return row
