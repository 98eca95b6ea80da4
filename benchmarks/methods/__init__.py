"""Methods and baselines compared, see `__main__`."""
