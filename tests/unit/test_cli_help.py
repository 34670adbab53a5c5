"""Help: quick, complete, with an example for each command."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bwm import __version__
from bwm.cli.commands import ENTRIES, Entry
from bwm.cli.main import main

NAMES = [entry.name for entry in ENTRIES]
HEAVY = ("apprise", "peewee", "zmq", "bitcoin", "bitcoinrpc", "rich", "structlog", "tomlkit", "cryptography")


def command(entry: Entry) -> click.Command:
    found = main.get_command(click.Context(main), entry.name)
    assert found is not None
    return found


def test_help_lists_every_command_in_its_group():
    shown = CliRunner().invoke(main, ["--help"])
    assert shown.exit_code == 0
    at = [shown.stdout.index(f"\n  {name} ") for name in NAMES]
    assert at == sorted(at)
    for group in {entry.group for entry in ENTRIES}:
        assert f"\n{group}:\n" in shown.stdout


@pytest.mark.parametrize("entry", ENTRIES, ids=NAMES)
def test_every_command_has_its_name_its_summary_and_an_example(entry):
    found = command(entry)
    assert found.name == entry.name
    text = CliRunner().invoke(main, [entry.name, "--help"]).stdout
    assert (found.help or "").startswith(entry.summary)
    assert f"$ bwm {entry.name}" in text or f"{entry.name}\n" in text.partition("Example")[2]


@pytest.mark.parametrize("entry", ENTRIES, ids=NAMES)
def test_every_option_and_argument_says_what_it_is_for(entry):
    for parameter in command(entry).params:
        if isinstance(parameter, click.Option) and parameter.name != "kind":
            assert parameter.help, f"--{parameter.name} of {entry.name} has no help"


@pytest.mark.parametrize("entry", ENTRIES, ids=NAMES)
def test_x28_no_option_takes_a_secret_as_an_argument(entry):
    names = {parameter.name for parameter in command(entry).params}
    assert not names & {"url", "password", "token", "secret", "key"}


def test_every_module_of_the_table_is_there_and_nothing_else_is_a_command():
    folder = Path(import_module("bwm.cli").__file__ or "").parent
    assert {entry.module for entry in ENTRIES} <= {path.stem for path in folder.glob("*.py")}
    assert len(set(NAMES)) == len(NAMES)


def test_help_loads_nothing_heavy():
    """What help loads decides how long it takes; 0.3 seconds are promised."""
    program = (
        "import sys\nfrom bwm.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_version_is_told():
    assert CliRunner().invoke(main, ["--version"]).stdout == f"bwm {__version__}\n"


def test_no_command_is_wrong_usage_with_help_on_standard_error():
    shown = CliRunner().invoke(main, [])
    assert shown.exit_code == 2
    assert shown.stdout == ""
    assert "add-vault" in shown.stderr
