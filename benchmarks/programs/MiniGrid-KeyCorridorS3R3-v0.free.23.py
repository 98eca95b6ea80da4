def reward(prev, action, state, memory):
    m = memory
    out = {'key': 0, 'unlock': 0, 'drop': 0, 'ball': 0}
    if action == PICKUP and state.carrying != prev.carrying and not m.get('key'):
        m['key'] = True
        out['key'] = 0.1
    if action == TOGGLE and state.event == 'unlocked' and not m.get('unlock'):
        m['unlock'] = True
        out['unlock'] = 0.2
    if action == DROP and state.event == 'dropped' and m.get('unlock') and not m.get('drop'):
        m['drop'] = True
        out['drop'] = 0.1
    if state.solved:
        out['ball'] = 0.3
    return out
