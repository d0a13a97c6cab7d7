from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """On a table that is in use: nobody waits while these are built."""

    atomic = False

    dependencies = [
        ("alarms", "0005_alarm_templates"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="devicemessage",
            index=models.Index(
                condition=models.Q(("sent_at__isnull", False)), fields=["sent_at"], name="messages_sent"
            ),
        ),
        AddIndexConcurrently(
            model_name="devicemessage",
            index=models.Index(condition=models.Q(("status", 4)), fields=["changed_at"], name="messages_failed"),
        ),
    ]
