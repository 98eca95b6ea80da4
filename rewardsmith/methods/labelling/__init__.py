"""ONI: who labels captions while a policy trains, where the labels are kept, and the reward models that learn them."""
