"""Reports of a load test. Pure functions of a `LoadRun`, a comparison or a search."""
