def reward(prev, action, state, memory):
    """Half a cent for each pose (cell and direction) that is new in this episode."""
    diary = memory.setdefault("diary", {})
    pose = "%d,%d,%s" % (state.agent.x, state.agent.y, state.agent.direction)
    diary[pose] = diary.get(pose, 0) + 1
    return {"new_pose": 0.005 if diary[pose] == 1 else 0.0, "found": 2.0 if state.solved else 0.0}
