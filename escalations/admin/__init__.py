"""In what order and how long, in the admin; the organization's page shows its own."""

from escalations.admin import configurations as configurations
from escalations.admin import timeouts as timeouts
