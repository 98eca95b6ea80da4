"""ONI: labellers of captions, storage of labels, and the reward models trained on them."""
