"""Stands for what the next release brings: migrations of tables that are in use."""
