"""The ways to people, as the configuration has them."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from bwm.language import ENGLISH_NAME, names
from bwm.secret import Secret
from bwm.severity import Severity
from bwm.toml import Table

REDACTABLE = ("sats", "vault", "txid", "address")

CHANNEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
CHANNEL_NAME_RULE = "1 to 64 letters, digits and . _ -, with a letter or digit first"

TIMEZONE_RULE = "use a name like Europe/Berlin, or UTC"


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """One way to a person. Which of ``url`` and ``path`` it needs depends on its kind."""

    name: str
    kind: str
    url: Secret | None = None
    path: Path | None = None
    secret: Secret | None = None
    proxy: tuple[str, int] | None = None  # host and port of the SOCKS5 proxy that it must go through
    people: tuple[str, ...] = ()
    min_severity: Severity = Severity.INFO
    locale: str = ENGLISH_NAME
    timezone: str = "UTC"
    redact: tuple[str, ...] = ()


def read_channels(top: Table, proxy: tuple[str, int]) -> tuple[ChannelConfig, ...]:
    """Every [[channel]]. ``proxy``: what those go through that want Tor. Raises ConfigError."""
    tables = top.tables("channel")
    channels = tuple(_channel(table, proxy) for table in tables)
    count = Counter(channel.name for channel in channels)
    for table, channel in zip(tables, channels, strict=True):
        if count[channel.name] > 1:
            raise table.error(f"two channels have the name {channel.name!r}: each needs its own", "name")
    return channels


def _channel(table: Table, proxy: tuple[str, int]) -> ChannelConfig:
    channel = ChannelConfig(
        name=_channel_name(table),
        kind=table.required_text("kind"),
        url=table.secret("url"),
        path=table.path("path"),
        secret=table.secret("secret"),
        proxy=proxy if table.flag("tor", default=False) else None,
        people=table.words("people"),
        min_severity=Severity(table.choice("min_severity", list(Severity), Severity.INFO)),
        locale=table.choice("locale", names(), ENGLISH_NAME),
        timezone=_timezone(table),
        redact=table.words("redact", REDACTABLE),
    )
    table.finish()
    if (channel.url is None) == (channel.path is None):
        raise table.error(f"channel {channel.name!r} needs one of url_file, url and path")
    return channel


def _timezone(table: Table) -> str:
    name = table.text("timezone") or "UTC"
    if not is_timezone(name):
        raise table.error(f"timezone is {name!r}: {TIMEZONE_RULE}", "timezone")
    return name


def is_timezone(name: str) -> bool:
    """Whether this machine knows a time zone of this name."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # also what is no name at all, like a path or a folder of the database
        return False
    return True


def _channel_name(table: Table) -> str:
    name = table.required_text("name")
    if not CHANNEL_NAME.fullmatch(name):
        raise table.error(f"name is {name!r}: use {CHANNEL_NAME_RULE}", "name")
    return name
