"""What every REST endpoint shares: problems, pages, parameters. Knows no app."""
