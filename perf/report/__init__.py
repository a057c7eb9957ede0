"""Reports of a run: JSON, terminal, Markdown and one HTML page. Pure functions of a `Run`."""
