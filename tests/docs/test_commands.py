"""Every command is described, and every example in README and help is one that bwm understands."""

import re

import click
import pytest

from bwm.cli.commands import ENTRIES
from bwm.cli.main import main
from tests.docs.readme import TEXT, examples, parse, prose, section

NAMES = [entry.name for entry in ENTRIES]


def command(name: str) -> click.Command:
    found = main.get_command(click.Context(main), name)
    assert found
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_its_paragraph_with_its_options_and_an_example(name):
    text = section(name, section("Commands"))
    assert prose(text).strip()
    assert any(name in arguments for arguments in examples(text))
    options = [parameter.opts[0] for parameter in command(name).params if isinstance(parameter, click.Option)]
    assert [option for option in options if option != "--json" and f"`{option}`" not in text] == []


def test_the_commands_stand_in_the_groups_and_the_order_of_the_help():
    expected = []
    for entry in ENTRIES:
        if ("###", entry.group) not in expected:
            expected.append(("###", entry.group))
        expected.append(("####", entry.name))
    assert re.findall(r"^(###+) (.+)$", section("Commands"), re.MULTILINE) == expected


@pytest.mark.parametrize("arguments", [*examples(TEXT)], ids=" ".join)
def test_every_example_of_the_readme_is_understood(arguments):
    parse(arguments)


@pytest.mark.parametrize("name", ["", *NAMES])
def test_every_example_of_the_help_is_understood(name):
    shown = [*examples((command(name) if name else main).help or "")]
    assert shown
    for arguments in shown:
        parse(arguments)


def test_every_command_that_is_named_in_passing_is_understood():
    for line in re.findall(r"`bwm ([a-z][^`]*)`", prose()):
        parse(line.split(), is_whole=False)


@pytest.mark.parametrize("line", ["events --sinse 2h", "no-such-command", "backup a b", "events --since", "backup"])
def test_a_wrong_example_would_be_found(line):
    with pytest.raises(click.UsageError):
        parse(line.split())
