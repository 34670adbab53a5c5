"""What an Apprise channel brings to a service, and what it makes of a service that misbehaves."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from bwm.channels import check, open_channel
from bwm.channels.apprise import DELIVERY_LIMIT_S, SENDER
from bwm.channels.channel import Channel
from bwm.channels.sending import process
from bwm.channels.sending.process import ForkServer, Workers
from bwm.channels.sending.wire import Request
from bwm.errors import ChannelError, DeliverLater, DeliveryRefused, DeliveryUncertain
from regtest.receiver import Behaviour, Receiver, break_off, drip, hang, reply, unused_port
from tests.servers.certificates import authority
from tests.servers.channels import apprise, message

SECRET = "s3cr3t-t0ken"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def channel(receiver: Receiver) -> Iterator[Channel]:
    with closing(open_channel(apprise(receiver.url(path=SECRET)))) as channel:
        yield channel


@pytest.fixture
def fork_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ForkServer]:
    """One of this test alone, which starts with the environment that the test has set by then."""
    own = ForkServer()
    monkeypatch.setattr(process, "FORK_SERVER", own)
    yield own
    own.stop()


def failure(channel: Channel) -> ChannelError:
    with pytest.raises(ChannelError) as raised:
        channel.deliver(message())
    assert SECRET not in str(raised.value)
    assert "127.0.0.1" not in str(raised.value)
    return raised.value


def test_a_json_receiver_gets_title_vault_and_alert(channel: Channel, receiver: Receiver) -> None:
    channel.deliver(message())
    told = receiver.received[0].json
    assert told["title"] == "A watched coin is being spent"
    assert told["message"] == "5000000 sat leave the vault.\n\nvault cold-1, alert alert-5f3a"
    assert told["type"] == "failure"


def test_a_repeat_is_marked_and_carries_the_same_alert(channel: Channel, receiver: Receiver) -> None:
    channel.deliver(message(attempt=2))
    assert "alert alert-5f3a, attempt 2: may repeat" in receiver.received[0].json["message"]


def test_markup_is_escaped_where_a_service_reads_it(receiver: Receiver) -> None:
    with closing(open_channel(apprise(receiver.url() + "?format=html"))) as channel:
        channel.deliver(message(body="<img src=x> & more"))
    assert "&lt;img src=x&gt; &amp;" in receiver.received[0].json["message"].replace("&nbsp;", " ")


def test_the_operators_own_parameters_reach_the_service(receiver: Receiver) -> None:
    with closing(open_channel(apprise(receiver.url() + "?+X-Token=abc&:room=attic&-page=1"))) as channel:
        for _ in range(3):
            channel.deliver(message())
    assert len(receiver.received) == 3
    for request in receiver.received:
        assert request.headers["X-Token"] == "abc"
        assert request.json["room"] == "attic"
        assert request.path == "/?page=1"


def test_ntfy_rings_at_once_for_every_topic_and_fetches_no_icon(receiver: Receiver) -> None:
    with closing(open_channel(apprise(receiver.url("ntfy", "one,two")))) as channel:
        began = time.monotonic()
        channel.deliver(message())
        channel.deliver(message())
        assert time.monotonic() - began < 5  # Apprise would sleep 5.5 s between two
    assert sorted(request.json["topic"] for request in receiver.received) == ["one", "one", "two", "two"]
    for request in receiver.received:
        assert request.headers["X-Priority"] == "max"
        assert "X-Icon" not in request.headers


@pytest.mark.parametrize("status", [400, 401, 404, 500, 502])
def test_any_bad_status_is_tried_later_with_apprises_own_words(
    channel: Channel, receiver: Receiver, status: int
) -> None:
    receiver.behaviour = reply(status)
    error = failure(channel)
    assert isinstance(error, DeliverLater)
    assert f"error={status}" in str(error)
    assert error.wait_s is None


@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_that_asks_to_wait_is_heard(channel: Channel, receiver: Receiver, status: int) -> None:
    receiver.behaviour = reply(status, {"Retry-After": "3600"})
    error = failure(channel)
    assert isinstance(error, DeliverLater)
    assert error.wait_s == 3600


@pytest.mark.parametrize(
    ("header", "wait_s"), [("soon", None), ("", None), ("-1", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)]
)
def test_an_odd_request_to_wait_does_no_harm(
    channel: Channel, receiver: Receiver, header: str, wait_s: int | None
) -> None:
    receiver.behaviour = reply(429, {"Retry-After": header})
    error = failure(channel)
    assert isinstance(error, DeliverLater)
    assert error.wait_s == wait_s


def test_a_receivers_own_words_are_cleaned_before_anybody_keeps_them(receiver: Receiver) -> None:
    def complain(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
        body = b'{"error": "no \\ud800\\u0000\\u001b[2J\\u202e room"}'
        handler.send_response(507)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    receiver.behaviour = complain
    with closing(open_channel(apprise(receiver.url("ntfy", SECRET)))) as channel:
        words = str(failure(channel))
    assert "no" in words
    assert "room" in words
    assert words.isprintable()  # no database and no terminal chokes on it


def test_a_refused_connection_is_tried_later() -> None:
    with unused_port() as port, closing(open_channel(apprise(f"json://127.0.0.1:{port}/{SECRET}"))) as channel:
        assert isinstance(failure(channel), DeliverLater)


def test_a_name_that_does_not_resolve_is_tried_later() -> None:
    with closing(open_channel(apprise(f"json://no-such-host.invalid/{SECRET}"))) as channel:
        assert isinstance(failure(channel), DeliverLater)


def test_a_failed_tls_handshake_is_named_and_tried_later(receiver: Receiver) -> None:
    with closing(open_channel(apprise(receiver.url("jsons", SECRET)))) as channel:
        error = failure(channel)
    assert isinstance(error, DeliverLater)
    assert "SSLError" in str(error)
    assert not receiver.received


def test_every_message_verifies_the_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fork_server: ForkServer
) -> None:
    trusted, stranger = authority(tmp_path / "trusted"), authority(tmp_path / "stranger")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted.file))
    context = trusted.context("127.0.0.1")
    with Receiver(tls=context) as receiver, closing(open_channel(apprise(receiver.url("jsons", SECRET)))) as channel:
        channel.deliver(message())
        for signer, name in ((stranger, "127.0.0.1"), (trusted, "other.example")):
            signer.load_into(context, name)
            error = failure(channel)
            assert isinstance(error, DeliverLater)
            assert "SSLError" in str(error)
        trusted.load_into(context, "127.0.0.1")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(channel.deliver, [message()] * 40))
    assert len(receiver.received) == 41


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_x21_no_redirect_is_followed_even_if_the_url_asks_for_it(receiver: Receiver, status: int) -> None:
    with Receiver(reply(status, {"Location": receiver.url("http")})) as elsewhere:
        with closing(open_channel(apprise(elsewhere.url(path=SECRET) + "?redirect=yes"))) as channel:
            assert isinstance(failure(channel), DeliverLater)
        assert elsewhere.received
    assert not receiver.received


def test_an_answer_that_breaks_off_leaves_it_uncertain(channel: Channel, receiver: Receiver) -> None:
    receiver.behaviour = break_off
    assert isinstance(failure(channel), DeliveryUncertain)


def test_hanging_and_dripping_receivers_are_cut_off_and_delay_no_other_channel(
    channel: Channel, receiver: Receiver
) -> None:
    with ExitStack() as stack:
        slow = []
        for behaviour in (hang, drip):
            bad = stack.enter_context(Receiver(behaviour))
            slow.append(stack.enter_context(closing(open_channel(apprise(bad.url(path=SECRET))))))
        pool = stack.enter_context(ThreadPoolExecutor(2))
        began = time.monotonic()
        errors = [pool.submit(failure, channel) for channel in slow]
        for _ in range(20):
            channel.deliver(message())
        assert time.monotonic() - began < 5
        assert not any(error.done() for error in errors)
        assert all(isinstance(error.result(), DeliveryUncertain) for error in errors)
        assert time.monotonic() - began < DELIVERY_LIMIT_S + 1
    assert len(receiver.received) == 20


@pytest.mark.parametrize("behaviour", [hang, drip])
def test_after_a_cut_off_the_same_channel_goes_on_with_a_new_process(receiver: Receiver, behaviour: Behaviour) -> None:
    request: Request = {
        "order": "send",
        "url": receiver.url(),
        "severity": "high",
        "alert": "a",
        "proxy": "",
        "title": "t",
        "body": "b",
    }
    with closing(Workers(SENDER)) as workers:
        assert workers.ask(request, 5)["result"] == "done"
        receiver.behaviour = behaviour
        with pytest.raises(DeliveryUncertain, match="took too long"):
            workers.ask(request, 0.5)
        receiver.behaviour = reply(200)
        assert workers.ask(request, 5)["result"] == "done"


def test_what_still_goes_well_is_not_cut_off_with_what_hangs(receiver: Receiver) -> None:
    slowly = threading.Event()
    with Receiver(lambda handler, over: (slowly.wait(), reply(200)(handler, over))[1]) as slow:
        requests: list[Request] = [
            {"order": "send", "url": url, "severity": "high", "alert": "a", "proxy": "", "title": "t", "body": "b"}
            for url in (receiver.url(), slow.url())
        ]
        receiver.behaviour = hang
        with closing(Workers(SENDER)) as workers, ThreadPoolExecutor() as pool:
            going_well = pool.submit(workers.ask, requests[1], 10)
            slow.wait_for(1)
            with pytest.raises(DeliveryUncertain):
                workers.ask(requests[0], 0.5)
            slowly.set()
            assert going_well.result()["result"] == "done"


def test_a_thousand_messages_at_once_all_arrive(channel: Channel, receiver: Receiver) -> None:
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda n: channel.deliver(message(vault=f"vault-{n}")), range(1000)))
    told = {request.json["message"].partition("vault vault-")[2].partition(",")[0] for request in receiver.received}
    assert told == {str(n) for n in range(1000)}


def test_a_channel_that_was_warmed_up_delivers_its_first_message_at_once(channel: Channel, receiver: Receiver) -> None:
    channel.warm_up()
    assert not receiver.received
    began = time.monotonic()
    channel.deliver(message())
    assert time.monotonic() - began < 0.2


def test_a_closed_channel_delivers_no_more(channel: Channel, receiver: Receiver) -> None:
    channel.close()
    channel.close()
    with pytest.raises(DeliverLater, match="closed"):
        channel.deliver(message())
    assert not receiver.received


@pytest.mark.parametrize(
    "schema", ["syslog", "dbus", "kde", "qt", "gio", "glib", "gnome", "macosx", "windows", "blink1"]
)
def test_x20_a_service_that_acts_on_this_machine_only_is_refused(schema: str) -> None:
    url = f"{schema}://{SECRET}"
    assert "this machine only" in check(apprise(url))[0]
    with closing(open_channel(apprise(url))) as channel:
        assert isinstance(failure(channel), DeliveryRefused)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "not an Apprise URL"),
        (SECRET, "not an Apprise URL"),
        (f"notfy://{SECRET}", "no service notfy"),
        (f"https://user:{SECRET}@example.invalid/", "no service https"),
        (f"tgram://{SECRET}", "does not understand the rest of this tgram"),
        (f"file:///etc/{SECRET}", "no service file"),
        (f"json://127.0.0.1/\x00{SECRET}\ud800", ""),
    ],
)
def test_a_mistyped_url_is_explained_without_being_shown(url: str, words: str) -> None:
    problems = check(apprise(url))
    assert SECRET not in str(problems)
    assert words in " ".join(problems)


@pytest.mark.parametrize("url", [f"ntfy://{SECRET}", f"jsons://{SECRET}", "https://ntfy.sh/some-topic"])
def test_check_finds_nothing_wrong_with_a_good_url_and_sends_nothing(url: str) -> None:
    assert check(apprise(url)) == []
