"""Row locks that some hold together and others alone."""

from typing import Any

from django.db import connections, router
from django.db.models import Model

SHARED = {"postgresql": " FOR SHARE", "mysql": " LOCK IN SHARE MODE"}


def hold(model: type[Model], key: Any, *, alone: bool) -> None:
    """Lock a row until the transaction ends: with others who do not want it alone, or alone.

    Waits at most the database's lock_timeout. On SQLite a transaction that writes is alone from its beginning.
    """
    rows = model._base_manager.filter(pk=key)
    if alone:
        rows.select_for_update().values_list("pk").first()
        return
    connection = connections[router.db_for_write(model)]
    if clause := SHARED.get(connection.vendor):
        sql, params = rows.order_by().values_list("pk").query.sql_with_params()  # the ORM has no word for it
        with connection.cursor() as cursor:
            cursor.execute(sql + clause, params)
