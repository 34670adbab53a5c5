"""The catalogues: whole, in step with the code, every placeholder kept; and what gettext makes of them."""

import re
from zoneinfo import ZoneInfo

import pytest
from babel.messages.pofile import read_po

from bwm.cli.commands import ENTRIES
from bwm.language import ENGLISH, language, names
from tests.catalogues import LOCALE, plurals, sentences

OTHERS = [name for name in names() if name != "en"]

COMMAND = re.compile(rf"\bbwm (?:{'|'.join(entry.name for entry in ENTRIES)})(?![\w-])")

PLACEHOLDER = re.compile(r"\{\w*\}|%[A-Za-z]")


def messages(name):
    """Every translation by its sentence, as the catalogue has it: a text, or the forms of what is counted."""
    with (LOCALE / f"{name}.po").open("rb") as file:
        catalogue = read_po(file, locale=name, abort_invalid=True)
    assert not catalogue.obsolete
    found = {}
    for message in catalogue:
        if message.id:
            assert not message.fuzzy, message.id
            singular = message.id if isinstance(message.id, str) else message.id[0]
            found[singular] = message.string
    return found


def forms(told):
    """The one form, or singular and plural."""
    return [told] if isinstance(told, str) else list(told)


def test_there_are_english_and_two_more():
    assert names() == ("en", "de", "es")


@pytest.mark.parametrize("name", OTHERS)
def test_a_catalogue_has_every_sentence_of_the_code_and_no_other(name):
    assert set(messages(name)) == sentences()
    assert [sentence for sentence, told in messages(name).items() if not all(forms(told))] == []


@pytest.mark.parametrize("name", OTHERS)
def test_every_placeholder_is_kept(name):
    counted = plurals()
    for sentence, told in messages(name).items():
        assert len(forms(told)) == (2 if sentence in counted else 1)
        for form in forms(told):
            assert sorted(PLACEHOLDER.findall(form)) == sorted(PLACEHOLDER.findall(sentence)), sentence


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_that_is_a_sentence_is_left_in_english(name):
    same = [sentence for sentence, told in messages(name).items() if told == sentence]
    assert [sentence for sentence in same if re.search(r"[A-Za-z]{2}", re.sub(r"\{\w*\}", "", sentence))] == []


@pytest.mark.parametrize("name", OTHERS)
def test_what_the_reader_types_is_not_translated(name):
    for sentence, told in messages(name).items():
        for form in forms(told):
            assert COMMAND.findall(form) == COMMAND.findall(sentence)


@pytest.mark.parametrize(
    ("name", "number", "time", "hours"),
    [
        ("en", "5,000,000", "2026-11-21 10:05 (Europe/Berlin, UTC+1)", "3 hours"),
        ("de", "5.000.000", "21.11.2026, 10:05 Uhr (Europe/Berlin, UTC+1)", "3 Stunden"),
        ("es", "5.000.000", "21/11/2026, 10:05 (Europe/Berlin, UTC+1)", "3 horas"),
    ],
)
def test_numbers_and_times_are_written_as_the_readers_do(name, number, time, hours):
    speak = language(name)
    assert speak.number(5_000_000) == number
    assert speak.time(1795251900, ZoneInfo("Europe/Berlin")) == time
    assert speak.duration(3 * 3600 + 60) == hours


@pytest.mark.parametrize(
    ("zone", "at", "shown"),
    [
        ("UTC", 1795251900, "2026-11-21 09:05 (UTC)"),
        ("Europe/Berlin", 1782900300, "2026-07-01 12:05 (Europe/Berlin, UTC+2)"),
        ("Asia/Kolkata", 1795251900, "2026-11-21 14:35 (Asia/Kolkata, UTC+5:30)"),
        ("America/St_Johns", 1795251900, "2026-11-21 05:35 (America/St_Johns, UTC-3:30)"),
        ("Europe/London", 1795251900, "2026-11-21 09:05 (Europe/London, UTC+0)"),
    ],
)
def test_a_time_always_says_its_zone(zone, at, shown):
    assert ENGLISH.time(at, ZoneInfo(zone)) == shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 minute"), (3600, "60 minutes"), (7200, "2 hours"), (86400, "24 hours"), (86400 * 7, "7 days")],
)
def test_a_duration_is_as_rough_as_it_is_useful(seconds, words):
    assert ENGLISH.duration(seconds) == words


def test_there_is_no_language_without_a_catalogue():
    with pytest.raises(KeyError):
        language("fr")
    with pytest.raises(KeyError):
        language("../locale/de")


def test_x46_a_sentence_keeps_braces_that_stand_in_its_values():
    assert ENGLISH.say("vault {name}", name="{0.__class__}") == "vault {0.__class__}"
