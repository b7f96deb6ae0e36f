"""What MariaDB can do, where Django's MySQL engine has no word for it."""

from django.db.backends.mysql.features import DatabaseFeatures as MySQLFeatures


class DatabaseFeatures(MySQLFeatures):
    # It takes any unique key: true wherever an upsert's table has one; of people it is the id.
    supports_update_conflicts_with_target = True
    has_select_for_no_key_update = True  # asked for where a key stays: the stronger lock does, too (operations.py)
