"""Who there is, in the admin."""

from django.contrib import admin
from django.contrib.auth.models import Group

from organizations.admin import absences as absences
from organizations.admin import devices as devices
from organizations.admin import groups as groups
from organizations.admin import memberships as memberships
from organizations.admin import organizations as organizations
from organizations.admin import people as people
from organizations.admin import tokens as tokens
from organizations.admin.organizations import OrganizationAdmin as OrganizationAdmin

# Of permissions of Django's, which give no right here.
admin.site.unregister(Group)
