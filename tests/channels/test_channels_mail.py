"""Mail: one thread an alert, encrypted where a key is given, and never around the Tor proxy."""

import socket
from contextlib import closing
from pathlib import Path

import pgpy
import pytest
from pgpy.constants import (
    CompressionAlgorithm,
    HashAlgorithm,
    KeyFlags,
    PubKeyAlgorithm,
    SymmetricKeyAlgorithm,
)

from bwm.channels import check, open_channel
from bwm.channels.sending import proxied
from bwm.channels.sending.thread import with_thread
from bwm.errors import DeliveryRefused
from regtest.receiver import Receiver
from tests.servers.channels import apprise, message
from tests.servers.services import MailServer, Proxy


@pytest.fixture
def mailbox():
    with MailServer() as mailbox:
        yield mailbox


def test_the_messages_of_one_alert_are_one_thread_and_those_of_another_are_not(mailbox):
    with closing(open_channel(apprise(mailbox.url()))) as channel:
        channel.deliver(message())
        channel.deliver(message(attempt=2, update=True, title="Mined"))
        channel.deliver(message(alert_id="other"))
    first, second, other = mailbox.wait_for(3)
    assert first["References"] == second["References"] == first["In-Reply-To"] == "<alert-5f3a@bwm.invalid>"
    assert other["References"] == "<other@bwm.invalid>"
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 3
    assert second["Subject"] == "Mined"


def test_a_header_of_the_operators_own_stays(mailbox):
    with closing(open_channel(apprise(mailbox.url("&+X-Room=attic")))) as channel:
        channel.deliver(message())
    [mail] = mailbox.wait_for()
    assert (mail["X-Room"], mail["References"]) == ("attic", "<alert-5f3a@bwm.invalid>")


@pytest.mark.parametrize("url", ["ntfy://topic", "json://127.0.0.1/x?a=b"])
def test_a_service_without_threads_gets_no_parameter(url):
    assert with_thread(url, url.partition(":")[0], "a") == url


# Encrypted


def new_key(folder: Path) -> tuple[pgpy.PGPKey, Path]:
    """A key pair, and the file with its public half."""
    key = pgpy.PGPKey.new(PubKeyAlgorithm.RSAEncryptOrSign, 1024)
    key.add_uid(
        pgpy.PGPUID.new("you", email="you@example.net"),
        usage={KeyFlags.Sign, KeyFlags.EncryptCommunications, KeyFlags.EncryptStorage},
        hashes=[HashAlgorithm.SHA256],
        ciphers=[SymmetricKeyAlgorithm.AES256],
        compression=[CompressionAlgorithm.ZLIB],
    )
    path = folder / "you.asc"
    path.write_text(str(key.pubkey))
    return key, path


def test_with_a_key_nothing_of_the_message_can_be_read_on_the_way(mailbox, tmp_path):
    key, path = new_key(tmp_path)
    url = mailbox.url(f"&pgp=encrypt&pgppub={path}")
    assert check(apprise(url)) == []
    with closing(open_channel(apprise(url))) as channel:
        channel.deliver(message())
    [mail] = mailbox.wait_for()
    raw = mail.as_string()
    assert mail.get_content_type() == "multipart/encrypted"
    assert mail["Subject"] == "bwm"
    for secret in ("cold-1", "5000000", "being spent"):
        assert secret not in raw
    sealed = next(part for part in mail.iter_parts() if "BEGIN PGP MESSAGE" in str(part.get_payload(decode=True)))
    opened = key.decrypt(pgpy.PGPMessage.from_blob(sealed.get_payload(decode=True))).message
    text = opened if isinstance(opened, str) else bytes(opened).decode()
    for told in ("A watched coin is being spent", "5000000 sat leave the vault.", "vault cold-1"):
        assert told in text


def test_without_the_key_nothing_is_sent_in_the_clear(mailbox, tmp_path):
    url = mailbox.url(f"&pgp=encrypt&pgppub={tmp_path / 'no-such-key.asc'}")
    assert "OpenPGP key that it names cannot be read" in check(apprise(url))[0]
    with closing(open_channel(apprise(url))) as channel, pytest.raises(DeliveryRefused):
        channel.deliver(message())
    assert not mailbox.mails


# Through Tor


def test_mail_is_refused_where_everything_must_go_through_tor(mailbox):
    with Proxy({}) as proxy:
        settings = apprise(mailbox.url(), proxy=("127.0.0.1", proxy.port))
        assert "cannot go through the Tor proxy" in check(settings)[0]
        with closing(open_channel(settings)) as channel, pytest.raises(DeliveryRefused, match="Tor proxy"):
            channel.deliver(message())
    assert not mailbox.mails


@pytest.mark.parametrize("schema", ["xmpp", "mqtt", "rsyslog", "irc"])
def test_so_is_every_service_that_does_not_speak_http(schema):
    wrong = check(apprise(f"{schema}://user:password@127.0.0.1/room", proxy=("127.0.0.1", 1)))
    assert "cannot go through the Tor proxy" in wrong[0] or "not installed" in wrong[0]


def test_a_service_over_http_goes_through_with_its_name_unresolved():
    with Receiver() as receiver, Proxy({"alerts.onion": receiver.port}) as proxy:
        settings = apprise("json://alerts.onion/hook", proxy=("127.0.0.1", proxy.port))
        assert check(settings) == []
        with closing(open_channel(settings)) as channel:
            channel.deliver(message())
        assert len(receiver.received) == 1
    assert proxy.asked == [("alerts.onion", 80)]


def test_what_knows_no_proxy_cannot_leave_at_all():
    with Receiver() as receiver, proxied.only_through("socks5h://127.0.0.1:9"):
        with pytest.raises(proxied.WentAround):
            socket.create_connection(("127.0.0.1", receiver.port))
        with pytest.raises(proxied.WentAround):
            socket.getaddrinfo("example.org", 443)
        with pytest.raises(proxied.WentAround):
            socket.socket(type=socket.SOCK_DGRAM).sendto(b"", ("127.0.0.1", receiver.port))
    with Receiver() as receiver, socket.create_connection(("127.0.0.1", receiver.port)):
        pass


def test_nothing_goes_around_a_proxy_that_is_down():
    with Receiver() as receiver:
        settings = apprise(receiver.url(), proxy=("127.0.0.1", 9))
        with closing(open_channel(settings)) as channel, pytest.raises(Exception, match="phone"):
            channel.deliver(message())
        assert not receiver.received
