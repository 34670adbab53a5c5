"""What is told when bwm cannot even start: straight to every channel, for there is no database to remember it."""

import threading
import time
from pathlib import Path

import structlog

from bwm import health
from bwm.actions.alert import carry_out, reader_of, unwritten_message
from bwm.channels import open_channel
from bwm.config import Config
from bwm.config_channels import ChannelConfig
from bwm.errors import BwmError
from bwm.event import Event
from bwm.severity import Severity

log = structlog.get_logger()

_STAMP = "last-words"
_QUIET_S = 900  # systemd starts us again every few seconds
_LIMIT_S = 20.0


def last_words(config: Config, words: str, now: int) -> bool:
    """Tell every channel that bwm stopped, and why; not again within a quarter of an hour. Never raises.

    False when it could not be noted that they were told.
    """
    stamp = config.state_dir / _STAMP
    if _is_fresh(stamp):
        return True
    event = health.stopped(words, config.network, now)
    threads = [threading.Thread(target=_tell, args=(settings, event, now)) for settings in config.channels]
    for thread in threads:
        thread.daemon = True
        thread.start()
    deadline = time.monotonic() + _LIMIT_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    try:
        stamp.touch(mode=0o600)
    except OSError:
        return False
    return True


def _is_fresh(stamp: Path) -> bool:
    try:
        return abs(time.time() - stamp.stat().st_mtime) < _QUIET_S
    except OSError:
        return False


def _tell(settings: ChannelConfig, event: Event, now: int) -> None:
    try:
        channel = open_channel(settings)
        try:
            carry_out(channel, unwritten_message(event, Severity.CRITICAL, reader_of(settings), now))
        finally:
            channel.close()
    except BwmError as error:
        log.warning("channel.failing", channel=settings.name, error=str(error))
