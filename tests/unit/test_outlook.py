"""The time that is left for a vault, as its responses, the chain and the latest event have it."""

import pytest

from bwm.chain.block import BlockRef
from bwm.daemon import outlook
from bwm.db import cursor, responses, schema
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.event import Event
from bwm.plan import Changes
from bwm.policy.decision import Decision, Wish
from bwm.wording import Coming, Lack

NOW = 1_795_251_900


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/bwm.sqlite", "regtest")
    with database.connection(), database.transaction():
        cursor.move(BlockRef(1000, "00" * 32))
        yield database


def prepare(*locks):
    """Vault cold with a response for each lock."""
    vault = schema.Vault.create(name="cold", severity="emergency", final_depth=6, created_at=0)
    for number, lock in enumerate(locks):
        schema.Response.create(
            vault=vault, name=f"r{number}", lock=lock, verdict="ready", reason="", checked_at=0, created_at=0
        )


def event(kind, height=None, at=NOW):
    block = BlockRef(height, "00" * 32) if height else None
    return Event("k", kind, at, "regtest", "", vault="cold", txid="ab" * 32, block=block)


@pytest.mark.parametrize(
    ("kind", "height", "locks", "blocks"),
    [
        ("trigger.seen", None, ["blocks:144"], 144),
        ("trigger.confirmed", 1000, ["blocks:144"], 143),
        ("trigger.confirmed", 900, ["blocks:144"], 43),
        ("trigger.final", 800, ["blocks:144"], 0),
        ("trigger.reorged", 900, ["blocks:144"], 144),
        ("trigger.seen", None, ["blocks:144", "blocks:10"], 10),
        ("trigger.seen", None, ["height:1012"], 12),
        ("trigger.seen", None, [f"time:{NOW + 6000}"], 10),
        ("trigger.confirmed", 1000, ["seconds:6000"], 10),
        ("trigger.seen", None, [None], None),
        ("trigger.seen", None, [], None),
        ("trigger.evicted", None, ["blocks:144"], None),
        ("trigger.conflicted", 990, ["blocks:144"], None),
        ("funds.received", None, ["blocks:144"], None),
    ],
)
def test_the_shortest_lock_says_how_long_there_is(database, kind, height, locks, blocks):
    prepare(*locks)
    assert outlook.blocks_left(event(kind, height), NOW) == blocks


def test_nothing_is_known_of_a_chain_that_was_never_read(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/bwm.sqlite", "regtest")
    with database.connection():
        prepare("blocks:144")
        assert outlook.blocks_left(event("trigger.seen"), NOW) is None


def test_of_a_response_that_is_to_come_it_is_known_what_keeps_it_back(database):
    """Whoever is woken and reads that bwm will send it does not send it himself."""
    prepare(None)
    theft = event("trigger.seen")
    wishes = (Wish(0, "respond", "r0", delay_s=60), Wish(1, "respond", "other/r9", delay_s=60))
    commit(database, Changes((theft,), decisions=(Decision("one", "1", theft, "", "cold", wishes=wishes),)), (), NOW)

    def coming():
        return outlook.coming(theft)

    missing = Coming("other/r9", NOW + 60, 1, lack=Lack.MISSING)
    assert coming() == (Coming("cold/r0", NOW + 60, 1, lack=Lack.DISARMED), missing)
    responses.arm(1, armed=True)
    assert coming() == (Coming("cold/r0", NOW + 60, 1), missing)
    responses.hold(on=True)
    assert coming() == (Coming("cold/r0", NOW + 60, 1, lack=Lack.HOLD), missing)
