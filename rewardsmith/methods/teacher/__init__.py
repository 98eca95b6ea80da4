"""The teacher of ULPS, a language model: planner's trajectories, prompts, encoder, uncertainty, calibration."""
