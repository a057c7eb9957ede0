#!/usr/bin/env python
"""Django's command-line entry point; what is wrong around it is told without a traceback."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskproject.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
        from django.db import OperationalError
    except ModuleNotFoundError as error:
        sys.exit(f"Error: {error}. Run `make run` once, then `.venv/bin/python manage.py …`.")

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"Error: {error}")
    except OperationalError as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(
            f"Error: the database: {error}\nIs it running? `make run` or "
            "`manage.py services start` starts the embedded one."
        )


if __name__ == "__main__":
    main()
