"""Comparison of methods and baselines; `__main__` has the command."""
