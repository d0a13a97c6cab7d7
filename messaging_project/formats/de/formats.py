"""Short enough for a list."""

DATETIME_FORMAT = "j. N Y, H:i"
