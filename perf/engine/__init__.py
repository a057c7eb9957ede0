"""Statistics and the runner: the standard library and numpy, no Django."""
