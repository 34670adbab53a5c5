"""The text of a message as a person gets it: plain, short enough for every service, and marked."""

import unicodedata

from bwm.channels.channel import Message
from bwm.language import ENGLISH, Language

TITLE_LIMIT = 199
BODY_LIMIT = 999
"""In characters. Pushover and PagerDuty take 1024, and a service that gets too much may refuse all of it."""

NAME_LIMIT = 100

ELLIPSIS = "\u2026"
ZERO_WIDTH_JOINER = "\u200d"  # holds an emoji of several parts together


def plain(text: str) -> str:
    """The text without what could steer a terminal, a mail header or the direction of writing."""
    if text.replace("\n", "").isprintable():  # nothing that steers is: nearly every text is done with
        return text
    return "".join(" " if _steers(character) else character for character in text)


def cut(text: str, limit: int) -> str:
    """At most ``limit`` characters, with an ellipsis where something was left out."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + ELLIPSIS


def one_line(text: str, limit: int) -> str:
    """Plain, without line breaks, at most ``limit`` characters."""
    return cut(plain(text.replace("\n", " ")), limit)


def title_of(message: Message) -> str:
    """One line of at most TITLE_LIMIT characters."""
    return one_line(message.title, TITLE_LIMIT)


def body_of(message: Message, language: Language = ENGLISH) -> str:
    """At most BODY_LIMIT characters; the last paragraph names vault and alert and marks a repeat."""
    signature = _signature(message, language)
    body = cut(plain(message.body).strip(), BODY_LIMIT - len(signature) - 2)
    return f"{body}\n\n{signature}".lstrip()


def _steers(character: str) -> bool:
    if character in ("\n", ZERO_WIDTH_JOINER):
        return False
    return unicodedata.category(character) in ("Cc", "Cf", "Cs")


def _signature(message: Message, language: Language) -> str:
    say, parts = language.say, []
    if message.vault:
        parts.append(say("vault {name}", name=one_line(message.vault, NAME_LIMIT)))
    if message.guardian:
        parts.append(say("guardian {name}", name=one_line(message.guardian, NAME_LIMIT)))
    parts.append(say("alert {id}", id=one_line(message.alert_id, NAME_LIMIT)))
    if message.may_repeat or (message.is_repeat and not message.update):
        parts.append(say("attempt {number}: may repeat an earlier message", number=message.attempt))
    elif message.update:
        parts.append(say("attempt {number}: an update", number=message.attempt))
    return ", ".join(parts)
