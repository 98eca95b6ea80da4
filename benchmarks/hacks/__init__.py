"""Known hacks and good rewards on tasks without a model: what the battery and the search for exploits accuse."""
