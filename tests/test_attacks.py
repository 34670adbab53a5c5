"""The list of attacks, and that each of them is tried by a test that has its number in its name."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROWS = {
    "X1": "guessing tokens",
    "X2": "credentials that are empty, doubled or in the query",
    "X3": "the time that a comparison takes; a stolen database",
    "X4": "a body without an end",
    "X5": "JSON nested very deep",
    "X6": "numbers that break readers of JSON, and keys twice",
    "X7": "wrong types",
    "X8": "texts that databases and terminals choke on",
    "X9": "txids written otherwise",
    "X10": "SQL in names and filters",
    "X11": "paths in names",
    "X12": "unknown networks",
    "X13": "one caller who has everything watched",
    "X14": "the same txid by two callers",
    "X15": "the same name by two callers",
    "X16": "reading or acknowledging what is another's",
    "X17": "an acknowledgement once more",
    "X18": "a guessed acknowledgement",
    "X19": "addresses of this machine as a receiver",
    "X20": "services that act on this machine",
    "X21": "redirects to the inside",
    "X22": "the node's own RPC as a receiver",
    "X23": "another name for this machine",
    "X24": "a web page that asks for its visitor",
    "X25": "slow and many connections",
    "X26": "heads that two servers read differently",
    "X27": "control characters in a request's id",
    "X28": "secrets where other programs see them",
    "X29": "secrets in files that others can read",
    "X30": "configurations made to choke or to use their reader",
    "X31": "commands and options in labels",
    "X32": "programs that others could change",
    "X33": "signals that the guardian did not sign",
    "X34": "signals on the edge of the grammar",
    "X35": "a flood of payments to a watched address",
    "X36": "a flood that uses a channel up",
    "X37": "a theft of little fee that comes and goes",
    "X38": "forged messages of the feed",
    "X39": "the node's RPC in clear",
    "X40": "a response that pays a stranger",
    "X41": "transactions that are odd, huge or loosely signed",
    "X42": "finding out what is watched",
    "X43": "what the open pages tell",
    "X44": "the socket, by another user of the machine",
    "X45": "a log turned on to read secrets",
    "X46": "templates in texts",
}
"""In a few words each."""

_NAME = re.compile(r"^(?:async )?def test_(\w+)", re.MULTILINE)
_ROW = re.compile(r"(?:^|_)x(\d+)(?:_to_x(\d+))?(?=_)")


def rows_named() -> Iterator[str]:
    """By the names of tests: ``test_x14_to_x18_...`` is five rows, ``test_x40_x41_...`` two."""
    for file in Path(__file__).parent.rglob("test_*.py"):
        for name in _NAME.findall(file.read_text()):
            for first, last in _ROW.findall(name):
                yield from (f"X{number}" for number in range(int(first), int(last or first) + 1))


@pytest.fixture(scope="module")
def named():
    return set(rows_named())


@pytest.mark.parametrize("row", ROWS)
def test_an_attack_is_tried(named, row):
    assert row in named, f"no test has {row.lower()} in its name: {ROWS[row]}"


def test_no_test_names_an_attack_that_is_not_in_the_list(named):
    assert named <= ROWS.keys()
