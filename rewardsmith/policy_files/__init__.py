"""A trained policy as files that plain Stable-Baselines3 and ONNX Runtime load: converted, compared and played."""
