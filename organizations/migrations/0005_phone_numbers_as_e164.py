from django.core.exceptions import ValidationError
from django.db import migrations

from organizations.phone import e164

BATCH = 2000

# What is no number in E.164 yet, in the order of the ids.
TO_READ = r"""
    SELECT id, user_id, way, address FROM organizations_device
    WHERE id > %s AND way IN ('sms', 'call') AND address !~ '^\+[1-9][0-9]{6,14}$' ORDER BY id LIMIT %s
"""

TO_WRITE = """
    UPDATE organizations_device d SET address = new.address
    FROM unnest(%s::bigint[], %s::text[]) AS new (id, address)
    WHERE d.id = new.id AND NOT EXISTS (
        SELECT FROM organizations_device other
        WHERE other.user_id = d.user_id AND other.way = d.way AND other.address = new.address
    )
"""


def rewrite(apps, schema_editor):
    """Write stored numbers as they are kept from now on. What is no number, or is there in another spelling already,
    stays as it is."""
    last = 0
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute(TO_READ, [last, BATCH])
            rows = cursor.fetchall()
            if not rows:
                return
            last = rows[-1][0]
            rewritten = {}
            for device_id, user_id, way, address in rows:
                try:
                    rewritten.setdefault((user_id, way, e164(address)), device_id)
                except ValidationError:
                    continue
            addresses = [address for _user_id, _way, address in rewritten]
            cursor.execute(TO_WRITE, [list(rewritten.values()), addresses])


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0004_index_of_device_addresses"),
    ]

    operations = [
        # Every spelling is read as the same number: there is nothing to undo.
        migrations.RunPython(rewrite, migrations.RunPython.noop),
    ]
