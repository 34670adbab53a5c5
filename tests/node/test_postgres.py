"""The same house on PostgreSQL: all is written, nothing is lost when its server goes away, and one daemon runs."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from bwm.db.database import Database
from bwm.errors import DatabaseUnwritable
from regtest.daemon import Bwm
from regtest.node import RegtestNode, wait_until
from tests.servers.postgres import Postgres


@pytest.fixture
def shared(make_bwm, node: RegtestNode, postgres: Postgres) -> Bwm:
    """A bwm that keeps its data on PostgreSQL."""
    return make_bwm(node, settings=f'[database]\nurl = "{postgres.url}"\n')


def kinds(postgres: Postgres, txid: str) -> list[str]:
    return [kind for (kind,) in postgres.rows("SELECT kind FROM event WHERE txid = %s ORDER BY seq", txid)]


@pytest.mark.timeout(180)
def test_d8_a_theft_is_told_on_postgresql_and_one_during_its_restart_as_well(
    node: RegtestNode, shared, postgres, thief
):
    address = node.new_address()
    coins = [node.pay(address, 5_000_000), node.pay(address, 6_000_000), node.pay(node.new_address(), 7_000_000)]
    node.mine()
    shared("add-vault", "cold", "--address", address, "--tag", "savings")
    shared("add-vault", "warm", "--outpoint", coins[2])
    shared.start()

    theft = node.spend(coins[0], thief)
    shared.wait_for_alert(txid=theft)
    assert kinds(postgres, theft) == ["trigger.seen"]

    postgres.stop(signal.SIGQUIT)
    unwritten = node.spend(coins[1], thief)
    node.mine()
    wait_until(lambda: "health.trouble condition=database" in shared.log_text(), "a word about the database", 30)
    postgres.start()

    wait_until(lambda: "trigger.confirmed" in kinds(postgres, unwritten), "the second theft in the database", 60)
    assert "trigger.confirmed" in kinds(postgres, theft)
    assert shared.is_running

    told = {alert["id"] for alert in shared.alerts() if alert["severity"] == "emergency"}
    assert len(told) == 2
    shared("ack", *told)
    assert {alert["state"] for alert in shared.alerts() if alert["id"] in told} == {"acknowledged"}
    shared("edit-vault", "cold", "--severity", "high")
    shared("rescan", "warm", "--from", 1)
    shared("remove-vault", "cold", "--yes")
    assert [vault["name"] for vault in shared.json("list-vaults")] == ["warm"]
    assert shared.status()["vaults"] == 1
    shared.stop()


@pytest.mark.long
def test_that_the_server_is_away_is_told_from_memory(shared, postgres):
    shared.start()
    postgres.stop(signal.SIGQUIT)
    assert shared.wait_for_alert(kind="node.database_failing", timeout_s=60)
    postgres.start()
    shared.wait_for_alert(kind="node.database_working", timeout_s=60)


def test_a_second_daemon_on_the_same_database_ends_at_once(node, shared, make_bwm, postgres):
    shared.start()
    other = make_bwm(node, "other", settings=f'[database]\nurl = "{postgres.url}"\n')
    other.start(until_ready=False)

    assert other.wait_exit() == 1
    assert "Another bwm runs on this PostgreSQL database" in other.log_text()
    assert postgres.password not in shared.log_text() + other.log_text()


def test_a_server_that_is_away_is_named_without_its_password(shared, postgres):
    postgres.stop()
    done = shared("status", exit_code=1)
    assert "on PostgreSQL cannot be used" in done.stderr
    assert postgres.password not in done.stdout + done.stderr


@contextmanager
def frozen(postgres: Postgres) -> Iterator[None]:
    """Whatever works for somebody stands still meanwhile: the system goes on to take what is sent to it."""
    sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid != pg_backend_pid()"
    pids = [pid for (pid,) in postgres.rows(sql)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_nobody_waits_for_ever_for_a_server_that_hangs(postgres, monkeypatch):
    monkeypatch.setattr("bwm.db.postgres.SILENT_S", 0.5)
    database = Database(postgres.url, "regtest", for_long=True)
    with database.connection(), frozen(postgres):
        with pytest.raises(DatabaseUnwritable, match="has said nothing"), database.passing_trouble():
            list(database.rows("SELECT 1"))
        with database.transaction():  # by a line of its own
            assert list(database.rows("SELECT count(*) FROM vault")) == [(0,)]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_theft_is_told_while_the_server_hangs(node, shared, postgres, coin, thief):
    shared("add-vault", "cold", "--outpoint", coin)
    shared.start()
    with frozen(postgres):
        postgres.pause()
        theft = node.spend(coin, thief)
        try:
            assert shared.wait_for_alert(txid=theft, timeout_s=120)["kind"] == "trigger.seen"
            assert shared.wait_for_alert(kind="node.database_failing", timeout_s=60)
        finally:
            postgres.resume()
    wait_until(lambda: kinds(postgres, theft) == ["trigger.seen"], "the theft in the books", 90)
