"""What methods share that ask a model while they train: questions go out in threads, and training never waits."""
