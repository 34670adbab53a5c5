"""expo: a telephone that has an app with Expo push notifications, by its push token.

The service: https://docs.expo.dev/push-notifications/sending-notifications/
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bwm.channels.channel import ChannelSettings, Message
from bwm.channels.sending.post import Answer, post
from bwm.channels.sending.redact import redacted
from bwm.channels.sending.text import body_of, title_of
from bwm.errors import ChannelError, ConfigError, DeliverLater, DeliveryRefused, DeliveryUncertain
from bwm.language import language
from bwm.secret import Secret

KIND = "expo"

SEND_URL = "https://exp.host/--/api/v2/push/send"
"""Expo's public service."""

AT_ONCE = 100
"""Messages in one request, as Expo allows."""

RECEIPTS_AT_ONCE = 1000

TOKEN = re.compile(r"Expo(?:nent)?PushToken\[[^\[\]\s]+\]")

_TICKET = re.compile(r"[!-~]{1,200}")

_LIMIT_S = 10.0
_LONGEST_BODY = 1500  # bytes: Expo takes 4096 in all, with title and data
_HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}

Push = Mapping[str, Any]
"""A message as Expo takes it: ``to``, ``title``, ``body``, ``data``, ..."""


class Fate(StrEnum):
    """What became of one message."""

    TAKEN = "taken"
    GONE = "gone"  # no telephone has this token any more
    REFUSED = "refused"  # trying again can hardly help
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The fate of one message; ``ticket`` asks for its receipt later."""

    fate: Fate
    ticket: str | None = None
    words: str = ""


class PushService:
    """Where messages are sent. Safe to use from any thread."""

    def __init__(
        self, send_url: str = SEND_URL, limit_s: float = _LIMIT_S, proxy: tuple[str, int] | None = None
    ) -> None:
        self._proxy = proxy
        self._send_url = send_url
        self._receipts_url = send_url.removesuffix("/send") + "/getReceipts"
        self._limit_s = limit_s

    def send(self, pushes: Sequence[Push]) -> list[Outcome]:
        """Send up to AT_ONCE messages; the outcome of each, in order.

        Raises DeliverLater or DeliveryUncertain for all of them, DeliveryRefused when the request as a whole was: then
        one of several may be at fault for the others.
        """
        content = pushes[0] if len(pushes) == 1 else list(pushes)
        data = self._ask(self._send_url, content).get("data")
        answered = data if isinstance(data, list) else [data]
        tickets = [ticket for ticket in answered if isinstance(ticket, dict)]
        if len(tickets) != len(pushes):
            raise DeliveryUncertain("the push service answered something that bwm does not understand")
        return [_outcome(ticket) for ticket in tickets]

    def receipts(self, tickets: Sequence[str]) -> dict[str, Outcome]:
        """What became of messages that were taken, as far as that is known. Raises ChannelError."""
        data = self._ask(self._receipts_url, {"ids": list(tickets)}).get("data")
        if not isinstance(data, dict):
            raise DeliveryUncertain("the push service answered something that bwm does not understand")
        answered = {ticket: data.get(ticket) for ticket in tickets}  # what else it names is none of ours
        return {ticket: _outcome(receipt) for ticket, receipt in answered.items() if isinstance(receipt, dict)}

    def _ask(self, url: str, content: object) -> dict[str, Any]:
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
        answer = post(url, body, _HEADERS, self._limit_s, proxy=self._proxy)
        if answer.status == 429 or answer.status >= 500:
            raise DeliverLater(f"the push service answered HTTP {answer.status}", answer.wait_s)
        if not 200 <= answer.status < 300:
            raise DeliveryRefused(f"the push service refused: HTTP {answer.status}")
        return _json_of(answer)


def _json_of(answer: Answer) -> dict[str, Any]:
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise DeliveryUncertain("the push service answered something that is no JSON")
    if content.get("errors") and "data" not in content:
        raise DeliveryRefused("the push service refused the request")
    return content


def _outcome(ticket: Mapping[str, Any]) -> Outcome:
    """Of a ticket or a receipt. Expo's own words may hold the token, so they are not kept."""
    if ticket.get("status") != "error":
        name = ticket.get("id")
        return Outcome(Fate.TAKEN, name if isinstance(name, str) and _TICKET.fullmatch(name) else None)
    details = ticket.get("details")
    error = details.get("error") if isinstance(details, dict) else None
    match error:
        case "DeviceNotRegistered":
            return Outcome(Fate.GONE, words="the device is not registered any more")
        case "MessageRateExceeded":
            return Outcome(Fate.LATER, words="too many messages to one device")
        case "MessageTooBig" | "MismatchSenderId" | "InvalidCredentials":
            return Outcome(Fate.REFUSED, words=str(error))
    return Outcome(Fate.LATER, words="the push service could not take the message")


class ExpoChannel:
    """One telephone."""

    def __init__(self, settings: ChannelSettings, token: Secret, service: PushService) -> None:
        self.name = settings.name
        self._token = token
        self._service = service
        self._redact = settings.redact
        self._language = language(settings.locale)

    def warm_up(self) -> None:
        """Nothing to get ready."""

    def deliver(self, message: Message) -> None:
        """Returns when the push service took it. Raises DeliverLater, DeliveryUncertain or DeliveryRefused."""
        told = redacted(message, self._redact)
        data = {"alert": told.alert_id, "kind": told.kind}
        push = alarm(self._token.reveal(), title_of(told), body_of(told, self._language), data)
        try:
            [outcome] = self._service.send([push])
        except DeliverLater as error:
            raise DeliverLater(f"channel {self.name}: {error}", error.wait_s) from error
        except ChannelError as error:
            raise type(error)(f"channel {self.name}: {error}") from error
        if outcome.fate is Fate.LATER:
            raise DeliverLater(f"channel {self.name}: {outcome.words}")
        if outcome.fate is not Fate.TAKEN:
            raise DeliveryRefused(f"channel {self.name}: {outcome.words}")

    def close(self) -> None:
        """Nothing is held open."""


def alarm(token: str, title: str, body: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """A message that must be heard.

    ``channelId`` stands at the top, where Expo reads it, and nested as well, where older watchtowers put it. Without
    ``sound`` an iPhone stays silent.
    """
    return {
        "to": token,
        "title": title,
        "body": _fitted(body),
        "priority": "high",
        "sound": "default",
        "channelId": "default",
        "interruptionLevel": "time-sensitive",
        "android": {"channelId": "default"},
        "data": dict(data),
    }


def _fitted(body: str) -> str:
    """Short enough for Expo; what is left out stands before the last paragraph, which names the alert."""
    text, gap, signature = body.rpartition("\n\n")
    room = _LONGEST_BODY - len((gap + signature).encode(errors="replace"))
    return text.encode(errors="replace")[: max(0, room)].decode(errors="ignore") + gap + signature


def open_channel(settings: ChannelSettings) -> ExpoChannel:
    """Raises ConfigError when there is no push token."""
    if settings.url is None:
        raise ConfigError(f"channel {settings.name} is of kind expo: give it url_file, or url, with the push token")
    send_url, token = _parts(settings.url.reveal())
    return ExpoChannel(settings, Secret(token), PushService(send_url, proxy=settings.proxy))


def check(settings: ChannelSettings) -> Sequence[str]:
    """Whether the URL is a push token."""
    if settings.url is None:
        return ["it has no push token: give it url_file, or url"]
    if not TOKEN.fullmatch(_parts(settings.url.reveal())[1]):
        return ["its url is no push token: write it like ExponentPushToken[xxxxxxxxxxxxxxxxxxxxxx]"]
    return []


def _parts(url: str) -> tuple[str, str]:
    """Where to send, and the token: written alone, or behind a service of one's own as ``https://host/path#token``."""
    service, _, token = url.rpartition("#")
    return service or SEND_URL, token
