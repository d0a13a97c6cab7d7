from django.db import migrations

COLUMN = "ALTER TABLE {} ADD COLUMN next_release integer DEFAULT 7 NOT NULL"


class Migration(migrations.Migration):
    """Needs for a moment what nobody else may be at."""

    dependencies = [
        ("alarms", "0008_indexes_for_speed"),
    ]

    operations = [
        migrations.RunSQL(COLUMN.format("alarms_devicemessage")),
        migrations.RunSQL(COLUMN.format("alarms_alarmmessage")),
    ]
