"""The load engine: no Django."""
