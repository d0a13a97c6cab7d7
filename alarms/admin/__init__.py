"""What happened, in the admin."""

from alarms.admin import alarms as alarms
from alarms.admin import jobs as jobs
from alarms.admin import records as records
from alarms.admin import templates as templates

# Pages of their own that belong to this app.
from alarms.gateways import admin as gateways
from alarms.hooks import admin as hooks

__all__ = ["alarms", "gateways", "hooks", "jobs", "records", "templates"]
