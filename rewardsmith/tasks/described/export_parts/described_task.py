MADE_TASKS: list[Any] = []  # the object that describes the task, once it has been made


def described_task() -> Any:
    """The object that describes the task; a class is called once."""
    if not MADE_TASKS:
        MADE_TASKS.append(DESCRIBED)
    return MADE_TASKS[0]
