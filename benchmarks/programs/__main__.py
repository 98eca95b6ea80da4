"""The command line of benchmarks.programs."""

from benchmarks.programs.train import main

if __name__ == "__main__":  # processes that are spawned import this module, too
    main()
