"""A person's data: everything that the service holds about somebody, as a file, and erasing it.

Each app registers what it keeps (parts.py), in its module person_data; nothing here knows the other apps.
"""
