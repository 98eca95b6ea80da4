"""The processes that do the work: the local executor, the service's workers and schedulers, and trials."""
