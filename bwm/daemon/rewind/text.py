"""What a RewindBitcoin device is told, in the language of its owner. Names stay as their owner wrote them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Words:
    title: str
    before_name: str
    before_number: str
    before_since: str
    end: str
    now: str
    ago: str
    units: Mapping[int, tuple[str, str]]  # seconds of a unit: one of it, several of it


_ENGLISH = _Words(
    title="🚨 Vault security alert 🚨",
    before_name="Somebody without permission is opening wallet '",
    before_number="', vault #",
    before_since=", ",
    end=". Act at once!",
    now="right now",
    ago="{} {} ago",
    units={86_400: ("day", "days"), 3600: ("hour", "hours"), 60: ("minute", "minutes"), 1: ("second", "seconds")},
)

_SPANISH = _Words(
    title="🚨 Alerta de seguridad 🚨",
    before_name="Alguien sin permiso está abriendo la cartera '",
    before_number="', bóveda #",
    before_since=", ",
    end=". ¡Actúa de inmediato!",
    now="ahora mismo",
    ago="hace {} {}",
    units={86_400: ("día", "días"), 3600: ("hora", "horas"), 60: ("minuto", "minutos"), 1: ("segundo", "segundos")},
)

LANGUAGES = {"en": _ENGLISH, "es": _SPANISH}


def push_text(locale: str, wallet_name: str, vault_number: int, attempt: int, age_s: int) -> tuple[str, str]:
    """Title and body. ``locale``: a BCP 47 tag; what is neither English nor Spanish gets English."""
    words = LANGUAGES.get(locale.partition("-")[0].lower(), _ENGLISH)
    since = words.now if attempt <= 1 else _ago(words, age_s)
    parts = (words.before_name, wallet_name, words.before_number, str(vault_number), words.before_since, since)
    return words.title, "".join((*parts, words.end))


def _ago(words: _Words, age_s: int) -> str:
    """The largest whole unit only."""
    for seconds, (one, several) in words.units.items():
        if (count := max(0, age_s) // seconds) or seconds == 1:
            return words.ago.format(count, one if count == 1 else several)
    raise AssertionError("a second is the smallest unit")
