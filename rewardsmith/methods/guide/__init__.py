"""The language model of ULPS: planner's trajectories, prompts in words, an encoder, its uncertainty, its calibration."""
