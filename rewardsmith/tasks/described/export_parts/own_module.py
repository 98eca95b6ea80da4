def own_module(name: str) -> Any:
    """Import a module: from Python's path, else from the folder of this file."""
    import importlib
    import sys
    from pathlib import Path

    folder = str(Path(globals().get("__file__", "reward.py")).resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)
