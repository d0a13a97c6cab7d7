from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("alarms", "0010_indexes_of_the_auditor"),
    ]

    operations = [
        migrations.CreateModel(
            name="CounterIncrement",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("counter", models.CharField(max_length=20)),
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
                        max_length=5,
                    ),
                ),
                ("kind", models.CharField(max_length=20)),
                ("value", models.BigIntegerField()),
            ],
        ),
        # Last, as nobody can send until this is committed.
        migrations.AddField(
            model_name="devicemessage",
            name="first_due_at",
            field=models.DateTimeField(
                help_text="When its turn came, once a sender has taken it up.", null=True, verbose_name="first due at"
            ),
        ),
    ]
