"""The settings of a version that has the migrations of the next release too."""

from messaging_project.settings import *  # noqa: F403
from messaging_project.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.messaging_project.next_release"]
