"""Where the API may listen, for whom, and whether an onion service leads there."""

from pathlib import Path

import pytest

from bwm.api.onion import address, leads_here, torrc_lines
from bwm.config import load
from bwm.config_api import Listen
from bwm.errors import ConfigError

NAME = "a" * 56 + ".onion"


def api(tmp_path, text):
    file = tmp_path / "bwm.toml"
    file.touch(mode=0o600)
    file.write_text(f'network = "regtest"\nstate_dir = "{tmp_path}"\n[api]\n{text}\n')
    return load(file).api


def test_it_is_off_unless_it_is_told_where_to_listen(tmp_path):
    assert api(tmp_path, "") is None
    assert api(tmp_path, "rewind = true") is None


@pytest.mark.parametrize(
    ("listen", "wanted"),
    [
        ("127.0.0.1:8480", Listen("127.0.0.1", 8480)),
        ("[::1]:8480", Listen("::1", 8480)),
        ("unix:/run/bwm/api", Listen(path=Path("/run/bwm/api"))),
    ],
)
def test_this_machine_may_always_be_listened_to(tmp_path, listen, wanted):
    config = api(tmp_path, f'listen = "{listen}"')
    assert config.listen == wanted
    assert config.rewind_networks == ("regtest",)


@pytest.mark.parametrize("listen", ["0.0.0.0:8480", "[::]:8480", "192.168.1.5:80", "8.8.8.8:1"])
def test_others_only_when_that_is_said_and_wallets_have_a_secret_path(tmp_path, listen):
    with pytest.raises(ConfigError, match="plain HTTP"):
        api(tmp_path, f'listen = "{listen}"')
    with pytest.raises(ConfigError, match="prefix"):
        api(tmp_path, f'listen = "{listen}"\nexposed = true')
    assert api(tmp_path, f'listen = "{listen}"\nexposed = true\nrewind = false')
    assert api(tmp_path, f'listen = "{listen}"\nexposed = true\nprefix = "0123456789abcdef"')


@pytest.mark.parametrize(
    "text",
    [
        'listen = "localhost:80"',
        'listen = "127.0.0.1"',
        'listen = "127.0.0.1:0"',
        'listen = "127.0.0.1:65536"',
        'listen = "127.0.0.1:８０"',
        'listen = "127.0.0.1:80"\nprefix = "short"',
        'listen = "127.0.0.1:80"\nprefix = "0123456789/abcdef"',
        'listen = "127.0.0.1:80"\npush_url = "ftp://example.org"',
        'listen = "127.0.0.1:80"\nhosts = ["a b"]',
        'listen = "127.0.0.1:80"\nrewind_networks = ["signet"]',
        'listen = "127.0.0.1:80"\ncommitments = true',
        'listen = "127.0.0.1:80"\nonion = true',
        'listen = "127.0.0.1:80"\nrewind = "yes"',
    ],
)
def test_what_cannot_be_is_refused_at_the_start(tmp_path, text):
    with pytest.raises(ConfigError, match=r"bwm\.toml line"):
        api(tmp_path, text)


@pytest.fixture
def onion(tmp_path):
    folder = tmp_path / "onion"
    folder.mkdir()
    torrc = tmp_path / "torrc"
    return api(tmp_path, f'listen = "unix:/run/bwm/api"\nonion = true\nonion_dir = "{folder}"\ntorrc = "{torrc}"')


def test_the_address_of_an_onion_service_that_leads_here(onion):
    onion.torrc.write_text("\n".join(["SocksPort 9050", *torrc_lines(onion.onion_dir, onion.listen)]))
    with pytest.raises(ConfigError, match="restart tor"):
        address(onion)
    (onion.onion_dir / "hostname").write_text(f"{NAME}\n")
    assert address(onion) == NAME
    (onion.onion_dir / "hostname").write_text("abc.onion\n")
    with pytest.raises(ConfigError, match="version 3"):
        address(onion)


def test_without_the_lines_they_are_said(onion):
    with pytest.raises(ConfigError, match="install tor"):
        address(onion)
    onion.torrc.write_text("HiddenServiceDir /elsewhere\nHiddenServicePort 80 unix:/run/bwm/api\n")
    with pytest.raises(ConfigError, match=f"HiddenServiceDir {onion.onion_dir}"):
        address(onion)


@pytest.mark.parametrize(
    ("torrc", "leads"),
    [
        ("HiddenServiceDir /a\nHiddenServicePort 80 127.0.0.1:8480", True),
        ("hiddenservicedir /a\n  hiddenserviceport 80 127.0.0.1:8480 # bwm", True),
        ("HiddenServiceDir /a\nHiddenServicePort 80 127.0.0.1:8481", False),
        ("HiddenServiceDir /b\nHiddenServicePort 80 127.0.0.1:8480", False),
        ("HiddenServiceDir /a\nHiddenServiceDir /b\nHiddenServicePort 80 127.0.0.1:8480", False),
        ("# HiddenServiceDir /a\nHiddenServicePort 80 127.0.0.1:8480", False),
        ("", False),
    ],
)
def test_which_torrc_leads_here(torrc, leads):
    assert leads_here(torrc.splitlines(), Path("/a"), Listen("127.0.0.1", 8480)) == leads


def test_the_snippet_for_tor_leads_to_the_socket_that_it_names():
    snippet = Path(__file__).parents[2] / "contrib" / "tor" / "torrc.snippet"
    lines = snippet.read_text().splitlines()
    assert leads_here(lines, Path("/var/lib/tor/bwm"), Listen(path=Path("/run/bwm-api/socket")))
    assert "#   RuntimeDirectory=bwm-api" in lines  # the service itself cannot write in /run
