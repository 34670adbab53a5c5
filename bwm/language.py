"""The languages that bwm's messages speak: gettext catalogues in ``locale/``, read as the translators wrote them.

There is no compiled file to forget: a catalogue is a ``.po`` that is compiled in memory when its language is first
asked for, and handed to the standard library's gettext. English stands in the code and needs no catalogue.
"""

import gettext
from datetime import UTC, datetime, tzinfo
from functools import cache
from importlib.resources import files
from io import BytesIO

Zone = tzinfo

UNIVERSAL: Zone = UTC

ENGLISH_NAME = "en"

_CATALOGUES = files("bwm") / "locale"


def mark(text: str) -> str:
    """The text as it is: marks one that stands in a table, for the catalogues, and is translated when it is said."""
    return text


class Language:
    """What a sentence of the code is in one language. Placeholders in braces are filled in afterwards."""

    def __init__(self, name: str, catalogue: gettext.NullTranslations) -> None:
        self.name = name
        self._catalogue = catalogue

    def say(self, text: str, /, **values: object) -> str:
        """The sentence, with its placeholders filled."""
        return self._catalogue.gettext(text).format(**values)

    def count(self, one: str, many: str, number: int, **values: object) -> str:
        """The sentence for so many of something; ``{number}`` in it is the number."""
        return self._catalogue.ngettext(one, many, number).format(number=self.number(number), **values)

    def number(self, number: int) -> str:
        """A whole number with its thousands apart, as its readers write it."""
        return f"{number:,}".replace(",", self.say(","))

    def time(self, at: int, zone: tzinfo) -> str:
        """A moment (unix seconds) as the clock on the wall shows it, with the zone and how far it is from UTC."""
        moment = datetime.fromtimestamp(at, zone)
        shown = moment.strftime(self.say("%Y-%m-%d %H:%M"))
        return f"{shown} ({zone_words(moment)})"

    def duration(self, seconds: int) -> str:
        """Roughly how long: minutes, hours or days."""
        minutes = max(1, round(seconds / 60))
        if minutes < 120:
            return self.count("{number} minute", "{number} minutes", minutes)
        hours = round(seconds / 3600)
        if hours < 48:
            return self.count("{number} hour", "{number} hours", hours)
        return self.count("{number} day", "{number} days", round(seconds / 86400))


def zone_words(moment: datetime) -> str:
    """The zone by its name and its distance: ``Europe/Berlin, UTC+1``; UTC itself is just that."""
    minutes = round((offset.total_seconds() if (offset := moment.utcoffset()) else 0) / 60)
    name = str(moment.tzinfo)
    if name == "UTC":
        return name
    hours, rest = divmod(abs(minutes), 60)
    return f"{name}, UTC{'-' if minutes < 0 else '+'}{hours}{f':{rest:02}' if rest else ''}"


@cache
def language(name: str) -> Language:
    """The language of a name from ``names()``. KeyError for any other."""
    if name == ENGLISH_NAME:
        return ENGLISH
    if name not in names():
        raise KeyError(name)
    from babel.messages.mofile import write_mo  # here, because it costs memory, and English needs none of it
    from babel.messages.pofile import read_po

    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO((_CATALOGUES / f"{name}.po").read_bytes()), locale=name))
    compiled.seek(0)
    return Language(name, gettext.GNUTranslations(compiled))


@cache
def names() -> tuple[str, ...]:
    """Every language there is, by its ISO 639 code."""
    found = (file.name.removesuffix(".po") for file in _CATALOGUES.iterdir() if file.name.endswith(".po"))
    return (ENGLISH_NAME, *sorted(found))


ENGLISH = Language(ENGLISH_NAME, gettext.NullTranslations())
