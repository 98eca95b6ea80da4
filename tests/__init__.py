"""The tests: a package, so that no library of the same name takes its place."""
