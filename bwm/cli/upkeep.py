"""The commands that keep bwm's own data."""

from pathlib import Path

import click

from bwm.cli.confirm import confirm_surely, yes_option
from bwm.cli.session import Session, pass_session, refuse_stranger
from bwm.cli.words import unit_of
from bwm.daemon.lock import Lock, is_held
from bwm.db.backup import back_up, database_file
from bwm.db.backup import restore as restore_backup
from bwm.errors import BwmError


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@pass_session
def backup(session: Session, file: Path) -> None:
    """Copy the database, also while the daemon runs.

    The copy is a whole database of one moment. It names everything that is watched, so keep it as you keep your wallet
    files. The configuration and the files it names are not in it. An existing file is not overwritten.

    \b
    Example:
      $ bwm backup /mnt/usb/bwm-backup.sqlite
    """
    with session.database(session.config()) as database:
        back_up(database, file)
    click.echo(f"The database was copied to {file}.")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@yes_option
@pass_session
def restore(session: Session, file: Path, yes: bool) -> None:
    """Put a backup in the place of the database.

    The daemon must not run. The backup is checked first, and the present database is kept under another name. When
    the daemon starts it says of which period registrations and acknowledgements are missing, and reads the chain from
    the backup's last block on.

    \b
    Example:
      $ bwm restore /mnt/usb/bwm-backup.sqlite
    """
    config = session.config()
    refuse_stranger(config)
    if is_held(config.state_dir):
        unit = unit_of(config.network)
        raise BwmError(f"The daemon runs on this database: nothing was changed. Stop it first: systemctl stop {unit}")
    lock = Lock(config.state_dir)
    try:
        path = database_file(config.database_url)
        if path.exists():
            confirm_surely(f"Replace {path} by {file}? The present one is kept.", yes)
        aside = restore_backup(file, path, config.network)
    finally:
        lock.release()
    click.echo(f"{file} was restored." + (f" What was there before is {aside}." if aside else ""))
    click.echo("Now start the daemon, and compare `bwm list-vaults` with your own list.")
