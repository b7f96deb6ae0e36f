"""What user names look like, claimed for people who came before version 0.2. Phase: backfill."""

import unicodedata
from typing import Any
from uuid import UUID

from django.db import migrations, transaction

from populace.users.identifiers import CONFUSABLE, key_of
from populace.users.lookalikes import skeleton

CHUNK = 1000  # people of one transaction, well within the limits of a request's statement


def claim(apps: Any, schema_editor: Any) -> None:
    """Claim it for everybody who has a user name, in the order of their ids: of two who look alike, the older has it.

    The other stays without, and `populace doctor identifiers` names them. Interrupted, it is begun anew and passes
    over what is there.
    """
    using = schema_editor.connection.alias
    user, identifier = (apps.get_model("users", name)._base_manager.using(using) for name in ("User", "Identifier"))
    people, after = user.order_by("id").values_list("id", "username_normal"), UUID(int=0)
    while True:
        with transaction.atomic(using):
            # Locked: nobody gets a claim who is renamed or erased meanwhile.
            found = list(people.filter(id__gt=after).select_for_update()[:CHUNK])
            if not found:
                return
            after = found[-1][0]
            keys = [(key_of(CONFUSABLE, skeleton(name)), user_id) for user_id, name in found if name]
            rows = (
                identifier.model(key=key, user_id=user_id, unicode_version=unicodedata.unidata_version)
                for key, user_id in sorted(keys)  # in one order for all writers, and by age
            )
            identifier.bulk_create(rows, ignore_conflicts=True)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("users", "0002_lists")]

    operations = [migrations.RunPython(claim, migrations.RunPython.noop)]
