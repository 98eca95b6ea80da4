"""CALM: subgoals as a designer names them, and the verifier, which says which steps terminated one."""
