"""What the pages of the admin about alarms show."""
