"""CALM: parser of a designer's subgoals, verifiers of their termination, and the learner."""
