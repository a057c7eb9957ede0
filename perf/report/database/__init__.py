"""A look at a database as text, JSON, Markdown and HTML. All are made from its document alone."""
