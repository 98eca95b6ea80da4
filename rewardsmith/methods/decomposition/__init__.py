"""Return decomposition: a decoder of features per step, whose sum over an episode approaches the episode's return."""
