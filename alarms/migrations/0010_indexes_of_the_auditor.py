from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """On a table that is in use: nobody waits while these are built."""

    atomic = False

    dependencies = [
        ("alarms", "0009_audits_troubles_and_retention"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="alarm",
            index=models.Index(
                condition=models.Q(("closed_at", None), ("scheduled_end_at__isnull", False)),
                fields=["scheduled_end_at"],
                name="alarms_to_close",
            ),
        ),
        AddIndexConcurrently(
            model_name="alarm",
            index=models.Index(
                condition=models.Q(("all_clear_at__isnull", False)), fields=["all_clear_at"], name="alarms_all_clear"
            ),
        ),
        AddIndexConcurrently(
            model_name="alarm",
            index=models.Index(
                condition=models.Q(("details_dropped_at", None)), fields=["starts_at"], name="alarms_with_details"
            ),
        ),
    ]
