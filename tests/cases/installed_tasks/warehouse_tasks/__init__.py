"""A package with tasks for rewardsmith; tests write its metadata as an installer would."""
