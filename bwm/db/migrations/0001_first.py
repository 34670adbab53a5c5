"""The first schema."""

from typing import Any

from bwm.db.schema import TABLES


def up(migrator: Any, db: Any) -> None:
    """Make every table."""
    db.create_tables(TABLES, safe=False)
