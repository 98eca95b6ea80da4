"""Tasks made of environments that a caller holds as objects: a class, a function, an instance."""
