from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """On tables that are in use: nobody waits while these are built."""

    atomic = False

    dependencies = [
        ("alarms", "0003_gateways_answers_and_hooks"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="devicemessage",
            index=models.Index(
                condition=models.Q(("status", 0)),
                fields=["way", "gateways_of", "gateway", "alarm", "due_at"],
                name="messages_to_claim_by_pool",
            ),
        ),
        RemoveIndexConcurrently(
            model_name="devicemessage",
            name="messages_to_claim",
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY each_answer_code_once"
                    " ON alarms_alarmmessage (code) WHERE NOT code = ''",
                    "DROP INDEX CONCURRENTLY each_answer_code_once",
                )
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name="alarmmessage",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("code", ""), _negated=True), fields=("code",), name="each_answer_code_once"
                    ),
                )
            ],
        ),
    ]
