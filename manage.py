#!/usr/bin/env python
"""Django's command line: `manage.py help` lists what there is."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "messaging_project.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Settings: {error}")
    except OperationalError as error:
        from messaging_project.database import where

        sys.exit(f"Cannot use {where()}: {str(error).strip().splitlines()[0]}")


if __name__ == "__main__":
    main()
