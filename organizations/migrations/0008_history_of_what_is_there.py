from django.db import migrations


def note_what_is_there(apps, schema_editor):
    """Begin the history with what is there, so that of its first change too is known from what to what."""
    for name in ("Organization", "Membership", "Device", "ApiToken", "PersonalAccessToken"):
        model, event = apps.get_model("organizations", name), apps.get_model("organizations", f"{name}Event")
        columns = ", ".join(f'"{field.column}"' for field in event._meta.fields if not field.name.startswith("pgh_"))
        schema_editor.execute(
            f'INSERT INTO "{event._meta.db_table}" ({columns}, pgh_created_at, pgh_label, pgh_obj_id)'  # noqa: S608 # names of ours
            f' SELECT {columns}, NOW(), \'known\', "{model._meta.pk.column}" FROM "{model._meta.db_table}"'
        )


class Migration(migrations.Migration):
    """By itself: while rows are copied no lock is held that keeps others from reading them."""

    dependencies = [
        ("organizations", "0007_names_in_two_languages"),
    ]

    operations = [
        migrations.RunPython(note_what_is_there, migrations.RunPython.noop, elidable=True),
    ]
