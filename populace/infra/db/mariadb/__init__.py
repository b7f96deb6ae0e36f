"""MariaDB as Django's database engine: settings name this package."""
