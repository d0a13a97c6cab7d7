"""The settings of the service, with bare views beside its own: in the same processes, behind the same middleware."""

from messaging_project.settings import *  # noqa: F403 - all of them

ROOT_URLCONF = "benchmarks.urls"
