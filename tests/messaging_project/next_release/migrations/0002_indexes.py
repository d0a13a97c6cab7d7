from django.db import migrations

INDEX = "CREATE INDEX CONCURRENTLY next_release_{0} ON alarms_devicemessage ({0})"


class Migration(migrations.Migration):
    """Takes its time, beside everybody else."""

    atomic = False

    dependencies = [
        ("next_release", "0001_columns"),
    ]

    operations = [
        migrations.RunSQL(INDEX.format("changed_at")),
        migrations.RunSQL(INDEX.format("address")),
        migrations.RunSQL("ALTER TABLE alarms_devicemessage ALTER COLUMN next_release SET DEFAULT 8"),
    ]
