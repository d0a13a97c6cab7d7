"""Who there is: users, organizations, memberships, groups, devices and the tokens of the REST API."""

from organizations.models.absence import Absence as Absence
from organizations.models.log_in import LogInAttempt as LogInAttempt
from organizations.models.log_in import SecondFactor as SecondFactor
from organizations.models.members_file import MembersFile as MembersFile
from organizations.models.people import Device as Device
from organizations.models.people import Group as Group
from organizations.models.people import Membership as Membership
from organizations.models.people import Organization as Organization
from organizations.models.people import OrganizationQuerySet as OrganizationQuerySet
from organizations.models.people import User as User
from organizations.models.people import Way as Way
from organizations.models.people import default_language as default_language
from organizations.models.people import default_time_zone as default_time_zone
from organizations.models.people import validate_language as validate_language
from organizations.models.people import validate_line as validate_line
from organizations.models.people import validate_time_zone as validate_time_zone
from organizations.models.token import ApiToken as ApiToken
from organizations.models.token import PersonalAccessToken as PersonalAccessToken
from organizations.models.token import Token as Token
