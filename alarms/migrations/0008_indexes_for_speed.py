from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models.expressions import CombinedExpression
from django.db.models.lookups import Exact

# Each message is changed twice as it leaves: what that leaves behind is cleared, and the planner's statistics are made
# anew, after a hundredth of a table that may be years old and not after a fifth or a tenth. DeviceRate is changed in place,
# for which its pages keep room.
OFTEN = {
    "autovacuum_vacuum_scale_factor": 0.01,
    "autovacuum_vacuum_threshold": 1000,
    "autovacuum_analyze_scale_factor": 0.01,
    "autovacuum_analyze_threshold": 200,
}
SETTINGS = {"alarms_devicemessage": OFTEN, "alarms_alarmmessage": OFTEN, "alarms_devicerate": {"fillfactor": 70}}


def set_them(table: str, values: dict[str, float]) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"ALTER TABLE {table} SET ({', '.join(f'{name} = {value}' for name, value in values.items())})",
        f"ALTER TABLE {table} RESET ({', '.join(values)})",
    )


class Migration(migrations.Migration):
    """On tables that are in use: nobody waits while these are built."""

    atomic = False

    dependencies = [
        ("alarms", "0007_names_in_two_languages"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="alarm",
            index=models.Index(
                condition=models.Q(("closed_at", None), ("pending_resources__isnull", True)),
                fields=["-starts_at", "-id"],
                name="alarms_open",
            ),
        ),
        AddIndexConcurrently(
            model_name="devicemessage",
            index=models.Index(
                condition=models.Q(Exact(CombinedExpression(models.F("status"), "+", models.Value(0)), 0)),
                fields=["way", "gateways_of", "gateway", "alarm", "due_at"],
                name="messages_to_claim",
            ),
        ),
        RemoveIndexConcurrently(model_name="devicemessage", name="messages_to_claim_by_pool"),
        *(set_them(table, values) for table, values in SETTINGS.items()),
    ]
