"""The databases of former releases. A day is a release's name."""

# Of their service: what is kept encrypted is read with it.
SECRET_KEY = "of-a-release-" + "0123456789abcdef" * 4
