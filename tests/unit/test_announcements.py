"""An announcement makes one spend quiet, and never hides more than it says."""

import base64
from dataclasses import replace
from hashlib import sha256

import pytest
from bitcoin.core.key import CECKey
from hypothesis import given
from hypothesis import strategies as st

from bwm.chain.network import network
from bwm.daemon.owner_signature import is_signed_by
from bwm.errors import UsageError
from bwm.event import Event, fact_key
from bwm.plan import AlertChange, Changes
from bwm.plan_policies import PolicyFacts, VaultSpend, plan_expired, plan_policies
from bwm.policy.announced_text import LONGEST_S, Said, read_text, refuse_odd, text_of
from bwm.policy.announcement import Announcement, Destination, Spend, State, mismatch
from bwm.severity import Severity

NOW = 1_700_000_000
TXID = "ab" * 32
SCRIPTS = [b"a", b"b", b"own", b"thief"]
ONE = Announcement(1, "cold", NOW - 10, NOW + 10, destinations=(Destination("A", b"a", 500),), max_fee=100)

outputs = st.lists(st.tuples(st.sampled_from(SCRIPTS), st.integers(0, 1000)), max_size=5).map(tuple)
places = st.lists(
    st.builds(Destination, st.just("A"), st.sampled_from(SCRIPTS[:2]), st.integers(1, 600)), min_size=1, max_size=3
)


@given(outputs, places, st.none() | st.integers(0, 4000), st.integers(0, 500))
def test_what_is_quiet_takes_no_more_than_was_announced(paid, wanted, spent, max_fee):
    one = replace(ONE, destinations=tuple(wanted), max_fee=max_fee)
    if mismatch(one, Spend(TXID, paid, spent), {b"own"}) is not None:
        return
    back = sum(sats for script, sats in paid if script == b"own")
    assert spent is not None
    assert spent - back <= sum(place.most for place in wanted) + max_fee
    assert not any(script == b"thief" and sats for script, sats in paid)


@pytest.mark.parametrize(
    ("paid", "spent", "words"),
    [
        (((b"a", 500), (b"own", 400)), 1000, None),
        (((b"a", 500), (b"own", 400), (b"thief", 0)), 1000, None),
        (((b"a", 501), (b"own", 400)), 1000, "1 sat more than announced"),
        (((b"a", 300), (b"a", 300), (b"own", 400)), 1000, "100 sat more than announced"),
        (((b"a", 1), (b"thief", 999)), 1000, "was not announced"),
        (((b"a", 1),), 1000, "would be fee"),
        (((b"own", 1000),), 1000, "nothing to an announced"),
        (((b"a", 500),), None, "not known how much"),
    ],
)
def test_a_spend_keeps_to_it_or_it_is_said_why_not(paid, spent, words):
    found = mismatch(ONE, Spend(TXID, paid, spent), {b"own"})
    assert found is None if words is None else words in found


def theft(txid: str = TXID, kind: str = "trigger.seen", **detail: object) -> Event:
    key = fact_key(kind, txid)
    return Event(key, kind, NOW, "regtest", "", "cold", None, "outpoint", "coin", txid, sats=1000, detail=detail)


GOOD = ((b"a", 500), (b"own", 400))


def planned(one: Announcement, event: Event, paid=GOOD, coins=frozenset({b"coin"}), before=None) -> Changes:
    spends = {("cold", event.txid): VaultSpend(Spend(event.txid, paid, 1000, coins), frozenset({b"own"}))}
    if before:
        spends["cold", before] = VaultSpend(Spend(before, GOOD, 1000, frozenset({b"coin"})))
    facts = PolicyFacts("regtest", announcements=(one,), spends=spends)
    changes = Changes((event,), alerts=(AlertChange("case", event, Severity.EMERGENCY),))
    return plan_policies(changes, (), facts, NOW)


def loudness(changes: Changes) -> list[tuple[str, str]]:
    return [(alert.event.kind, str(alert.severity)) for alert in changes.alerts]


def test_the_announced_spend_is_quiet_and_uses_it_up():
    after = planned(ONE, theft())
    assert loudness(after) == [("trigger.seen", "info")]
    assert [(one.state, one.met_by) for one in after.announcements] == [(State.MET, TXID)]
    assert [event.kind for event in after.events] == ["trigger.seen", "announcement.met"]
    [later] = planned(after.announcements[0], theft(kind="trigger.final")).alerts
    assert (later.severity, later.resolves) == (Severity.INFO, Severity.INFO)


def test_a_second_one_is_told_as_reuse_and_a_replacement_of_the_first_is_not():
    used = replace(ONE, state=State.MET, met_by="cd" * 32)
    other = planned(used, theft(), coins=frozenset({b"other"}), before="cd" * 32)
    assert loudness(other) == [("trigger.seen", "emergency"), ("announcement.reused", "high")]
    dearer = planned(used, theft(), before="cd" * 32)
    assert (loudness(dearer), dearer.announcements[0].met_by) == ([("trigger.seen", "info")], TXID)


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (replace(ONE, ends_at=NOW - 1, state=State.EXPIRED), "is over"),
        (replace(ONE, ends_at=NOW - 1), "is over"),
        (replace(ONE, begins_at=NOW + 1), "not in force yet"),
        (replace(ONE, state=State.CANCELLED), "was cancelled"),
        (replace(ONE, max_fee=99), "1 sat more than announced"),
        (replace(ONE, txid="cd" * 32, destinations=()), "it is not transaction"),
    ],
)
def test_what_does_not_keep_to_it_is_loud_and_says_why(one, words):
    after = planned(one, theft())
    assert loudness(after) == [("trigger.seen", "emergency"), ("announcement.broken", "high")]
    assert words in after.events[0].detail["not_announced"]
    assert after.announcements == ()


def test_a_lock_is_louder_than_any_announcement():
    assert loudness(planned(ONE, theft(guardian="locked"))) == [("trigger.seen", "emergency")]


def test_one_that_nothing_used_is_over_and_told():
    after = plan_expired([ONE], "regtest", NOW)
    assert (after.announcements[0].state, loudness(after)) == (State.EXPIRED, [("announcement.expired", "info")])


REGTEST = network("regtest")
ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
SAID = Said(
    Announcement(0, "my vault", NOW, NOW + 60, destinations=(Destination(ADDRESS, b"", 5),), max_fee=7), "0" * 32
)


def test_the_text_says_every_word_of_it_and_is_read_back():
    text = text_of(SAID, "regtest")
    again = read_text(f"{text}\n", REGTEST)
    assert (again.announcement.vault, again.announcement.destinations[0].most, again.nonce) == ("my vault", 5, "0" * 32)
    assert text_of(again, "regtest") == text


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("regtest", "main"),
        lambda text: text.replace(":5", ":5 to=" + ADDRESS),
        lambda text: text + " max-fee=9",
        lambda text: text.replace("until=", "til="),
        lambda text: text.replace("nonce=0", "nonce=x"),
        lambda text: "'" + text,
        lambda text: "",
    ],
)
def test_a_text_that_was_changed_is_refused(change):
    with pytest.raises(UsageError):
        read_text(change(text_of(SAID, "regtest")), REGTEST)


@pytest.mark.parametrize(
    "one",
    [
        {"txid": TXID},
        {"destinations": ()},
        {"ends_at": NOW},
        {"ends_at": NOW + LONGEST_S + 1},
        {"ends_at": 10**30},
        {"begins_at": -1, "ends_at": 1},
        {"begins_at": -(10**30)},
    ],
)
def test_one_that_names_no_spend_or_no_time_is_refused(one):
    with pytest.raises(UsageError):
        refuse_odd(replace(SAID, announcement=replace(SAID.announcement, **one)))


def signed(secret: bytes, message: str) -> tuple[str, str]:
    """The public key and the signature as a wallet makes it, by python-bitcoinlib."""
    key = CECKey()
    key.set_secretbytes(secret)
    key.set_compressed(True)
    digest = sha256(
        sha256(b"\x18Bitcoin Signed Message:\n" + bytes([len(message)]) + message.encode()).digest()
    ).digest()
    signature, header = key.sign_compact(digest)
    return key.get_pubkey().hex(), base64.b64encode(bytes([27 + header + 4]) + signature).decode()


def test_a_wallets_signature_is_known_and_every_other_is_not():
    public_key, signature = signed(bytes(31) + b"\x05", "hello")
    other_key, other = signed(bytes(31) + b"\x06", "hello")
    assert is_signed_by(public_key, "hello", f"{signature}\n")
    assert not is_signed_by(public_key, "hullo", signature)
    assert not is_signed_by(public_key, "hello", other)
    assert not is_signed_by(other_key, "hello", signature)
    for junk in ("", "no base64", signature[:-8], base64.b64encode(bytes(65)).decode()):
        assert not is_signed_by(public_key, "hello", junk)
