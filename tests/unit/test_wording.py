"""What a person reads: short, plain, in the person's language, and silent about what the channel may not know."""

import gettext
import re
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm import health
from bwm.chain.block import BlockRef
from bwm.channels.sending.text import body_of
from bwm.event import Event
from bwm.guardian.notice import SEVERITY
from bwm.language import Language, language, names
from bwm.wording import Coming, Lack, Reader, Telling, tell, tell_digest, tell_test, tell_unreadable, title
from bwm.wording.kinds import ADVICE, NEXT, TITLES, WHAT
from bwm.wording.tell import BODY_LIMIT
from tests.docs import kinds
from tests.servers.channels import message

TXID = "ab" * 32
RIVAL = "ef" * 32
COIN = f"{'cd' * 32}:0"
ADDRESS = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
SEEN = Event(
    "key",
    "trigger.seen",
    0,
    "main",
    f"spends watched outpoint {COIN}",
    "cold",
    trigger_kind="outpoint",
    trigger_key=COIN,
    txid=TXID,
    sats=5_000_000,
    seq=1,
)
MINED = replace(SEEN, kind="trigger.confirmed", block=BlockRef(820_000, "00"), seq=2)
LOCK = Event("key", "guardian.locked", 0, "main", "lock 2", guardian="rex", txid=TXID, seq=1)
TELLING = Telling("abcdefghij", 0)


def test_a_theft_says_what_to_whom_how_much_what_next_what_to_do_and_how_to_answer():
    text = tell(SEEN, SEEN, replace(TELLING, repeats_at=60))
    assert text.title == "Coins are being moved: vault cold"
    assert text.body.splitlines() == [
        "A transaction that touches this vault is in the mempool: not mined yet, and it may be replaced.",
        "Amount: 5,000,000 sat",
        f"Transaction: {TXID}",
        f"Coin: {COIN}",
        "First seen: 1970-01-01 00:00 (UTC)",
        "bwm follows the transaction and tells you when it is mined, replaced or gone.",
        "It is told again at 1970-01-01 00:01 (UTC), until somebody answers.",
        "If this was not you: start your recovery now, from a device that you trust.",
        "To stop the repeats: bwm ack abcdefghij",
    ]


@pytest.mark.parametrize(
    ("kind", "now"),
    [
        ("trigger.confirmed", "was mined in block 820000."),
        ("trigger.final", "mined in block 820000, deep enough to be final."),
        ("trigger.reorged", "left the chain. It may be mined again."),
        ("trigger.evicted", "left the mempool unmined. The coins are unspent, and it may come back."),
    ],
)
def test_an_update_says_how_things_stand_now(kind, now):
    assert now in tell(SEEN, replace(MINED, kind=kind), TELLING).body.splitlines()[0]


def test_a_guardian_lock_keeps_its_headline_when_its_transaction_is_mined():
    mined = replace(LOCK, kind="guardian.confirmed", block=BlockRef(5, "00"), seq=2)
    text = tell(LOCK, mined, TELLING)
    assert text.title == "LOCK: stop spending: guardian rex"
    assert "Now: The transaction was mined in block 5." in text.body
    assert "Details: lock 2" in text.body


def test_how_long_there_is_stands_there_in_blocks_and_hours():
    text = tell(SEEN, SEEN, replace(TELLING, blocks_left=144))
    assert "Time left: 144 blocks, about 24 hours." in text.body
    assert "No time is left" in tell(SEEN, SEEN, replace(TELLING, blocks_left=0)).body


def test_what_replaced_it_is_named():
    replaced = replace(SEEN, kind="trigger.replaced", detail={"by": RIVAL}, seq=2)
    assert f"The other transaction: {RIVAL}" in tell(SEEN, replaced, TELLING).body


def test_a_trouble_and_its_end():
    began = Event(
        "k",
        "channel.failing",
        0,
        "main",
        "…",
        detail={"subject": "phone", "response": "sweepers", "words": "it hangs"},
        seq=1,
    )
    ended = replace(
        began, kind="channel.working", detail={"subject": "phone", "response": "sweepers", "lasted_s": 7200}, seq=2
    )
    assert tell(began, began, TELLING).title == "A channel takes no messages: phone"
    assert "Details: it hangs" in tell(began, began, TELLING).body
    text = tell(began, ended, TELLING)
    assert text.title == "A channel takes messages again: phone"
    assert "Now: It is over after 2 hours." in text.body
    assert "test-channel" not in text.body


def test_who_did_something_is_not_taken_for_a_transaction():
    said = Event("k", "deadman.checked_in", 0, "main", "token phone checked in", detail={"by": "token phone"}, seq=1)
    told = tell(said, said, TELLING).body
    assert "Details: token phone checked in" in told
    assert "transaction" not in told
    assert "transaction" not in tell(said, replace(said, kind="policy.approved"), TELLING).body


def test_a_check_in_that_is_overdue_says_until_when_it_counts_and_its_end_asks_for_nothing():
    overdue = Event("k", "deadman.overdue", 0, "main", "…", detail={"until": 604_800}, seq=1)
    told = tell(overdue, overdue, TELLING)
    assert told.title == "Nobody has checked in: overdue"
    assert "It counts as missed from 1970-01-08 00:00 (UTC) on." in told.body
    assert "bwm check-in. To answer this alert is not enough." in told.body
    assert "Details: …" in told.body
    back = tell(overdue, replace(overdue, kind="deadman.back", seq=2), TELLING)
    assert back.title == "Check-ins are in order again"
    assert "bwm check-in" not in back.body


def test_a_code_that_answers_stands_in_the_place_of_the_id():
    assert tell(SEEN, SEEN, replace(TELLING, answer_code="k7-m2")).body.endswith("bwm ack k7-m2")


COMING = (Coming("sweepers", 1200, 7, unless_answered=True), Coming("sweepers", 1200, 7, approve_by=600))


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (COMING[0], "At 1970-01-01 00:20 (UTC) bwm sends the response sweepers, unless somebody answers this before."),
        (
            replace(COMING[0], lack=Lack.DISARMED),
            "At 1970-01-01 00:20 (UTC) bwm sends the response sweepers, unless somebody answers this before. "
            "But it is not armed, and waits for that: bwm arm sweepers",
        ),
        (
            Coming("sweepers", 60, 7, lack=Lack.MISSING),
            "bwm sends the response sweepers now. But there is none of this name: nothing will be sent. "
            "bwm list-responses",
        ),
        (
            Coming("sweepers", 60, 7, lack=Lack.HOLD),
            "bwm sends the response sweepers now. But all responses are on hold: bwm hold --off",
        ),
        (COMING[1], "bwm sends the response sweepers if somebody says yes until 1970-01-01 00:10 (UTC): bwm approve 7"),
        (
            Coming("sweepers", 1200, 7),
            "At 1970-01-01 00:20 (UTC) bwm sends the response sweepers. To stop it: bwm veto 7",
        ),
        (Coming("sweepers", 60, 7, unless_answered=True), "bwm sends the response sweepers now."),
        (
            Coming("sweepers", 1200, 7, unless_answered=True, unless_checked_in=True),
            "At 1970-01-01 00:20 (UTC) bwm sends the response sweepers, unless the owner checks in before: "
            "bwm check-in",
        ),
    ],
)
def test_what_bwm_will_send_and_when_and_how_to_stop_it(one, words):
    telling = replace(TELLING, coming=(one,), now=60)
    assert words in tell(SEEN, SEEN, telling).body.splitlines()
    assert "sweepers" not in tell(SEEN, SEEN, telling, Reader(redact=["vault"])).body


@pytest.mark.parametrize(("name", "word"), [("en", "DRILL"), ("de", "ÜBUNG"), ("es", "SIMULACRO")])
def test_a_drill_is_marked_in_every_language(name, word):
    text = tell(SEEN, SEEN, replace(TELLING, is_drill=True), Reader(language(name)))
    assert text.title.startswith(f"{word}: ")
    assert text.body.splitlines()[0] != tell(SEEN, SEEN, TELLING, Reader(language(name))).body.splitlines()[0]


def test_times_are_those_of_the_readers_clock():
    body = tell(SEEN, SEEN, TELLING, Reader(language("de"), ZoneInfo("Europe/Berlin"))).body
    assert "Zuerst gesehen: 01.01.1970, 01:00 Uhr (Europe/Berlin, UTC+1)" in body


# Whole


def every_event():
    """One event of each kind that the code can make, with all that an event can hold."""
    for kind in sorted(kinds.of_events()):
        if kind not in TITLES:
            continue
        family = kind.partition(".")[0]
        owner = (
            {"vault": "cold"}
            if family in ("trigger", "funds", "response", "announcement", "drill")
            else {"guardian": "rex"}
            if family == "guardian"
            else {}
        )
        yield Event(
            "k",
            kind,
            0,
            "main",
            "why-so",
            trigger_kind="script" if owner else None,
            trigger_key=ADDRESS if owner else None,
            txid=TXID if owner else None,
            block=BlockRef(820_000, "00"),
            sats=5_000_000 if owner else None,
            detail={
                "subject": "phone",
                "response": "sweepers",
                "lasted_s": 7200,
                "words": "why-so",
                "by": RIVAL,
                "rival": True,
            },
            seq=1,
            **owner,
        )


EVENTS = list(every_event())


def test_every_kind_has_a_headline_of_its_own():
    assert sorted(kinds.of_events() - set(TITLES)) == []


def test_no_sentence_is_for_a_kind_that_there_is_not():
    there_is = kinds.of_events()
    known = {*there_is, *(kind.partition(".")[0] for kind in there_is)}
    assert sorted({*TITLES, *WHAT, *NEXT, *ADVICE} - known) == []


def test_what_is_urgent_says_what_can_be_done():
    urgent = {kind for kind, severity in health.severities().items() if severity.rank >= 2}
    urgent |= {kind for kind, severity in SEVERITY.items() if severity == "critical"} & {"guardian.locked"}
    told = {kind: tell(event, event, TELLING) for event in EVENTS if (kind := event.kind) in urgent}
    silent = [kind for kind, text in told.items() if len(text.body.splitlines()) < 4]
    assert silent == []


class Brackets(gettext.NullTranslations):
    """A language in which whatever goes through the catalogues stands in brackets."""

    def gettext(self, message):
        return f"⟦{message}⟧"

    def ngettext(self, msgid1, msgid2, n):
        return self.gettext(msgid1 if n == 1 else msgid2)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_nothing_that_is_told_goes_past_the_catalogues(event):
    reader = Reader(Language("brackets", Brackets()), ZoneInfo("UTC"))
    telling = Telling(
        "abcdefghij", 0, repeats_at=60, answer_code="k7m2", is_drill=True, coming=COMING, now=1, blocks_left=6
    )
    text = tell(event, replace(event, seq=2), telling, reader)
    assert outside(f"{text.title}\n{text.body}") == ""


def test_the_other_messages_go_through_the_catalogues_too():
    reader = Reader(Language("brackets", Brackets()))
    digest = tell_digest([("trigger.seen", "cold", 2), ("node.tip_old", None, 1)] * 5, reader)
    for text in (tell_test("main", reader), tell_unreadable("abc", reader), digest):
        assert outside(f"{text.title}\n{text.body}") == ""


def outside(text):
    """The letters that stand in no brackets."""
    while (shorter := re.sub(r"⟦[^⟦⟧]*⟧", "", text)) != text:
        text = shorter
    return re.sub(r"[^\w]", "", text)


def test_a_digest_counts_what_it_tells_and_hides_names():
    sorts = [("trigger.seen", "cold", 5000), ("node.tip_old", None, 1)]
    text = tell_digest(sorts, Reader(language("de")))
    assert text.title == "5.001 Alarme zusammen"
    assert text.body.splitlines() == [
        "5.000 x Münzen werden bewegt (cold)",
        "1 x Seit einer Stunde kein Block",
        "Jeder einzelne: bwm alerts",
    ]
    assert "cold" not in tell_digest(sorts, Reader(redact=["vault"])).body


# Redaction


REDACTABLE = ["sats", "vault", "txid", "address"]
SECRETS = {
    "sats": ["5,000,000", "5.000.000"],
    "vault": ["cold", "rex", "phone", "sweepers"],
    "txid": [TXID, RIVAL],
    "address": [ADDRESS],
}


@given(st.sets(st.sampled_from(REDACTABLE)), st.sampled_from(EVENTS), st.sampled_from(names()))
def test_what_is_redacted_is_nowhere_in_the_text(redact, event, name):
    reader = Reader(language(name), redact=redact)
    text = tell(event, replace(event, seq=2), TELLING, reader)
    told = text.title + text.body + title(event, reader)
    for what in redact:
        assert not [secret for secret in SECRETS[what] if secret in told]


@pytest.mark.parametrize("what", REDACTABLE)
def test_what_is_not_redacted_is_told(what):
    told = "".join(text.title + text.body for event in EVENTS if (text := tell(event, event, TELLING)))
    assert [secret for secret in SECRETS[what] if secret in told]


# Length


@given(
    st.text(min_size=1, max_size=5000),
    st.text(max_size=5000),
    st.sampled_from(names()),
    st.sampled_from(EVENTS),
)
def test_no_text_is_too_long_for_a_channel(vault, reason, name, event):
    owned = {"guardian": vault} if event.guardian else {"vault": vault} if event.vault else {}
    event = replace(event, reason=reason, **owned)
    text = tell(event, replace(event, seq=2), TELLING, Reader(language(name)))
    assert 0 < len(text.title) < 200
    assert 0 < len(text.body) < 900


@pytest.mark.parametrize("name", names())
def test_what_a_channel_adds_cuts_nothing_off(name):
    """The longest names and marks below the longest text."""
    told = message(body="x" * BODY_LIMIT, vault="n" * 64, alert_id="a" * 26, attempt=1000, may_repeat=True)
    assert "…" not in body_of(told, language(name))


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_what_a_person_must_know_is_never_cut(event, name):
    """With all that an event can hold and a name as long as names may be, nothing but details is left out."""
    owned = {"guardian": "n" * 64} if event.guardian else {"vault": "n" * 64} if event.vault else {}
    event = replace(event, reason="because " * 50, detail={**event.detail, "words": "because " * 50}, **owned)
    coming = tuple(replace(one, response="n" * 40, lack=Lack.DISARMED) for one in COMING)
    telling = Telling(
        "abcdefghij", 1795251900, 1795251960, "abcd-efgh-ijkl", is_drill=True, coming=coming, blocks_left=1
    )
    text = tell(
        event, replace(event, seq=2), telling, Reader(language(name), ZoneInfo("America/Argentina/Buenos_Aires"))
    )
    assert "…" not in text.title
    assert "…" not in text.body
    assert text.body.endswith("bwm ack abcd-efgh-ijkl") or event.kind == health.STOPPED  # that is in no database


def test_nobody_is_asked_to_acknowledge_what_no_database_knows():
    """bwm could not start: there is nowhere to write an answer down."""
    told = tell(event := health.stopped("the disk is full", "main", 0), event, Telling("abcdef", 0))
    assert "the disk is full" in told.body
    assert "bwm ack" not in told.body


@pytest.mark.parametrize("kind", ["hook.failed", "webhook.failed", "plugin.failed", "policy.failed"])
def test_a_theft_keeps_its_headline_when_something_about_it_fails(kind):
    failed = replace(SEEN, kind=kind, reason="siren ended with 7", seq=2)
    told = tell(SEEN, failed, TELLING)
    assert told.title == "Coins are being moved: vault cold"
    assert f"Now: {title(replace(failed, vault=None))}." in told.body
    assert title(failed) == tell(failed, failed, TELLING).title
