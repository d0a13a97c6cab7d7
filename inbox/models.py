"""Messages between users and groups (contract 6)."""
