"""webhook: one signed JSON document for each delivery, posted to an address of your own."""

import json
import time
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from bwm.channels.channel import ChannelSettings, Message
from bwm.channels.sending.fields import fields_of
from bwm.channels.sending.post import post
from bwm.channels.sending.redact import redacted
from bwm.channels.sending.signature import SHORTEST_SECRET, signed
from bwm.errors import ChannelError, ConfigError, DeliverLater, DeliveryRefused
from bwm.language import language
from bwm.secret import Secret

KIND = "webhook"

DELIVERY_LIMIT_S = 15.0
LARGEST_ANSWER = 65_536  # bytes

_GONE = 410


class WebhookChannel:
    """Makes a new connection for each message. Certificates are verified, redirects are not followed."""

    def __init__(self, settings: ChannelSettings, url: Secret, secret: Secret) -> None:
        self.name = settings.name
        self._url = url
        self._secret = secret
        self._redact = settings.redact
        self._language = language(settings.locale)
        self._proxy = settings.proxy

    def warm_up(self) -> None:
        """Nothing to get ready."""

    def deliver(self, message: Message) -> None:
        """Returns when the receiver answered 2xx, within DELIVERY_LIMIT_S in any case.

        Raises DeliverLater, DeliveryUncertain or DeliveryRefused.
        """
        told = fields_of(redacted(message, self._redact), self._language)
        body = json.dumps(told, ensure_ascii=False).encode(errors="replace")
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "bwm",
            **signed(body, int(time.time()), self._secret),  # of this attempt, whenever the event was
        }
        try:
            answer = post(
                self._url.reveal(), body, headers, DELIVERY_LIMIT_S, largest=LARGEST_ANSWER, proxy=self._proxy
            )
        except ChannelError as error:
            raise type(error)(f"channel {self.name}: {error}") from error
        if 300 <= answer.status < 400:
            raise DeliveryRefused(f"channel {self.name}: the receiver redirects. Give the address that it leads to")
        if answer.status == _GONE:
            raise DeliveryRefused(f"channel {self.name}: the receiver says that it is gone for good (410)")
        if not 200 <= answer.status < 300:
            raise DeliverLater(f"channel {self.name}: the receiver answered {answer.status}", answer.wait_s)

    def close(self) -> None:
        """Nothing is held open."""


def open_channel(settings: ChannelSettings) -> WebhookChannel:
    """Raises ConfigError for settings that cannot work."""
    wrong = check(settings)
    if wrong or settings.url is None or settings.secret is None:
        raise ConfigError(f"channel {settings.name} is of kind webhook: {'; '.join(wrong)}")
    return WebhookChannel(settings, settings.url, settings.secret)


def check(settings: ChannelSettings) -> Sequence[str]:
    """What is wrong with address and secret. Sends nothing, and shows neither."""
    wrong = []
    if settings.url is None:
        wrong.append("it has no URL: give it url_file, or url")
    else:
        wrong += _wrong_with(settings.url.reveal(), through_tor=settings.proxy is not None)
    if settings.secret is None:
        wrong.append("it has no secret to sign with: give it secret_file")
    elif len(settings.secret.reveal().encode()) < SHORTEST_SECRET:
        wrong.append(f"its secret is too short: use {SHORTEST_SECRET} characters or more")
    return wrong


def _wrong_with(url: str, *, through_tor: bool) -> list[str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or port == 0 or parts.scheme not in ("https", "http"):
        return ["its URL must look like https://example.org/path"]
    if parts.username is not None:
        return ["its URL must not hold a user and a password: the signature says who sends"]
    if parts.scheme == "http" and not _is_local(host) and not (through_tor and host.endswith(".onion")):
        return ["its URL must begin with https://, for everybody on the way could read it (http:// is for loopback)"]
    return []


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
