"""What bwm has written down, read past all of its own code."""

from dataclasses import dataclass
from types import SimpleNamespace

from tests.simulation.ledger import Ledger
from tests.simulation.operator import Operator
from tests.simulation.people import People
from tests.simulation.tower import Tower
from tests.simulation.world import World

_SIGHTINGS = """
    SELECT s.txid, s.family, s.status, s.block_hash AS block, s.revision, t.kind, t.key,
           COALESCE(v.name, g.name) AS owner
    FROM sighting s JOIN trigger t ON s.trigger_id = t.id
    LEFT JOIN vault v ON t.vault_id = v.id LEFT JOIN guardian g ON t.guardian_id = g.id
"""
_EVENTS = """
    SELECT seq, kind, at, COALESCE(vault, guardian) AS owner, vault, guardian, trigger_kind, trigger_key, txid,
           block_hash AS block, detail
    FROM event ORDER BY seq
"""


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken. ``kind``: miss, loss, duplicate, or which other sort."""

    kind: str
    words: str


class Facts:
    """One look at the database, beside everything that is true."""

    def __init__(self, world: World, tower: Tower, people: People, operator: Operator) -> None:
        self.world, self.tower, self.people, self.operator = world, tower, people, operator
        self.ledger: Ledger = world.ledger
        self.sightings = self.rows(_SIGHTINGS)
        self.events = self.rows(_EVENTS)

    def rows(self, sql: str) -> list[SimpleNamespace]:
        """The rows of a query."""
        cursor = self.tower.database.sqlite.connection().execute(sql)
        names = [column[0] for column in cursor.description]
        return [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in cursor]
