"""What a person reads: short, plain, and silent about what the channel may not know."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.chain.block import BlockRef
from bwm.event import Event
from bwm.wording import tell

TXID = "ab" * 32
SEEN = Event(
    "key", "trigger.seen", 0, "main", f"spends watched outpoint {'cd' * 32}:0", "cold", txid=TXID, sats=5_000_000, seq=1
)
MINED = replace(SEEN, kind="trigger.confirmed", block=BlockRef(820_000, "00"), seq=2)


def test_a_theft_says_what_to_whom_how_much_and_what_to_do():
    text = tell(SEEN, SEEN, 0, "abcdefghij")
    assert text.title == "Coins of vault cold are being moved"
    assert text.body.splitlines() == [
        f"Vault cold: spends watched outpoint {'cd' * 32}:0.",
        "Amount: 5,000,000 sat",
        f"Transaction: {TXID}",
        "First seen: 1970-01-01T00:00:00Z",
        "If this was not you: start your recovery now, from a device that you trust.",
        "Alert abcdefghij. To stop the repeats: bwm ack abcdefghij",
    ]


@pytest.mark.parametrize(
    ("kind", "now"),
    [
        ("trigger.confirmed", "Now: mined in block 820000."),
        ("trigger.final", "Now: mined in block 820000, deep enough to be called final."),
        ("trigger.reorged", "Now: its block left the chain; it may be mined again."),
        ("trigger.evicted", "Now: it left the mempool unmined; the coins are unspent, and it may come back."),
    ],
)
def test_an_update_says_how_things_stand_now(kind, now):
    assert now in tell(SEEN, replace(MINED, kind=kind), 0, "a").body


def test_a_guardian_lock_keeps_its_headline_when_its_transaction_is_mined():
    lock = Event("key", "guardian.locked", 0, "main", "lock 2", guardian="rex", txid=TXID, seq=1)
    mined = replace(lock, kind="guardian.confirmed", block=BlockRef(5, "00"), seq=2)
    text = tell(lock, mined, 0, "a")
    assert text.title == "LOCK: guardian rex says stop spending"
    assert "Now: mined in block 5." in text.body


@given(st.sets(st.sampled_from(["sats", "vault", "txid"])))
def test_what_is_redacted_is_nowhere_in_the_text(redact):
    secrets = {"sats": "5,000,000", "vault": "cold", "txid": TXID}
    for latest in (SEEN, MINED):
        text = tell(SEEN, latest, 0, "a", redact)
        for name, words in secrets.items():
            assert (words in text.title + text.body) == (name not in redact)


@given(st.text(min_size=1, max_size=5000), st.text(max_size=5000))
def test_no_text_is_too_long_for_a_channel(vault, reason):
    text = tell(replace(SEEN, vault=vault, reason=reason), MINED, 0, "a")
    assert 0 < len(text.title) < 200
    assert 0 < len(text.body) < 1000
