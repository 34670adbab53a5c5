"""The text that people get: short enough, plain, marked; and what a channel must not tell is gone."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.channels.sending.redact import HIDDEN, redacted
from bwm.channels.sending.text import BODY_LIMIT, TITLE_LIMIT, body_of, title_of
from bwm.language import language
from tests.servers.channels import message

any_text = st.text(st.characters(), max_size=3000)  # lone surrogates as well


@given(title=any_text, body=any_text, vault=any_text.filter(str.strip))
def test_any_text_is_cut_and_plain_and_still_names_the_alert(title: str, body: str, vault: str) -> None:
    told = message(title=title, body=body, vault=vault)
    assert len(title_of(told)) <= TITLE_LIMIT
    assert "\n" not in title_of(told)
    assert len(body_of(told)) <= BODY_LIMIT
    assert body_of(told).endswith("alert alert-5f3a")
    for character in (title_of(told) + body_of(told)).replace("\n", "").replace("\u200d", ""):
        assert unicodedata.category(character) not in ("Cc", "Cf", "Cs")


def test_a_text_that_fits_is_told_as_it_is() -> None:
    assert body_of(message(body="Two lines,\nno more. 🔥👩‍🚒")) == (
        "Two lines,\nno more. 🔥👩‍🚒\n\nvault cold-1, alert alert-5f3a"
    )


def test_an_ellipsis_shows_where_something_was_cut() -> None:
    assert "x…\n\nvault cold-1" in body_of(message(body="x" * 2000))
    assert title_of(message(title="x" * 2000)).endswith("x…")


@pytest.mark.parametrize("repeat", [{"attempt": 3}, {"attempt": 1, "may_repeat": True}])
def test_what_may_be_a_repeat_says_so_with_its_attempt(repeat: dict[str, int]) -> None:
    assert body_of(message(**repeat)).endswith(f"attempt {repeat['attempt']}: may repeat an earlier message")


def test_a_first_attempt_is_not_marked() -> None:
    assert "attempt" not in body_of(message())


def test_a_guardian_is_named_like_a_vault() -> None:
    assert "guardian of-the-family" in body_of(message(vault=None, guardian="of-the-family"))


@pytest.mark.parametrize(
    ("what", "text", "left"),
    [
        ("sats", "moves 5,000,000 sat now", f"moves {HIDDEN} now"),
        ("sats", "moves 5000000sats", f"moves {HIDDEN}"),
        ("sats", "worth 0.05 BTC or ₿0.05", f"worth {HIDDEN} or {HIDDEN}"),
        ("sats", "block 800000 at 12:30", "block 800000 at 12:30"),
        ("vault", "cold-1 and cold-12", f"{HIDDEN} and cold-12"),
        ("txid", f"in {'ab' * 32}:0", f"in {HIDDEN}:0"),
        ("address", "to bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4!", f"to {HIDDEN}!"),
        ("address", "to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa.", f"to {HIDDEN}."),
        ("address", "to mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn.", f"to {HIDDEN}."),
    ],
)
def test_only_what_must_not_be_told_is_hidden(what: str, text: str, left: str) -> None:
    told = redacted(message(title=text, body=text), [what])
    assert (told.title, told.body) == (left, left)


def test_the_fields_are_hidden_with_the_text() -> None:
    told = redacted(message(guardian="g"), ["vault", "txid"])
    assert (told.vault, told.guardian, told.txid) == (None, None, None)
    assert "cold-1" not in body_of(told)


@pytest.mark.parametrize(
    ("name", "last_line"),
    [
        ("de", "Tresor cold-1, Alarm alert-5f3a, Versuch 2: wiederholt vielleicht eine frühere Nachricht"),
        ("es", "bóveda cold-1, alerta alert-5f3a, intento 2: puede repetir un mensaje anterior"),
    ],
)
def test_the_last_paragraph_speaks_the_readers_language(name: str, last_line: str) -> None:
    assert body_of(message(attempt=2), language(name)).splitlines()[-1] == last_line
