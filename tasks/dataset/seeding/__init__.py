"""Rows of a whole service, made up reproducibly: what `manage.py seed` writes. No database here
but in `loading`."""
