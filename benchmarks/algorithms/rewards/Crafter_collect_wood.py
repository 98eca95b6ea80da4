"""Hand-written, in the style of Eureka's programs: steps nearer to a tree, facing it, and the wood itself."""


def reward(prev, action, state, memory):
    nearer = prev.nearest_tree.steps - state.nearest_tree.steps
    return {
        "nearer": 0.05 * max(-1, min(1, nearer)),
        "facing": 0.02 if state.ahead == "tree" and prev.ahead != "tree" else 0.0,
        "wood": 1.0 if state.wood > prev.wood else 0.0,
    }
