"""The commands about channels."""

import sys
from pathlib import Path
from typing import Any

import click

from bwm.actions.alert import reader_of
from bwm.channels import KINDS, check, open_channel, why_refused
from bwm.channels.channel import Message
from bwm.cli import config_file, output
from bwm.cli.confirm import confirm, yes_option
from bwm.cli.session import Session, pass_session, refuse_stranger
from bwm.cli.words import line_of_stdin, no_empty_word, reading, unit_of
from bwm.clock import SystemClock, rfc3339
from bwm.config import Config, find_file, user_file
from bwm.config_channels import CHANNEL_NAME, CHANNEL_NAME_RULE, REDACTABLE, TIMEZONE_RULE, ChannelConfig, is_timezone
from bwm.daemon.lock import is_held
from bwm.daemon.watch_proofs import note_proof
from bwm.db import channel_outcomes, outbox, stand_down
from bwm.errors import BwmError, ChannelError, ConfigError, UsageError
from bwm.language import ENGLISH_NAME, names
from bwm.secret import Secret
from bwm.severity import Severity
from bwm.wording import tell_test


@click.command("add-channel")
@click.argument("name")
@click.option("--kind", type=click.Choice(sorted(KINDS)), default="apprise", show_default=True)
@click.option("--url-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file with the URL.")
@click.option(
    "--secret-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="For kind webhook: a file with the secret to sign with.",
)
@click.option("--path", type=click.Path(dir_okay=False, path_type=Path), help="For kind file: where to write.")
@click.option(
    "--person",
    "people",
    multiple=True,
    callback=no_empty_word,
    default=("owner",),
    show_default=True,
    help="Whom it reaches.",
)
@click.option(
    "--min-severity",
    type=click.Choice([str(severity) for severity in Severity]),
    default=str(Severity.INFO),
    show_default=True,
    help="What is less is not sent here.",
)
@click.option(
    "--locale", type=click.Choice(names()), default=ENGLISH_NAME, show_default=True, help="The language of its readers."
)
@click.option("--timezone", default="UTC", show_default=True, help="Their time zone, like Europe/Berlin.")
@click.option("--tor", is_flag=True, help="Send through the Tor proxy, or not at all.")
@click.option("--redact", multiple=True, type=click.Choice(REDACTABLE), help="What must not be told here.")
@pass_session
def add_channel(
    session: Session,
    name: str,
    kind: str,
    url_file: Path | None,
    secret_file: Path | None,
    path: Path | None,
    people: tuple[str, ...],
    min_severity: str,
    locale: str,
    timezone: str,
    tor: bool,
    redact: tuple[str, ...],
) -> None:
    """Add a way to a person.

    Kind apprise takes any Apprise URL, like ntfy://topic or tgram://token/chat. The URL is a secret, so it is asked
    for, or read from --url-file or standard input; it is never an argument. It is checked; and where a person
    sits at the terminal, a test message is sent.

    \b
    Examples:
      $ bwm add-channel phone
      $ bwm add-channel phone --url-file /etc/bwm/channels/phone --min-severity high
      $ bwm add-channel log --kind file --path /var/lib/bwm/alerts.jsonl --min-severity info
    """
    config = session.config()
    if not CHANNEL_NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a channel: use {CHANNEL_NAME_RULE}.")
    if any(channel.name == name for channel in config.channels):
        raise UsageError(f"There is a channel {name!r} already. Choose another name, or remove it first.")
    if not is_timezone(timezone):
        raise UsageError(f"There is no time zone {timezone!r}: {TIMEZONE_RULE}.")
    url = None if path or kind == "file" else _url(url_file)
    channel = ChannelConfig(
        name=name,
        kind=kind,
        url=url,
        path=path and path.absolute(),
        secret=Secret(_text_of(secret_file).strip()) if secret_file else None,
        proxy=config.tor_proxy if tor else None,
        people=people,
        min_severity=Severity(min_severity),
        locale=locale,
        timezone=timezone,
        redact=redact,
    )
    if wrong := check(channel):
        raise UsageError(f"Channel {name!r} was not added: {'; '.join(wrong)}.")
    _write(channel, config.source or session.config_file or find_file() or user_file(), url_file, secret_file)
    click.echo(f"Added channel {name}." + ("" if sys.stdin.isatty() else f" Try it: bwm test-channel {name}"))
    _mention_restart(config)
    if sys.stdin.isatty():
        _try_out(session, config, channel)


def _try_out(session: Session, config: Config, settings: ChannelConfig) -> None:
    """Send a test to the person who sits there, and ask whether it came. Exit code 1 when it did not."""
    try:
        _send_test(session, config, settings)
    except ChannelError as error:
        output.note(f"The test message could not be sent: {error}")
    else:
        if click.confirm("A test message was sent. Did it arrive?", err=True):
            return
    output.note(f"The channel is kept. Correct what is wrong, then: bwm test-channel {settings.name}")
    sys.exit(BwmError.exit_code)


def _send_test(session: Session, config: Config, settings: ChannelConfig) -> None:
    """Raises ChannelError when the receiver did not take it."""
    refuse_stranger(config)
    channel = open_channel(settings)
    try:
        channel.deliver(_test_message(config, settings))
    finally:
        channel.close()
    if config.state_dir.exists():  # else nothing was ever started, and a test must not make a database
        with session.database(config) as database, database.transaction():
            note_proof(settings.name, SystemClock().now())


def _url(url_file: Path | None) -> Secret:
    if url_file:
        text = _text_of(url_file)
    elif sys.stdin.isatty():
        text = click.prompt("URL (not shown)", hide_input=True, err=True)
    else:
        text = line_of_stdin()
    if not text.strip():
        raise UsageError("There is no URL. Type it when asked, or give --url-file or standard input.")
    return Secret(text.strip())


def _text_of(file: Path) -> str:
    with reading(file):
        return file.read_text(encoding="utf-8")


def _write(channel: ChannelConfig, file: Path, url_file: Path | None, secret_file: Path | None) -> None:
    settings: dict[str, Any] = {"name": channel.name, "kind": channel.kind}
    made = None
    if channel.path:
        settings["path"] = str(channel.path)
    elif url_file:
        settings["url_file"] = str(url_file.absolute())
    elif channel.url:
        settings["url_file"] = config_file.write_secret(file, channel.name, channel.url.reveal())
        made = config_file.secret_path(file, channel.name)
    if secret_file:
        settings["secret_file"] = str(secret_file.absolute())
    if channel.proxy:
        settings["tor"] = True
    settings |= {"people": list(channel.people), "min_severity": str(channel.min_severity), "locale": channel.locale}
    if channel.timezone != "UTC":
        settings["timezone"] = channel.timezone
    if channel.redact:
        settings["redact"] = list(channel.redact)
    try:
        config_file.add_channel(file, settings)
    except (ConfigError, UsageError):
        if made:
            made.unlink(missing_ok=True)
        raise


@click.command("list-channels")
@output.json_option
@pass_session
def list_channels(session: Session, as_json: bool) -> None:
    """List the channels and how they do.

    Where they lead to is a secret and is not shown.

    \b
    Examples:
      $ bwm list-channels
      $ bwm list-channels --json
    """
    config = session.config()
    with session.database(config):
        described = [_described(channel) for channel in config.channels]
    if as_json:
        output.document(described)
        return
    output.table(
        ("channel", "kind", "people", "from severity", "state", "last delivered"),
        (
            (
                channel["name"],
                channel["kind"],
                ", ".join(channel["people"]),
                channel["min_severity"],
                "ok" if channel["healthy"] else "FAILING, see `bwm doctor`",
                channel["last_delivered_at"] or "never",
            )
            for channel in described
        ),
        if_empty=output.NO_CHANNEL,
    )


def _described(channel: ChannelConfig) -> dict[str, Any]:
    delivered_at = outbox.last_delivered_at(channel.name)
    return {
        "name": channel.name,
        "kind": channel.kind,
        "people": list(channel.people),
        "min_severity": str(channel.min_severity),
        "locale": channel.locale,
        "timezone": channel.timezone,
        "redact": list(channel.redact),
        "path": str(channel.path) if channel.path else None,
        "tor": channel.proxy is not None,
        "healthy": why_refused(channel) is None and not channel_outcomes.is_failing(channel.name),
        "last_delivered_at": None if delivered_at is None else rfc3339(delivered_at),
    }


@click.command("remove-channel")
@click.argument("name")
@yes_option
@pass_session
def remove_channel(session: Session, name: str, yes: bool) -> None:
    """Remove a channel from the configuration.

    Asks first when a person is there to answer.

    \b
    Example:
      $ bwm remove-channel old-phone
    """
    config = session.config()
    _find(config, name)
    confirm(f"Remove channel {name}?", yes)
    with session.database(config) as database, database.transaction():
        stand_down.close_channel(name)
        if config.source:
            config_file.remove_channel(config.source, name)
    click.echo(f"Removed channel {name}.")
    _mention_restart(config)


@click.command("test-channel")
@click.argument("name")
@pass_session
def test_channel(session: Session, name: str) -> None:
    """Send a test message now.

    Exit code 0: the receiver took it. Whether it rings there, only a look can tell.

    \b
    Example:
      $ bwm test-channel phone
    """
    config = session.config()
    _send_test(session, config, _find(config, name))
    click.echo(f"The receiver of channel {name} took the message. Look whether it has arrived.")


def _test_message(config: Config, settings: ChannelConfig) -> Message:
    text = tell_test(config.network, reader_of(settings))
    return Message(
        alert_id="test",
        severity=str(Severity.INFO),
        kind="channel.test",
        title=text.title,
        body=text.body,
        at=SystemClock().now(),
    )


def _find(config: Config, name: str) -> ChannelConfig:
    for channel in config.channels:
        if channel.name == name:
            return channel
    raise UsageError(f"There is no channel {name!r}. `bwm list-channels` lists them.")


def _mention_restart(config: Config) -> None:
    try:
        runs = is_held(config.state_dir)
    except PermissionError:
        runs = True  # nobody knows: to say it once too often does no harm
    if runs:
        unit = unit_of(config.network)
        output.note(f"The running daemon learns of it when it is started again: systemctl restart {unit}")
