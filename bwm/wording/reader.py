"""Who reads a message: in which language and time zone, and what that channel may not learn."""

from collections.abc import Collection
from dataclasses import dataclass

from bwm.language import ENGLISH, UNIVERSAL, Language, Zone


@dataclass(frozen=True, slots=True)
class Reader:
    """``redact`` names what must not be told: any of sats, vault (and every other name), txid, address."""

    language: Language = ENGLISH
    zone: Zone = UNIVERSAL
    redact: Collection[str] = ()

    def may_know(self, what: str) -> bool:
        """Whether the channel may learn this."""
        return what not in self.redact

    def time(self, at: int) -> str:
        """A moment (unix seconds) as the reader's clock shows it."""
        return self.language.time(at, self.zone)
