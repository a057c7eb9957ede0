"""Projects: what tasks are gathered in, and where their numbers come from."""
