"""What every command starts from: the configuration, the database, the node. Each is opened only when asked for."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bwm.errors import DatabaseTrouble, UsageError

if TYPE_CHECKING:  # loaded only by the commands that need them
    from bwm.config import Config
    from bwm.db.database import Database


@dataclass(frozen=True, slots=True)
class Session:
    """The options that stand before the command."""

    config_file: Path | None
    network: str | None

    def config(self) -> "Config":
        """Raises ConfigError."""
        from bwm.config import load

        return load(self.config_file, self.network)

    @contextmanager
    def database(self, config: "Config") -> Iterator["Database"]:
        """The open database, made if there is none. Raises DatabaseTrouble."""
        from peewee import PeeweeException

        from bwm.db.database import Database

        refuse_root(config)
        database = Database(config.database_url, config.network)
        try:
            with database.connection():
                yield database
        except PeeweeException as error:
            raise DatabaseTrouble(
                f"The database could not be read or written: {error}. Check that this user may write there and that "
                "the disk is not full, then try again."
            ) from error


def refuse_root(config: "Config") -> None:
    """Raise UsageError when root would make files among those of the daemon's user, who could not write them."""
    if os.geteuid() != 0 or not config.state_dir.exists():
        return
    owner = config.state_dir.stat().st_uid
    if owner != 0:
        user = pwd.getpwuid(owner).pw_name
        raise UsageError(f"{config.state_dir} belongs to {user}. Run this as that user: sudo -u {user} bwm ...")


pass_session = click.make_pass_decorator(Session)
