"""file: one JSON line for each delivery, at the end of a file."""

import fcntl
import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from bwm.channels.channel import ChannelSettings, Message
from bwm.channels.sending.fields import fields_of
from bwm.channels.sending.redact import redacted
from bwm.errors import ConfigError, DeliverLater
from bwm.language import Language, language

KIND = "file"

OWNER_ONLY = 0o600


class FileChannel:
    """Opens the file anew for each line, so that a file that was rotated away is left alone."""

    def __init__(self, settings: ChannelSettings, path: Path) -> None:
        self.name = settings.name
        self._path = path
        self._redact = settings.redact
        self._language = language(settings.locale)

    def warm_up(self) -> None:
        """Nothing to get ready."""

    def deliver(self, message: Message) -> None:
        """Returns when the line is on the disk. Raises DeliverLater, and then none of it is in the file."""
        try:
            _append(self._path, _line(redacted(message, self._redact), self._language))
        except OSError as error:
            raise DeliverLater(
                f"channel {self.name} cannot write to {self._path}: {error.strerror or error}"
            ) from error

    def close(self) -> None:
        """Nothing is held open."""


def open_channel(settings: ChannelSettings) -> FileChannel:
    """Raises ConfigError when there is no path."""
    if settings.path is None:
        raise ConfigError(f"channel {settings.name} is of kind file: give it a path")
    return FileChannel(settings, settings.path)


def check(settings: ChannelSettings) -> Sequence[str]:
    """Whether the file can be written, without making it."""
    path = settings.path
    if path is None:
        return ["it has no path: give it one"]
    if path.exists():
        if not path.is_file():
            return [f"{path} is not a regular file: name another path"]
        return [] if os.access(path, os.W_OK) else [f"{path} cannot be written: check its owner and mode"]
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return [f"{path.parent} is missing or cannot be written: make it, or check its owner and mode"]
    return []


def _line(message: Message, language: Language) -> bytes:
    return json.dumps(fields_of(message, language), ensure_ascii=False).encode(errors="replace") + b"\n"


def _append(path: Path, line: bytes) -> None:
    # O_NONBLOCK: to open a named pipe that nobody reads must fail, not wait.
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    file = os.open(path, flags, OWNER_ONLY)
    try:
        _make_private(file)
        fcntl.flock(file, fcntl.LOCK_EX)  # freed when the file is closed
        size = os.fstat(file).st_size
        if not size:
            _sync_directory(path.parent)  # the name of a new file must last as well
        _write_all_or_nothing(file, size, line)
    finally:
        os.close(file)


def _make_private(file: int) -> None:
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        raise OSError("it is not a regular file")
    if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) & ~OWNER_ONLY:
        os.fchmod(file, OWNER_ONLY)


def _write_all_or_nothing(file: int, size: int, line: bytes) -> None:
    if size and os.pread(file, 1, size - 1) != b"\n":
        line = b"\n" + line  # a power cut left half a line: ours stands on its own
    try:
        while line:
            line = line[os.write(file, line) :]
        os.fsync(file)
    except OSError:
        os.ftruncate(file, size)
        raise


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
