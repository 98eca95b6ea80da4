"""Executors: local slots, and the process that runs one trial."""
