"""Progress between milestones: its labels on complete episodes, and the network that predicts it."""
