"""Populace's settings with a connection for each request: closed where it is given back, whoever would keep it."""

from config.settings import *  # noqa: F403
from populace.infra.db.pool import Pool

Pool.give = Pool.drop  # type: ignore[method-assign]
