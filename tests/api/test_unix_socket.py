"""The server on a unix socket, with a secret path for wallets, and behind a server of somebody else."""

import http.client
import socket
from contextlib import closing

import pytest

from regtest.daemon import Bwm
from tests.servers.expo import Expo

PREFIX = "0123456789abcdef"

SETTINGS = """
[metrics]
on = true

[api]
listen = "unix:{path}"
hosts = ["tower.example.org"]
prefix = "{prefix}"
push_url = "{push_url}"
"""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("tower.example.org", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))


@pytest.fixture(scope="module")
def get(tower):
    """A second bwm beside the node of the others; ask it for a path."""
    home = tower.bwm.home.with_name("unix")
    path = home / "socket" / "api"
    with Expo() as expo:
        settings = SETTINGS.format(path=path, prefix=PREFIX, push_url=expo.url)
        bwm = Bwm(home, tower.node, settings=settings)
        bwm.start()

        def ask(target, method="GET", host="tower.example.org"):
            with closing(UnixConnection(path)) as connection:
                connection.request(method, target, headers={"Host": host})
                return connection.getresponse().status

        ask.path, ask.bwm = path, bwm
        try:
            yield ask
            bwm.stop()
            assert not path.exists()
        finally:
            bwm.kill()


def test_x44_only_its_owner_can_enter_the_folder(get):
    assert get.path.parent.stat().st_mode & 0o077 == 0


def test_the_wallets_routes_lie_behind_the_secret_path(get):
    assert get(f"/{PREFIX}/generate_204") == 204
    assert get(f"//{PREFIX}//generate_204") == 204
    assert get(f"/{PREFIX}/regtest/watchtower/register", "OPTIONS") == 200
    for path in ("/generate_204", "/regtest/watchtower/register", f"/{PREFIX}", f"/{PREFIX}x/generate_204", "/v1x"):
        assert get(path) == 404
    assert PREFIX not in get.bwm.log_text()


def test_it_is_called_by_its_name(get):
    assert get("/healthz", host="evil.example") == 400
    assert get("/healthz") == 200


def test_numbers_are_for_who_has_a_token_where_others_may_come_in(get):
    assert get("/metrics") == 401


def test_x44_a_folder_that_others_may_enter_is_refused(tower, tmp_path):
    open_folder = tmp_path / "open"
    open_folder.mkdir()
    open_folder.chmod(0o755)
    settings = f'[api]\nlisten = "unix:{open_folder}/api"\n'
    bwm = Bwm(tmp_path / "bwm", tower.node, settings=settings)
    bwm.start(until_ready=False)
    assert bwm.wait_exit() == 1
    assert "chmod 700" in bwm.log_text()
