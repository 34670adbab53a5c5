"""An alert is repeated until a person has read it, whatever its channels do meanwhile."""

import sqlite3
from contextlib import closing

import pytest

from regtest.node import wait_until
from regtest.receiver import accept, hang, reply

SECOND_CHANNEL = """
[[channel]]
name = "second"
kind = "apprise"
url = "{url}"
people = ["owner"]
"""


def deliveries(bwm, channel):
    """How one channel stands with each alert."""
    return [each for alert in bwm.alerts() for each in alert["deliveries"] if each["channel"] == channel]


def test_an_alert_is_repeated_with_the_same_id_until_it_is_acknowledged(node, guarded, coin, thief):
    node.spend(coin, thief)
    first = guarded.wait_for_alert(kind="trigger.seen")
    make_due(guarded)
    second = wait_until(lambda: guarded.delivered(attempt=2), "the repeat")[0]
    assert second["id"] == first["id"]

    assert first["id"] in guarded("ack", first["id"][:5], "--by", "alice").stdout

    [alert] = guarded.alerts()
    assert (alert["state"], alert["acknowledged_by"]) == ("acknowledged", "alice")
    wait_until(lambda: due(guarded) == [None], "the end of the repeats")


def due(bwm):
    """When the file channel is to tell each of its alerts again."""
    return [row["due_at"] for row in bwm.rows("SELECT due_at FROM outbox WHERE target = 'log'")]


def make_due(bwm):
    """Let the minute until the first repeat be over, as soon as it has begun."""
    wait_until(lambda: bwm.rows("SELECT 1 FROM outbox WHERE target = 'log' AND state = 'done'"), "the record")
    with closing(sqlite3.connect(bwm.database, timeout=10)) as connection, connection:
        connection.execute("UPDATE outbox SET due_at = 1, done_at = 1 WHERE state = 'done' AND due_at IS NOT NULL")


def test_an_acknowledged_alert_tells_later_news_once(node, guarded, coin, thief):
    theft = node.spend(coin, thief)
    told = guarded.wait_for_alert(kind="trigger.seen")
    guarded("ack", "--all")

    node.mine()
    guarded.wait_for_event("trigger.confirmed", txid=theft)

    news = guarded.wait_for_alert(kind="trigger.confirmed")
    assert (news["id"], news["update"]) == (told["id"], True)
    wait_until(lambda: due(guarded) == [None], "the end of the repeats")


def test_an_acknowledgement_given_twice_counts_once(node, guarded, coin, thief):
    node.spend(coin, thief)
    told = guarded.wait_for_alert(kind="trigger.seen")

    guarded("ack", told["id"], "--by", "alice")
    guarded("ack", told["id"], "--by", "bob")

    assert guarded.alerts()[0]["acknowledged_by"] == "alice"


@pytest.mark.parametrize("behaviour", [reply(500), hang], ids=["error 500", "no answer"])
def test_a_receiver_that_fails_gets_the_alert_when_it_is_well_again_and_delays_nobody(
    node, guarded, coin, thief, receiver, behaviour
):
    receiver.behaviour = behaviour
    theft = node.spend(coin, thief)
    guarded.wait_for_alert(txid=theft, timeout_s=3)
    receiver.wait_for(text=theft)
    [failing] = wait_until(
        lambda: [each for each in deliveries(guarded, "phone") if each["last_error"]], "the failure", every_s=0.5
    )
    assert failing["state"] in ("pending", "uncertain")

    receiver.behaviour = accept
    wait_until(lambda: deliveries(guarded, "phone")[0]["state"] == "delivered", "the delivery", 60, every_s=0.5)

    assert theft in receiver.received[-1].text


def test_an_alert_acknowledged_while_its_channel_fails_is_not_tried_again(node, guarded, coin, thief, receiver):
    receiver.behaviour = reply(500)
    theft = node.spend(coin, thief)
    wait_until(lambda: guarded.rows("SELECT 1 FROM outbox WHERE last_error <> ''"), "the failure")

    guarded("ack", "--all")

    wait_until(
        lambda: (
            guarded.rows("SELECT state, due_at FROM outbox WHERE target = 'phone'")
            == [{"state": "closed", "due_at": None}]
        ),
        "the end of the tries",
    )
    assert receiver.holding(theft)


def test_a_daemon_with_two_hanging_channels_still_stops_in_time(node, make_bwm, coin, thief, receiver):
    second = SECOND_CHANNEL.format(url=receiver.url(path="second"))
    bwm = make_bwm(node, receiver_url=receiver.url(), settings=second)
    bwm("add-vault", "cold", "--outpoint", coin)
    bwm.start()
    receiver.behaviour = hang
    theft = node.spend(coin, thief)
    receiver.wait_for(count=2, text=theft)

    bwm.stop(timeout_s=10)


def test_what_is_told_on_the_phone_is_what_is_written_in_the_file(node, guarded, coin, thief, receiver):
    theft = node.spend(coin, thief)
    line = guarded.wait_for_alert(txid=theft)
    [message] = receiver.wait_for(text=theft)

    assert message.json["title"] == line["title"]
    assert same_everywhere(message.json["message"]) == same_everywhere(line["body"])


def same_everywhere(body):
    """The lines without those that hold a code of the channel's own, or a time of the attempt."""
    return [line for line in body.splitlines() if "bwm ack" not in line and "told again" not in line]
