"""The command that writes all that bwm knows as JSON: for another program, another tower, or as evidence."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import click

from bwm import __version__
from bwm.cli.session import Session, pass_session
from bwm.clock import SystemClock, rfc3339
from bwm.config import Config
from bwm.daemon.alert_facts import described
from bwm.db import alerts, guardians, journal, vaults
from bwm.errors import BwmError, UsageError
from bwm.event import Event

_PAGE = 1000  # events read at once


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@pass_session
def export(session: Session, file: Path | None) -> None:
    """Write vaults, guardians, alerts and journal as JSON.

    One document, into a new file that only you can read, or to standard output. It holds no secret: no channel's URL,
    no token, no response. Yet it names everything that is watched, so keep it as you keep your wallet files. It is for
    other programs and other towers; to be able to go back to an earlier state, take a backup.

    \b
    Examples:
      $ bwm export /mnt/usb/bwm.json
      $ bwm export | jq .vaults | bwm --config /etc/bwm/signet.toml add-vault --from-file -
    """
    config = session.config()
    with session.database(config):
        if file is None:
            _write(sys.stdout, config)
        else:
            _write_new(file, config)
            click.echo(f"Everything was written to {file}.")


def _write_new(file: Path, config: Config) -> None:
    """Into a file that is not there yet, whole or not at all.

    Raises UsageError when it is there, BwmError when it cannot be written.
    """
    try:
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise UsageError(f"{file} exists already and was not touched. Name another file.") from None
    except OSError as error:
        raise BwmError(f"{file} cannot be written: {error.strerror}. Nothing was left there.") from None
    try:
        with os.fdopen(opened, "w", encoding="utf-8") as stream:
            _write(stream, config)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException as error:
        file.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise BwmError(f"{file} cannot be written: {error.strerror}. Nothing was left there.") from None
        raise


def _write(stream: TextIO, config: Config) -> None:
    """An entry a line: nobody need hold a long journal in memory to read it."""
    now = SystemClock().now()
    head = {"network": config.network, "version": __version__, "at": rfc3339(now)}
    stream.write("{" + json.dumps(head)[1:-1])
    lists: dict[str, Iterable[object]] = {
        "vaults": vaults.described(),
        "guardians": guardians.described(now),
        "alerts": map(described, alerts.listed(None, hidden=False)),
        "events": (event.as_json() for event in _journal()),
    }
    for name, entries in lists.items():
        stream.write(f',\n"{name}": [')
        for number, entry in enumerate(entries):
            stream.write((",\n" if number else "\n") + json.dumps(entry, ensure_ascii=False))
        stream.write("]")
    stream.write("}\n")


def _journal() -> Iterator[Event]:
    seen = 0
    while page := journal.read(after_seq=seen, since=None, vault=None, kind=None, limit=_PAGE):
        yield from page
        seen = page[-1].seq or seen + _PAGE
