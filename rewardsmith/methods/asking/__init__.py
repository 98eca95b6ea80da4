"""Asynchronous questions to a model during training: threads ask, and training never waits for an answer."""
