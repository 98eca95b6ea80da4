"""Parts of Words as Beacons: the subgoals of each layout, and what a policy is told of the present one."""
