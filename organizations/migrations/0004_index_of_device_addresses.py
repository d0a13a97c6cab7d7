from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """On a table that is in use: nobody waits while it is built."""

    atomic = False

    dependencies = [
        ("organizations", "0003_absences"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="device",
            index=models.Index(fields=["address"], name="devices_by_address"),
        ),
    ]
