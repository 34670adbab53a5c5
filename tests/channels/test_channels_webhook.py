"""What a webhook channel posts, how a receiver knows it, and what it makes of a receiver that misbehaves."""

import hmac
import socket
import threading
import time
from contextlib import ExitStack, closing, suppress
from hashlib import sha256

import pytest

from bwm.channels import check, open_channel, webhook
from bwm.channels.sending.post import post, status_of_post
from bwm.channels.sending.signature import proves, signed
from bwm.daemon import heartbeat
from bwm.errors import ChannelError, ConfigError, DeliverLater, DeliveryRefused, DeliveryUncertain
from bwm.secret import Secret
from regtest.receiver import Receiver, accept, break_off, drip, hang, reply
from tests.servers.certificates import authority
from tests.servers.channels import Settings, message
from tests.servers.services import Proxy

SECRET = Secret("a secret of the tests, long enough")
PATH = "s3cr3t-path"


def settings(url: str, **changes: object) -> Settings:
    return Settings(kind="webhook", url=Secret(url), secret=SECRET, **changes)


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def channel(receiver):
    with closing(open_channel(settings(receiver.url("http", PATH)))) as channel:
        yield channel


def failure(channel) -> ChannelError:
    with pytest.raises(ChannelError) as raised:
        channel.deliver(message())
    assert PATH not in str(raised.value)
    assert SECRET.reveal() not in str(raised.value)
    return raised.value


def test_the_body_is_the_message_and_the_signature_covers_time_and_body(channel, receiver):
    channel.deliver(message(attempt=3, may_repeat=True))
    [got] = receiver.received
    assert (got.json["id"], got.json["vault"], got.json["attempt"]) == ("alert-5f3a", "cold-1", 3)
    assert got.json["may_repeat"] is True
    at = int(time.time())
    expected = [
        f"t={second},v1={hmac.new(SECRET.reveal().encode(), b'%d.' % second + got.body, sha256).hexdigest()}"
        for second in range(at - 5, at + 1)
    ]
    assert got.headers["X-Bwm-Signature"] in expected


def test_what_was_changed_is_old_or_has_another_secret_proves_nothing():
    body = b'{"id": "a"}'
    headers = signed(body, 1000, SECRET)
    assert proves(headers, body, SECRET, now=1200)
    assert not proves(headers, body + b" ", SECRET, now=1200)
    assert not proves(headers, body, Secret("another secret of the tests"), now=1200)
    assert not proves(headers, body, SECRET, now=1301)
    moved = {name: value.replace("t=1000", "t=1100") for name, value in headers.items()}
    assert not proves(moved, body, SECRET, now=1200)
    assert not proves({}, body, SECRET, now=0)


@pytest.mark.parametrize("status", [200, 201, 204])
def test_any_2xx_is_delivered(channel, receiver, status):
    receiver.behaviour = reply(status)
    channel.deliver(message())


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_other_answers_are_tried_later_as_the_receiver_asks(channel, receiver, status):
    receiver.behaviour = reply(status, {"Retry-After": "120"})
    error = failure(channel)
    assert isinstance(error, DeliverLater)
    assert str(status) in str(error)
    assert error.wait_s == 120


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(channel, receiver, status):
    with Receiver() as elsewhere:
        receiver.behaviour = reply(status, {"Location": elsewhere.url("http")})
        assert isinstance(failure(channel), DeliveryRefused)
    assert not elsewhere.received


def test_who_is_gone_for_good_is_believed(channel, receiver):
    receiver.behaviour = reply(410)
    assert isinstance(failure(channel), DeliveryRefused)


def test_an_answer_that_breaks_off_leaves_it_uncertain(channel, receiver):
    receiver.behaviour = break_off
    assert isinstance(failure(channel), DeliveryUncertain)


def drip_the_head(handler, over: threading.Event) -> None:
    """The status line, then a header that grows by a byte every tenth of a second."""
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
    while not over.wait(0.1):
        handler.wfile.write(b".")
        handler.wfile.flush()


@pytest.mark.parametrize("behaviour", [hang, drip, drip_the_head])
def test_no_receiver_holds_it_beyond_the_limit(channel, receiver, behaviour, monkeypatch):
    monkeypatch.setattr(webhook, "DELIVERY_LIMIT_S", 1.0)
    receiver.behaviour = behaviour
    began = time.monotonic()
    assert isinstance(failure(channel), DeliveryUncertain)
    assert time.monotonic() - began < 2
    receiver.behaviour = accept
    channel.deliver(message())


def test_an_endless_answer_is_cut_off(channel, receiver):
    def pour(handler, over: threading.Event) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
        while not over.is_set():
            handler.wfile.write(b"x" * 65536)

    receiver.behaviour = pour
    assert isinstance(failure(channel), DeliveryUncertain)


# TLS


def test_a_certificate_is_verified(tmp_path, monkeypatch):
    trusted, stranger = authority(tmp_path / "trusted"), authority(tmp_path / "stranger")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted.file))
    context = stranger.context("127.0.0.1")
    with Receiver(tls=context) as receiver, closing(open_channel(settings(receiver.url("https", PATH)))) as channel:
        assert isinstance(failure(channel), DeliverLater)
        assert not receiver.received
        trusted.load_into(context, "other.example")
        assert isinstance(failure(channel), DeliverLater)
        trusted.load_into(context, "127.0.0.1")
        channel.deliver(message())
    assert len(receiver.received) == 1


def test_a_handshake_that_drips_is_cut_off_too():
    """The server sends the head of a long TLS record, and then its body a byte at a time."""

    def handshake() -> None:
        line, _ = listener.accept()
        with line, suppress(OSError):
            line.sendall(b"\x16\x03\x03\x40\x00\x02")
            while not over.wait(0.1):
                line.sendall(b"\x00")

    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=handshake, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(DeliverLater):
            post(f"https://127.0.0.1:{listener.getsockname()[1]}/", b"", {}, limit_s=1.0)
        assert time.monotonic() - began < 2
        over.set()


# Addresses


@pytest.fixture
def silent_place():
    """Where a connection is neither taken nor refused: the line of those who wait is full."""
    with ExitStack() as lines:
        listener = lines.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            line = lines.enter_context(socket.socket())
            line.setblocking(False)
            with suppress(BlockingIOError):
                line.connect(listener.getsockname())
        yield listener.getsockname()


def leads_to(*places):
    """What a resolver says of a name that leads to all of them."""
    return lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place) for place in places]


def test_a_name_with_a_thousand_addresses_where_nothing_answers_takes_no_longer_than_one(monkeypatch, silent_place):
    monkeypatch.setattr(socket, "getaddrinfo", leads_to(*[silent_place] * 1000))
    for kind in ("http", "https"):
        began = time.monotonic()
        with pytest.raises(DeliverLater):
            post(f"{kind}://example.org/", b"", {}, limit_s=0.5)
        assert time.monotonic() - began < 1
    monkeypatch.setattr(heartbeat, "_LIMIT_S", 0.5)
    with pytest.raises(heartbeat.HeartbeatFailed):
        heartbeat.send_sign("http://example.org/")


def test_the_first_address_that_answers_is_taken(monkeypatch, silent_place, receiver):
    monkeypatch.setattr(socket, "getaddrinfo", leads_to(silent_place, ("127.0.0.1", receiver.port)))
    assert status_of_post("http://example.org/", b"{}", {}, 1.0) == 200


# The proxy


def test_through_tor_the_name_goes_to_the_proxy_unresolved(receiver):
    with Proxy({"abcdef.onion": receiver.port}) as proxy:
        address = ("127.0.0.1", proxy.port)
        with closing(open_channel(settings("http://abcdef.onion/hook", proxy=address))) as channel:
            channel.deliver(message())
    assert proxy.asked == [("abcdef.onion", 80)]
    assert receiver.received[0].headers["Host"] == "abcdef.onion"


def test_without_its_proxy_nothing_is_sent(receiver):
    with Proxy({}) as proxy:
        address = ("127.0.0.1", proxy.port)
        with closing(open_channel(settings(receiver.url("http"), proxy=address))) as channel:
            assert isinstance(failure(channel), DeliverLater)
    assert not receiver.received


# Settings


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.org/hook", "must begin with https"),
        ("ftp://example.org/hook", "must look like https"),
        ("https://user:password@example.org/", "must not hold a user"),
        ("https://", "must look like https"),
        ("https://[::1/", "must look like https"),
        ("http://abcdef.onion/", "must begin with https"),
    ],
)
def test_a_wrong_url_is_explained_and_not_shown(url, words):
    problems = check(settings(url))
    assert words in " ".join(problems)
    assert "password" not in " ".join(problems).replace("a user and a password", "")
    with pytest.raises(ConfigError, match="phone"):
        open_channel(settings(url))


def test_it_must_have_a_secret_that_nobody_guesses():
    assert "secret_file" in check(Settings(kind="webhook", url=Secret("https://example.org/")))[0]
    short = Settings(kind="webhook", url=Secret("https://example.org/"), secret=Secret("short"))
    assert "too short" in check(short)[0]
