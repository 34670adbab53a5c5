"""A node is found by its cookie, and a cookie out of reach says why."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bwm.chain.network import network
from bwm.errors import NodeDown, NodeUnauthorized
from bwm.node.credentials import CookieFile, why_unreadable
from bwm.node.find import find_node, find_nodes

NOBODY = 65534


@pytest.fixture
def datadir() -> Iterator[Path]:
    """A data directory that other users can enter, unlike pytest's own temporary ones."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
        for folder in path.rglob("*/"):
            folder.chmod(0o755)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without the rights of root, for whom nothing is closed."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def cookie_in(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    cookie = folder / ".cookie"
    cookie.write_text("__cookie__:0123")
    cookie.chmod(0o644)
    return cookie


@pytest.mark.parametrize(
    ("name", "subfolder", "port"),
    [("main", "", 8332), ("test", "testnet3", 18332), ("testnet4", "testnet4", 48332), ("signet", "signet", 38332)],
)
def test_a_running_node_is_found_in_its_networks_folder(datadir, name, subfolder, port):
    cookie = cookie_in(datadir / subfolder)

    found = find_node(network(name), [datadir / "other", datadir])

    assert (found.rpc, found.cookie, found.problem) == (f"http://127.0.0.1:{port}", cookie, None)
    assert CookieFile(found.cookie).user_and_password() == b"__cookie__:0123"


def test_a_node_that_can_be_used_comes_before_one_that_cannot(datadir):
    (datadir / "stopped").mkdir()
    cookie = cookie_in(datadir / "running")

    nodes = find_nodes(network("main"), [datadir / "stopped", datadir / "running"])

    assert [each.cookie for each in nodes] == [cookie, datadir / "stopped" / ".cookie"]
    assert "not running" in nodes[1].problem


def test_where_no_node_is_the_way_out_is_told(datadir):
    assert find_nodes(network("main"), [datadir / "nothing"]) == []
    with pytest.raises(NodeDown, match="cookie_file"):
        find_node(network("main"), [datadir / "nothing"])


def test_a_closed_folder_is_named_and_not_just_refused(datadir):
    cookie = cookie_in(datadir / "signet")
    cookie.parent.chmod(0o000)

    with as_nobody():
        problem = why_unreadable(cookie)
        with pytest.raises(NodeDown, match="rpcauth"):
            find_node(network("signet"), [datadir])
        with pytest.raises(NodeUnauthorized, match="signet"):
            CookieFile(cookie).user_and_password()

    assert f"{datadir / 'signet'} (mode 0000) is closed" in problem


def test_a_closed_cookie_tells_of_the_group(datadir):
    cookie = cookie_in(datadir)
    cookie.chmod(0o000)

    with as_nobody():
        assert "rpccookieperms=group" in why_unreadable(cookie)
        with pytest.raises(NodeUnauthorized, match="0000"):
            CookieFile(cookie).user_and_password()


def test_a_missing_cookie_is_no_question_of_rights(datadir):
    assert why_unreadable(datadir / ".cookie") is None
    with pytest.raises(NodeDown, match="there is no cookie"):
        CookieFile(datadir / ".cookie").user_and_password()
