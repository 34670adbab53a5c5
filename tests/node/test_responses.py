"""What may be kept as a response, and how ready it is: beside a real node."""

import pytest

from regtest.node import btc
from tests.node.response_stage import SATS, allow, fund, write
from tests.vault_signer import ALL, ANYONECANPAY, NONE, SINGLE, Key


@pytest.fixture
def stage(node, make_bwm):
    """A vault that bwm watches and may bring to safety."""
    vault = fund(node)
    bwm = make_bwm(node, settings=allow(vault))
    bwm("add-vault", "cold", "--txid", vault.unvault.txid, "--outpoint", vault.deposit.outpoint)
    return node, bwm, vault


def test_a_response_is_kept_sealed_listed_armed_and_removed(stage):
    _, bwm, vault = stage
    steps = [vault.response(rate) for rate in (50, 2, 10)]
    added = bwm("add-response", "cold", "safe", *write(bwm.home, steps))
    assert "unproven" in added.stdout  # the coin that it spends does not exist yet
    bwm("remove-response", "cold/safe", "--yes")

    parent = write(bwm.home, [vault.unvault], "--parent")
    added = bwm("add-response", "cold", "safe", *write(bwm.home, steps), *parent, "--budget", 9_000)
    assert "ready" in added.stdout
    assert "10 blocks after the trigger" in added.stdout  # the script says so
    [listed] = bwm.json("list-responses")
    assert (listed["verdict"], listed["armed"], listed["budget_sats"]) == ("ready", False, 9_000)
    assert [round(step["feerate"]) for step in listed["steps"]] == [2, 10, 50]
    assert [step["sighash"] for step in listed["steps"]] == [["ALL"]] * 3
    assert "already" in bwm("add-response", "cold", "safe", *write(bwm.home, steps), exit_code=2).stderr

    assert "Armed" in bwm("arm", "cold/safe").stdout
    assert bwm.json("list-responses")[0]["armed"]
    assert "already" in bwm("arm", "cold/safe").stdout
    bwm("disarm", "cold/safe")
    told = [(alert["kind"], alert["severity"]) for alert in bwm.alerts()]
    assert sorted(told) == [("response.disarmed", "warning"), ("response.removed", "warning")]  # not what was added
    bwm("hold")
    assert "on hold" in bwm("list-responses").stderr
    bwm("hold", "--off")
    told = [event["kind"] for event in bwm.json_lines("events", "--kind", "response")]
    assert told[-5:] == [f"response.{word}" for word in ("added", "armed", "disarmed", "hold_on", "hold_off")]

    everything = b"".join(file.read_bytes() for file in bwm.state_dir.iterdir())
    for step in steps:
        assert bytes.fromhex(step.hex) not in everything
        assert step.hex.encode() not in everything
    assert (bwm.state_dir / "sealing.key").stat().st_mode & 0o777 == 0o600
    assert "response cold/safe: ready" in bwm("doctor", exit_code=None).stdout

    key = bwm.state_dir / "sealing.key"
    kept = key.rename(key.with_name("kept"))
    doctor = bwm("doctor", exit_code=1).stdout
    assert "the key that sealed it is missing" in doctor
    said = bwm("add-response", "cold", "second", *write(bwm.home, [vault.sweep(9)]), exit_code=2).stderr
    assert "sealing.key" in said
    assert not key.exists()  # a new one would have made the old responses useless for good
    kept.rename(key)
    bwm("remove-response", "cold/safe", "--yes")
    assert bwm.json("list-responses") == []


def test_x40_x41_what_could_pay_a_stranger_or_is_not_the_vaults_is_refused(stage):
    node, bwm, vault = stage
    stranger = Key()

    def refused(*options):
        said = bwm("add-response", "cold", "bad", *options, exit_code=2).stderr
        assert bwm.json("list-responses") == []
        return said

    def one(tx):
        return refused(*write(bwm.home, [tx]))

    assert "not allowed" in one(vault.response(10, to=stranger.script))
    assert "signed with NONE" in one(vault.response(10, sighash=NONE))
    assert "signed with SINGLE|ANYONECANPAY" in one(vault.response(10, sighash=SINGLE | ANYONECANPAY))
    assert "anchor" in one(vault.response(10, anchor=2_000))
    other = fund(node)
    assert "neither a watched coin" in one(other.response(10, to=vault.safe.script))
    assert "no trigger of vault cold" in refused(
        *write(bwm.home, [vault.response(10)]), *write(bwm.home, [other.unvault], "--parent")
    )
    wrong = vault.response(10, locktime=1)
    wrong.hex = wrong.hex[:-8] + "02000000"  # the signature was for another one
    parent = write(bwm.home, [vault.unvault], "--parent")
    assert "signatures do not hold" in refused(*write(bwm.home, [wrong]), *parent)
    assert "no coin in common" in refused(*write(bwm.home, [vault.response(10), vault.sweep(20)]))
    assert "no vault" in bwm("add-response", "none", "x", *write(bwm.home, [vault.response(9)]), exit_code=2).stderr
    file = bwm.home / "text"
    for text in ("", "zz", "00", vault.unvault.hex[:-2], "cHNidP8BAA=="):
        file.write_text(text)
        said = refused("--tx", str(file))
        assert "Traceback" not in said
    with_flag = bwm("add-response", "cold", "ok", *write(bwm.home, [vault.sweep(9, sighash=ALL | ANYONECANPAY)]))
    assert "ANYONECANPAY" in with_flag.stdout + with_flag.stderr
    assert "ready" in with_flag.stdout  # the node was asked: it would take it now


def test_a_psbt_is_finalised_by_the_node_and_an_unfinished_one_refused(node, make_bwm):
    address = node.new_address()
    coin = node.pay(address, SATS)
    node.mine()
    safe = Key()
    bwm = make_bwm(node, settings=f'\n[responses]\nallow = ["{safe.address}"]\n')
    bwm("add-vault", "cold", "--address", address)
    txid, vout = coin.split(":")
    raw = node.rpc("createpsbt", [{"txid": txid, "vout": int(vout)}], [{safe.address: btc(SATS - 2_000)}], 0, True)
    file = bwm.home / "sweep.psbt"
    file.write_text(raw)
    said = bwm("add-response", "cold", "safe", "--tx", file, exit_code=2).stderr
    assert "not signed completely" in said
    file.write_text(node.rpc("walletprocesspsbt", raw, wallet="vault")["psbt"])
    assert "ready" in bwm("add-response", "cold", "safe", "--tx", file, "--delay", "2d").stdout


def test_x40_without_an_allow_list_nothing_is_kept(node, make_bwm):
    vault = fund(node)
    bwm = make_bwm(node)
    bwm("add-vault", "cold", "--outpoint", vault.deposit.outpoint)
    said = bwm("add-response", "cold", "safe", *write(bwm.home, [vault.sweep(10)]), exit_code=2).stderr
    assert "[responses]" in said
    assert bwm.json("list-responses") == []
