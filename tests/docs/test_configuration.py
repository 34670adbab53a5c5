"""Every key is described, and what is shown of bwm's and the node's configuration can be used as it stands."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bwm.channels import check
from bwm.config import load
from bwm.config_channels import ChannelConfig
from bwm.errors import ConfigError
from bwm.node.advice import feed_lines, user_lines
from bwm.secret import Secret
from tests.docs.readme import ROOT, blocks, rows, section


def allowed_keys(folder: Path, head: str, body: str = "") -> list[str]:
    """What may stand in a section, as the reader of the configuration says when it refuses another key."""
    file = folder / "bwm.toml"
    file.write_text(f"{head}\n{body}\nno_such_key = 1\n")
    with pytest.raises(ConfigError) as refused:
        load(file)
    if missing := re.search(r": (\w+) is missing here", str(refused.value)):
        return allowed_keys(folder, head, f'{body}\n{missing[1]} = "name"')
    found = re.search(r"unknown key 'no_such_key'.*Allowed here: (.*)", str(refused.value))
    return found[1].split(", ") if found else []


def keys_of_the_reader(folder: Path) -> dict[str, set[str]]:
    """The keys of every section, "" for the top."""
    top = allowed_keys(folder, "")
    heads = [head for key in top for head in (f"[{key}]", f"[[{key}]]")]
    sections = {head: set(keys) for head in heads if (keys := allowed_keys(folder, head))}
    names = {head.strip("[]") for head in sections}
    for head in [head for head in sections if not head.startswith("[[")]:
        for key in sorted(sections[head]):
            inner = f"[[{head.strip('[]')}.{key}]]"
            if keys := allowed_keys(folder, inner):
                sections[inner] = set(keys)
                sections[head].discard(key)
    return {"": set(top) - names, **sections}


def described_keys() -> dict[str, set[str]]:
    """The same, as the README has it."""
    found: dict[str, set[str]] = {"": set()}
    head = ""
    for cells in rows(section("Configuration")):
        if begun := re.fullmatch(r"\*\*`(.+)`\*\*", cells[0]):
            head = begun[1]
            found[head] = set()
        else:
            found[head].update(re.findall(r"`(\w+)`", cells[0]))
    return found


def test_every_key_is_described_and_no_other(tmp_path):
    assert described_keys() == keys_of_the_reader(tmp_path)


@pytest.mark.parametrize(
    "chapter",
    [
        "Configuration",
        "Connect your node",
        "When you give no sign of life",
        "A look from outside",
        "RewindBitcoin wallets",
        "Responses",
        "Policies",
    ],
)
def test_a_configuration_that_is_shown_is_one(tmp_path, chapter):
    shown = blocks("toml", section(chapter))
    assert shown
    for text in shown:
        file = tmp_path / "bwm.toml"
        text = text.replace("/etc/bwm", str(tmp_path))  # a test makes no files outside of its folder
        file.write_text(text)
        for name in files_named(tomllib.loads(text)):
            assert (tmp_path / name).is_relative_to(tmp_path)
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch(mode=0o600)
            (tmp_path / name).write_text("0123456789abcdef" if "prefix" in name else "https://example.org/secret")
        load(file)


def files_named(value: Any) -> Iterator[str]:
    """The values of all keys that end in _file."""
    if isinstance(value, list):
        for item in value:
            yield from files_named(item)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from [inner] if key.endswith("_file") else files_named(inner)


def test_every_url_of_a_service_is_understood():
    urls = [url for cells in rows(section("Your first channel")) for url in re.findall(r"`(.+)`", cells[1])]
    assert urls
    for url in urls:
        assert list(check(ChannelConfig("phone", "apprise", Secret(url)))) == [], url


def test_the_lines_for_bitcoin_conf_are_those_that_init_prints():
    [shown] = blocks("ini", section("Connect your node"))
    _, *user = user_lines("bwm", "password", "00" * 16, may_broadcast=True)
    assert shown.splitlines() == ["server=1", "rpcauth=bwm:<salt>$<digest>", *user, *feed_lines()]


def test_the_example_of_bitcoin_conf_has_the_same_lines():
    [shown] = blocks("ini", section("Connect your node"))
    lines = (ROOT / "bitcoin.conf.example").read_text().splitlines()
    active = [line for line in lines if line and not line.startswith("#")]
    assert active == [line for line in shown.splitlines() if not line.startswith("rpcauth")]
