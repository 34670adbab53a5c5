"""What every command starts from: the configuration, the database, the node. Each is opened only when asked for."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bwm.errors import DatabaseTrouble, DatabaseUnwritable, UsageError

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

        refuse_stranger(config)
        database = Database(config.database_url, config.network)
        try:
            with database.connection():
                yield database
        except DatabaseUnwritable as error:
            words = str(error)
            raise DatabaseUnwritable(
                f"{words[0].upper()}{words[1:]}. Try again in a minute; `bwm doctor` looks at the disk, and what else "
                "has the database open may keep it locked."
            ) from error
        except PeeweeException as error:
            raise DatabaseTrouble(
                f"The database could not be read or written: {error}. Check that this user may write there and that "
                "the disk is not full, then try again."
            ) from error


def refuse_stranger(config: "Config") -> None:
    """Raise UsageError for who cannot work among the files of the daemon's user, or would make some that he cannot."""
    try:
        owner = config.state_dir.stat().st_uid
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise UsageError(
            f"{config.state_dir} cannot be a folder: what it should be in is a file. Correct state_dir in the "
            "configuration."
        ) from None
    except PermissionError:
        raise UsageError(
            f"{config.state_dir} is closed to this user. Run this as the daemon's: sudo -u bwm bwm ..."
        ) from None
    is_closed = os.geteuid() == 0 or not os.access(config.state_dir, os.W_OK | os.X_OK, effective_ids=True)
    if owner != os.geteuid() and is_closed:
        user = _name_of(owner)
        raise UsageError(f"{config.state_dir} belongs to {user}. Run this as that user: sudo -u {user} bwm ...")


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # as sudo takes it
        return f"#{user}"


pass_session = click.make_pass_decorator(Session)
