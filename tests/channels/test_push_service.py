"""The push service's answers, good and bad."""

import json

import pytest

from bwm.channels.expo import Fate, PushService, alarm, check
from bwm.errors import DeliverLater, DeliveryRefused, DeliveryUncertain
from bwm.secret import Secret
from regtest.receiver import Receiver, drip, hang, reply, unused_port
from tests.servers.channels import Settings
from tests.servers.expo import NOT_REGISTERED, Expo
from tests.servers.scripted import ScriptedServer, http_answer


def pushes(*tokens):
    return [alarm(token, "title", "body", {"number": 1}) for token in tokens]


def test_each_message_has_a_fate_of_its_own():
    too_many = {"status": "error", "message": "slow", "details": {"error": "MessageRateExceeded"}}
    too_big = {"status": "error", "message": "big", "details": {"error": "MessageTooBig"}}
    fates = {"gone": NOT_REGISTERED, "slow": too_many, "big": too_big, "odd": {"status": "error"}}
    with Expo(fates=fates) as expo:
        outcomes = PushService(expo.url).send(pushes("good", *fates))
    assert [outcome.fate for outcome in outcomes] == [Fate.TAKEN, Fate.GONE, Fate.LATER, Fate.REFUSED, Fate.LATER]
    assert outcomes[0].ticket


def test_receipts_say_what_became_of_it():
    with Expo(receipts={"gone": NOT_REGISTERED}) as expo:
        service = PushService(expo.url)
        tickets = [outcome.ticket for outcome in service.send(pushes("good", "gone"))]
        outcomes = service.receipts(tickets)
    assert [outcomes[ticket].fate for ticket in tickets] == [Fate.TAKEN, Fate.GONE]


@pytest.mark.parametrize("ticket", ["\ud800", "a\0b", "", "x" * 201, 7, None, ["a"]])
def test_a_ticket_that_no_database_would_keep_is_taken_for_none(ticket):
    body = json.dumps({"data": {"status": "ok", "id": ticket}}).encode()
    with ScriptedServer([[http_answer("200 OK", body)]]) as server:
        [outcome] = PushService(f"{server.url}/send").send(pushes("one"))
    assert (outcome.fate, outcome.ticket) == (Fate.TAKEN, None)


def test_receipts_that_nobody_asked_for_are_passed_over():
    body = json.dumps({"data": {"mine": {"status": "ok"}, "\ud800": {"status": "ok"}, "other": {"status": "ok"}}})
    with ScriptedServer([[http_answer("200 OK", body.encode())]]) as server:
        assert list(PushService(f"{server.url}/send").receipts(["mine", "late"])) == ["mine"]


@pytest.mark.parametrize(("status", "error"), [(429, DeliverLater), (500, DeliverLater), (400, DeliveryRefused)])
def test_a_status_that_is_no_success_fails_all(status, error):
    with Receiver(behaviour=reply(status, {"Retry-After": "7"})) as receiver, pytest.raises(error) as raised:
        PushService(receiver.url("http", "send")).send(pushes("one", "two"))
    assert getattr(raised.value, "wait_s", 7) == 7


@pytest.mark.parametrize("behaviour", [hang, drip], ids=["hangs", "drips"])
def test_a_service_that_does_not_end_is_given_up_in_time(behaviour):
    with Receiver(behaviour=behaviour) as receiver, pytest.raises(DeliveryUncertain):
        PushService(receiver.url("http", "send"), limit_s=0.5).send(pushes("one"))


def test_nobody_there():
    with unused_port() as port, pytest.raises(DeliverLater):
        PushService(f"http://127.0.0.1:{port}/send").send(pushes("one"))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"data": null}', b'{"data": [1]}', b'{"data": []}', b"[" * 100_000]
)
def test_an_answer_that_says_nothing_is_not_taken_for_yes(body):
    with ScriptedServer([[http_answer("200 OK", body)]]) as server, pytest.raises(DeliveryUncertain):
        PushService(f"{server.url}/send").send(pushes("one"))


def test_a_redirect_is_not_followed():
    with Receiver() as inner, Receiver(behaviour=reply(302, {"Location": inner.url("http", "inner")})) as outer:
        with pytest.raises(DeliveryRefused):
            PushService(outer.url("http", "send")).send(pushes("one"))
        assert inner.received == []


@pytest.mark.parametrize(
    ("url", "is_good"),
    [
        ("ExponentPushToken[abc]", True),
        ("ExpoPushToken[abc]", True),
        ("https://push.example/send#ExpoPushToken[abc]", True),
        ("abc", False),
        ("ExponentPushToken[]", False),
        ("https://push.example/send", False),
    ],
)
def test_what_is_a_push_token(url, is_good):
    assert (not check(Settings(kind="expo", url=Secret(url)))) == is_good
