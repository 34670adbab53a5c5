"""The kinds of channels, one file each, found by walking this folder.

A file that will not load stops the start. A kind is a module with ``KIND``, ``open_channel(settings)`` and
``check(settings)``; what several kinds share lies in ``sending/``.
"""

import pkgutil
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol, cast

from bwm.channels.channel import Channel, ChannelSettings
from bwm.errors import ConfigError


class Kind(Protocol):
    """What a module of this folder offers."""

    KIND: str

    def open_channel(self, settings: ChannelSettings) -> Channel:
        """The channel, without touching the world yet. Raises ConfigError where a setting is missing."""

    def check(self, settings: ChannelSettings) -> Sequence[str]:
        """What is wrong with the settings, a sentence each; none: it can be used. Sends nothing."""


def _walk() -> dict[str, Kind]:
    modules = [import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    return {module.KIND: cast("Kind", module) for module in modules if hasattr(module, "KIND")}


KINDS = _walk()


def kind_of(settings: ChannelSettings) -> Kind:
    """The kind that serves a channel. Raises ConfigError when there is none."""
    try:
        return KINDS[settings.kind]
    except KeyError:
        known = ", ".join(sorted(KINDS))
        raise ConfigError(
            f"channel {settings.name} has the unknown kind {settings.kind!r}: use one of {known}"
        ) from None


def open_channel(settings: ChannelSettings) -> Channel:
    """The channel that the settings describe. Raises ConfigError."""
    return kind_of(settings).open_channel(settings)


def why_refused(settings: ChannelSettings) -> str | None:
    """Why the daemon would not start with such a channel; None when it would. Touches nothing."""
    try:
        open_channel(settings).close()
    except ConfigError as error:
        return str(error)
    return None


def check(settings: ChannelSettings) -> Sequence[str]:
    """What is wrong with the settings, a sentence each. Raises ConfigError for an unknown kind."""
    wrong = list(kind_of(settings).check(settings))
    if settings.proxy is not None and find_spec("socks") is None:
        wrong.append("to go through Tor the package PySocks is missing: install bwm with its extra, bwm[tor]")
    return wrong
