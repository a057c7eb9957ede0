"""Tasks, labels, comments and dependencies: the service itself."""
