import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("alarms", "0008_indexes_for_speed"),
        ("organizations", "0008_history_of_what_is_there"),
    ]

    operations = [
        migrations.CreateModel(
            name="Audit",
            fields=[
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("late", "device messages due for over 5 s"),
                            ("leases", "device messages whose lease was over"),
                            ("unstarted", "scheduled alarms that no job was to raise"),
                            ("unplanned", "recipients that no job was to plan"),
                            ("unclosed", "alarms that no job was to close at their end"),
                            ("uncleared", "all-clears that no job was to tell"),
                            ("without_messages", "running alarms that reach nobody"),
                        ],
                        max_length=20,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("found", models.PositiveIntegerField(default=0, help_text="How many the last audit has found.")),
                (
                    "last_found",
                    models.PositiveIntegerField(
                        default=0, help_text="How many were found the last time that any were."
                    ),
                ),
                ("last_found_at", models.DateTimeField(null=True)),
                (
                    "total",
                    models.PositiveBigIntegerField(
                        default=0, help_text="How many were found since ever, each counted once."
                    ),
                ),
                ("audited_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="Trouble",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "way",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("app", "app push"),
                            ("pager", "pager"),
                            ("sms", "SMS"),
                            ("call", "call"),
                            ("email", "e-mail"),
                        ],
                        db_default="",
                        default="",
                        max_length=5,
                    ),
                ),
                ("found_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("told_at", models.DateTimeField(null=True)),
                (
                    "alarm",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="alarms.alarm"
                    ),
                ),
                (
                    "alarm_message",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="alarms.alarmmessage",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="organizations.organization",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="trouble",
            index=models.Index(fields=["organization", "-told_at"], name="troubles_of_an_organization"),
        ),
        migrations.AddIndex(
            model_name="trouble",
            index=models.Index(fields=["found_at"], name="troubles_to_forget"),
        ),
        migrations.AddConstraint(
            model_name="trouble",
            constraint=models.UniqueConstraint(
                condition=models.Q(("alarm_message__isnull", False)),
                fields=("alarm_message",),
                name="each_unreached_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="trouble",
            constraint=models.UniqueConstraint(
                condition=models.Q(("alarm_message", None)),
                fields=("alarm", "way"),
                name="each_failing_way_once_per_alarm",
            ),
        ),
        # Last, as nobody can raise or read an alarm until this is committed.
        migrations.AddField(
            model_name="alarm",
            name="details_dropped_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When what each device got and each answer were dropped, as they were old.",
                null=True,
                verbose_name="details dropped at",
            ),
        ),
    ]
