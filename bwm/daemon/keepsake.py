"""What bwm notes about its database outside of it, so that an empty or an older one is not taken for the truth."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from bwm import health
from bwm.clock import rfc3339
from bwm.daemon.watch_health import SEEN_AT
from bwm.db import journal, settings, vaults
from bwm.errors import DatabaseTrouble
from bwm.event import Event

NAME = "keepsake.json"


@dataclass(frozen=True, slots=True)
class Keepsake:
    """A database at one moment."""

    database: str  # its id: a new one for each database that is made
    generation: int  # counts changes of the watch list
    triggers: int
    last_event: int
    seen_at: int  # unix seconds

    def goes_on_from(self, before: "Keepsake") -> bool:
        """Whether it is the same database, in the same state or a later one."""
        is_older = self.generation < before.generation or self.last_event < before.last_event
        return self.database == before.database and not is_older


def of_database(before: Keepsake | None = None) -> Keepsake:
    """The open database as it is. Call inside a database connection.

    ``before``: what it was a while ago; a million triggers are not counted again unless the watch list changed.
    """
    generation = settings.generation()
    is_same = before is not None and before.generation == generation
    return Keepsake(
        database=settings.read(settings.DATABASE_ID) or "",
        generation=generation,
        triggers=before.triggers if before is not None and is_same else vaults.count_triggers(),
        last_event=journal.last_seq(),
        seen_at=int(settings.read(SEEN_AT) or 0),
    )


def read(state_dir: Path) -> Keepsake | None:
    """What was noted last; None when nothing was, or it cannot be read."""
    try:
        return Keepsake(**json.loads((state_dir / NAME).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def look_back(state_dir: Path, network: str, now: int) -> Event | None:
    """What the next start would say of the open database; None when it goes on from what was noted.

    Raises DatabaseTrouble where it would refuse it. Call inside a database connection.
    """
    noted = read(state_dir)  # first: what a running daemon adds meanwhile makes the database later, and never older
    return compare(noted, of_database(), state_dir, network, now)


def write(state_dir: Path, keepsake: Keepsake) -> None:
    """Note it, whole or not at all. Raises OSError."""
    part = state_dir / f"{NAME}.part"
    part.touch(mode=0o600)
    part.write_text(json.dumps(asdict(keepsake)))
    part.replace(state_dir / NAME)


def compare(noted: Keepsake | None, found: Keepsake, state_dir: Path, network: str, now: int) -> Event | None:
    """What an older database gives cause to say; None when it is the one that was noted, or a later state of it.

    Raises DatabaseTrouble for one that was made anew while things were watched: to run on it is to watch nothing.
    """
    if noted is None:
        return None
    if found.database != noted.database and found.triggers == 0 < noted.triggers:
        raise DatabaseTrouble(
            f"The database is new and empty, and until {rfc3339(noted.seen_at)} bwm watched {noted.triggers} triggers "
            f"here: it was lost. Restore the last backup (`bwm restore`, on PostgreSQL pg_restore). To begin anew, "
            f"remove {state_dir / NAME}."
        )
    if found.goes_on_from(noted):
        return None
    return health.restored(
        found.seen_at, max(found.seen_at, noted.seen_at), noted.triggers, found.triggers, network, now
    )
