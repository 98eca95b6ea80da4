def reward(prev, action, state, memory):
    """Keeps a protocol of the whole episode; a new entry pays a tenth of a cent."""
    entry = (int(state.x), int(state.y), int(state.holding))
    protocol = memory.setdefault("protocol", [])
    new = entry not in protocol
    protocol.append(entry)
    return 0.001 * new
