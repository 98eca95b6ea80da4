"""Gymnasium environments as tasks, through a description that names their state, actions and success."""
