"""The command ``bwm``: its options, its help, and how it ends."""

import logging
import sys
import traceback
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn

import click

from bwm import __version__
from bwm.chain.network import NETWORKS
from bwm.cli.commands import ENTRIES
from bwm.cli.session import Session
from bwm.errors import BwmError

_INTERRUPTED = 130  # as the shell has it: 128 + SIGINT


class Commands(click.Group):
    """The group of all commands, loaded one by one when they are wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [entry.name for entry in ENTRIES]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for entry in ENTRIES:
            if entry.name == cmd_name:
                module = import_module(f"bwm.cli.{entry.module}")
                command: click.Command = getattr(module, cmd_name.replace("-", "_"))
                return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for group, entries in groupby(ENTRIES, key=lambda entry: entry.group):
            with formatter.section(group):
                formatter.write_dl([(entry.name, entry.summary) for entry in entries])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            raise SystemExit(_INTERRUPTED) from None
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except BwmError as error:
            self._explain(ctx, str(error), error.exit_code)
        except Exception as error:  # noqa: BLE001 - the last resort: a person reads a sentence, not a traceback
            if ctx.invoked_subcommand == "run":
                _keep_in_the_log(error)
            words = f"bwm failed by a {type(error).__name__}, which is a bug. With --debug it shows where."
            self._explain(ctx, words, BwmError.exit_code)

    @staticmethod
    def _explain(ctx: click.Context, words: str, exit_code: int) -> NoReturn:
        if ctx.params["debug"]:
            traceback.print_exc()
        click.echo(f"Error: {words}", err=True)
        ctx.exit(exit_code)


def _keep_in_the_log(error: Exception) -> None:
    """Nobody was there to see it: what the daemon died of must be found in its log."""
    import structlog

    structlog.get_logger().critical("bwm.failed", exc_info=error)


@click.group(
    cls=Commands,
    context_settings={
        "auto_envvar_prefix": "BWM",
        "help_option_names": ["-h", "--help"],
        "max_content_width": 110,
    },
)
@click.version_option(__version__, message="bwm %(version)s")
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The configuration file. Without: $BWM_CONFIG, ~/.config/bwm/bwm.toml, else /etc/bwm/bwm.toml.",
)
@click.option("--network", type=click.Choice(list(NETWORKS)), help="Overrides the configuration's network.")
@click.option("--debug", is_flag=True, help="Log everything, and show where an error comes from.")
@click.pass_context
def main(ctx: click.Context, config: Path | None, network: str | None, debug: bool) -> None:
    """The bitcoin wallet monitor: alarm and first responder beside your own full node.

    \b
    Begin with:
      $ bwm init                     find the node, write the configuration
      $ bwm add-channel phone        say how to reach you
      $ bwm add-vault cold --address bc1q...
      $ bwm run                      or: systemctl enable --now bwm
    """
    from bwm import logs
    from bwm.outlet import outlet

    is_daemon = ctx.invoked_subcommand == "run"
    if is_daemon:
        sys.stderr = outlet(sys.stderr)  # for all that it says, and not only for its log
    usual = logging.INFO if is_daemon else logging.WARNING
    logs.set_up(logging.DEBUG if debug else usual)
    ctx.obj = Session(config, network)
