"""apprise: any service that Apprise knows, by its URL, sent by a process of the channel's own."""

from collections.abc import Sequence
from contextlib import closing
from typing import Literal

from bwm.channels.channel import ChannelSettings, Message
from bwm.channels.sending.process import Workers
from bwm.channels.sending.redact import redacted
from bwm.channels.sending.text import body_of, title_of
from bwm.channels.sending.wire import Answer, Request
from bwm.errors import ChannelError, ConfigError, DeliverLater, DeliveryRefused, DeliveryUncertain
from bwm.language import language
from bwm.secret import Secret

KIND = "apprise"

SENDER = "bwm.channels.sending.apprise_sender"
"""Named, not imported: to load Apprise costs memory that only the sending processes shall spend."""

DELIVERY_LIMIT_S = 15.0


class AppriseChannel:
    """The URL goes to the sending process over its line only: no argument, environment or log holds it."""

    def __init__(self, settings: ChannelSettings, url: Secret) -> None:
        self.name = settings.name
        self._url = url
        self._redact = settings.redact
        self._language = language(settings.locale)
        self._proxy = "socks5h://{}:{}".format(*settings.proxy) if settings.proxy else ""
        self._workers = Workers(SENDER)

    def warm_up(self) -> None:
        """Have the sending process ready: the first message then leaves in some milliseconds.

        Raises ChannelError, also where Apprise does not understand the URL.
        """
        answer = self._ask("check")
        if answer["result"] != "done":
            raise _error(self.name, answer)

    def deliver(self, message: Message) -> None:
        """Returns when the service took it; within DELIVERY_LIMIT_S in any case.

        Raises DeliverLater, DeliveryUncertain or DeliveryRefused, with Apprise's own words.
        """
        told = redacted(message, self._redact)
        body = body_of(told, self._language)
        answer = self._ask("send", title_of(told), body, message.severity, message.alert_id)
        if answer["result"] != "done":
            raise _error(self.name, answer)

    def check(self) -> Sequence[str]:
        """What is wrong with the URL, without sending anything. Raises ChannelError."""
        answer = self._ask("check")
        return [] if answer["result"] == "done" else [answer["words"]]

    def close(self) -> None:
        """End the sending process."""
        self._workers.close()

    def _ask(
        self, order: Literal["send", "check"], title: str = "", body: str = "", severity: str = "info", alert: str = ""
    ) -> Answer:
        request: Request = {
            "order": order,
            "url": self._url.reveal(),
            "severity": severity,
            "alert": alert,
            "proxy": self._proxy,
            "title": title,
            "body": body,
        }
        return self._workers.ask(request, DELIVERY_LIMIT_S)


def open_channel(settings: ChannelSettings) -> AppriseChannel:
    """Raises ConfigError when there is no URL."""
    if settings.url is None:
        raise ConfigError(f"channel {settings.name} is of kind apprise: give it url_file, or url")
    return AppriseChannel(settings, settings.url)


def check(settings: ChannelSettings) -> Sequence[str]:
    """Whether Apprise understands the URL."""
    if settings.url is None:
        return ["it has no URL: give it url_file, or url"]
    with closing(open_channel(settings)) as channel:
        try:
            return channel.check()
        except ChannelError as error:
            return [str(error)]


def _error(name: str, answer: Answer) -> ChannelError:
    words = f"channel {name}: {answer['words']}"
    match answer["result"]:
        case "refused":
            return DeliveryRefused(words)
        case "uncertain":
            return DeliveryUncertain(words)
        case _:
            return DeliverLater(words, answer["wait_s"])
