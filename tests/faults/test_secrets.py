"""I5: planted secrets and watched addresses are nowhere that others could read them."""

import hmac
import os
import stat
from pathlib import Path

import pytest

from regtest.node import wait_until
from regtest.receiver import reply
from tests.faults.conftest import SATS, found
from tests.servers.processes import descendants, shown_by

CANARY = "canary7f3a91c2"
CHANNEL = """
[[channel]]
name = "private"
kind = "apprise"
url_file = "{file}"
people = ["owner"]

[heartbeat]
url_file = "{heartbeat}"
every = "10s"
"""


@pytest.fixture
def planted(node, make_bwm, receiver, folder):
    """A bwm with a secret in each place that holds one."""
    password = f"{CANARY}password"
    files = {"url": receiver.url(path=f"{CANARY}token"), "beat": receiver.url("http", f"{CANARY}beat"), "rpc": password}
    for name, text in files.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text)
    settings = CHANNEL.format(file=folder / "url", heartbeat=folder / "beat")
    bwm = make_bwm(node, receiver_url=receiver.url(path=f"{CANARY}first"), settings=settings)
    bwm.is_measured = True
    text = bwm.config.read_text()
    bwm.config.write_text(
        text.replace(f'cookie_file = "{node.cookie}"', f'user = "bwm"\npassword_file = "{folder / "rpc"}"')
    )
    return bwm


@pytest.fixture
def node(make_node):
    """Its user ``bwm`` has a password that is a canary."""
    salt = "00112233445566778899aabbccddeeff"
    digest = hmac.new(salt.encode(), f"{CANARY}password".encode(), "sha256").hexdigest()
    return make_node(extra_args=[f"-rpcauth=bwm:{salt}${digest}"])


def test_no_secret_and_no_watched_address_is_where_others_can_read_it(node, planted, receiver, hold, folder):
    address = node.new_address()
    coin = node.pay(address, SATS)
    node.mine()
    texts = [planted("add-vault", "cold", "--address", address, "--outpoint", coin)]
    planted.start()
    seen = [shown_by(pid) for pid in {planted.pid, *descendants(planted.pid)}]
    theft = node.spend(coin, node.new_address(wallet="thief"))
    found(planted, theft)
    receiver.wait_for(2, text=theft)
    wait_until(lambda: any("beat" in one.path for one in receiver.received), "a sign of life")
    receiver.behaviour = reply(500)
    node.stop()
    texts.append(planted("add-vault", "late", "--address", address, exit_code=1))
    seen += [shown_by(pid) for pid in {planted.pid, *descendants(planted.pid)}]
    node.start()
    receiver.behaviour = reply(403)
    node.mine()
    planted.wait_for_event("trigger.confirmed", txid=theft)
    commands = (["status"], ["doctor"], ["list-channels"], ["--debug", "status"])
    texts += [planted(*command, exit_code=None) for command in commands]
    planted.stop()

    logged = planted.log_text()
    said = "".join(done.stdout + done.stderr for done in texts)
    shown = b"".join(seen).decode(errors="replace")
    assert CANARY not in logged + said + shown
    assert address not in logged
    assert address not in shown
    assert node.rpc("getaddressinfo", address, wallet="vault")["scriptPubKey"] not in logged
    assert [str(path) for path in wider_than_owner_only(planted.home / "state")] == []


def wider_than_owner_only(folder: Path):
    """Files and folders that the group or everybody has a right to."""
    for path in [folder, *folder.rglob("*")]:
        if stat.S_IMODE(os.lstat(path).st_mode) & 0o077:
            yield path


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("json://", "no-such-schema://"),
        ('every = "10s"', 'every = "soon"'),
        ('network = "regtest"', 'network = "regtes"'),
        ('kind = "apprise"', 'kind = "pigeon"'),
    ],
)
def test_errors_of_the_configuration_do_not_repeat_what_they_are_about(planted, right, wrong):
    planted.config.write_text(planted.config.read_text().replace(right, wrong))
    for command in ("status", "doctor", "list-channels"):
        done = planted(command, exit_code=None)
        assert CANARY not in done.stdout + done.stderr
