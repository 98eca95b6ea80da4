"""The language model of ULPS: planner's trajectories, prompts in words, encoder, uncertainty, calibration."""
