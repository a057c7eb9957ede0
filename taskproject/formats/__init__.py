"""How values are shown to people, by language. Django looks here before its own."""
