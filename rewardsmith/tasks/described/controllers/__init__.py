"""Controllers that solve some of Gymnasium's environments: the shipped references."""
