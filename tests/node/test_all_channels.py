"""One theft and every kind of channel: all are told at once, and whoever misbehaves is told as soon as it is well."""

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from bwm.channels.sending.signature import proves
from bwm.secret import Secret
from regtest.node import wait_until
from regtest.receiver import Receiver, accept, drip, hang, reply
from tests.servers.certificates import Authority, authority
from tests.servers.expo import Expo
from tests.servers.services import MATRIX, NTFY, PUSHOVER, TELEGRAM, MailServer, Proxy, told_by

SECRET = "a secret of the tests, long enough"
TELEGRAM_URL = f"tgram://123456789:{'A' * 35}/12345678"
PUSHOVER_URL = f"pover://{'u' * 30}@{'t' * 30}"

CHANNEL = """
[[channel]]
name = "{name}"
kind = "{kind}"
url = "{url}"
people = ["owner"]
"""


def channel(name: str, url: str, kind: str = "apprise", more: str = "") -> str:
    return f"{CHANNEL.format(name=name, kind=kind, url=url)}{more}\n"


@dataclass
class Town:
    """The services that people use, each honest about what it got; and some that can be made to misbehave."""

    services: dict[str, Receiver]
    mail: MailServer
    expo: Expo
    proxy: Proxy
    bad: dict[str, Receiver]
    settings: str
    trusted: Authority

    def heal(self) -> None:
        for one in self.bad.values():
            one.behaviour = accept
        self.trusted.load_into(self.bad["distrusted"].tls, "127.0.0.1")

    def texts(self, name: str) -> list[str]:
        """What a service shows its person."""
        if name == "mail":
            return self.mail.texts()
        if name == "expo":
            return [f"{push['title']}\n{push['body']}" for push in self.expo.pushes]
        return told_by(name, self.services[name].received)

    def telling(self, txid: str) -> dict[str, int]:
        """How many messages about a transaction each service has."""
        names = (*self.services, "mail", "expo")
        return {name: sum(txid in text.replace("=\n", "") for text in self.texts(name)) for name in names}


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp("town")
    trusted = authority(folder / "trusted")
    with ExitStack() as stack:

        def serve(*arguments, **fields) -> Receiver:
            return stack.enter_context(Receiver(*arguments, **fields))

        services = {
            "ntfy": serve(NTFY),
            "telegram": serve(TELEGRAM, tls=trusted.context("api.telegram.org")),
            "pushover": serve(PUSHOVER, tls=trusted.context("api.pushover.net")),
            "matrix": serve(MATRIX),
            "webhook": serve(tls=trusted.context("127.0.0.1")),
        }
        bad = {name: serve() for name in ("hanging", "dripping", "broken", "busy")}
        bad["distrusted"] = serve(tls=authority(folder / "stranger").context("127.0.0.1"))
        mail, expo = stack.enter_context(MailServer()), stack.enter_context(Expo())
        names = {
            "api.telegram.org": services["telegram"].port,
            "api.pushover.net": services["pushover"].port,
        }
        proxy = stack.enter_context(Proxy(names))
        signed = f'secret = "{SECRET}"'
        settings = "".join(
            (
                f'\n[tor]\nproxy = "127.0.0.1:{proxy.port}"\n',
                channel("ntfy", services["ntfy"].url("ntfy", "topic")),
                channel("telegram", TELEGRAM_URL, more="tor = true"),
                channel("pushover", PUSHOVER_URL, more="tor = true"),
                channel("mail", mail.url(), more='locale = "de"\ntimezone = "Europe/Berlin"'),
                channel("matrix", f"matrix://user:password@127.0.0.1:{services['matrix'].port}/!room:localhost"),
                channel("webhook", services["webhook"].url("https", "hook"), "webhook", signed),
                channel("expo", f"{expo.url}#ExponentPushToken[aaaaaaaaaaaaaaaaaaaaaa]", "expo"),
                channel("hanging", bad["hanging"].url()),
                channel("dripping", bad["dripping"].url("http", "hook"), "webhook", signed),
                channel("broken", bad["broken"].url("ntfy", "topic")),
                channel("busy", bad["busy"].url()),
                channel("distrusted", bad["distrusted"].url("https", "hook"), "webhook", signed),
            )
        )
        yield Town(services, mail, expo, proxy, bad, settings, trusted)


def test_one_theft_reaches_all_and_whoever_misbehaves_delays_nobody(node, make_bwm, address, coin, thief, town):
    other_coin = node.pay(address, 2_000_000)
    node.mine()
    bwm = make_bwm(node, settings=town.settings)
    authority_file = str(town.trusted.file)
    bwm.surroundings = {"REQUESTS_CA_BUNDLE": authority_file, "SSL_CERT_FILE": authority_file}
    bwm("add-vault", "cold", "--outpoint", coin, "--outpoint", other_coin)
    bwm.start()
    all_well_s, _ = tell_all(node, town, other_coin, thief)
    assert all_well_s < 2 * crowd()
    town.bad["hanging"].behaviour = hang
    town.bad["dripping"].behaviour = drip
    town.bad["broken"].behaviour = reply(500)
    town.bad["busy"].behaviour = reply(429, {"Retry-After": "3"})

    with_trouble_s, theft = tell_all(node, town, coin, thief)
    assert with_trouble_s < all_well_s + crowd()
    assert set(town.telling(theft).values()) == {1}
    assert {"api.telegram.org", "api.pushover.net"} <= {host for host, _ in town.proxy.asked}
    [hook] = [one for one in town.services["webhook"].received if theft.encode() in one.body]
    assert proves(hook.headers, hook.body, Secret(SECRET), int(time.time()))
    assert town.services["ntfy"].holding(theft)[0].headers["X-Priority"] == "max"
    [letter] = [text for text in town.mail.texts() if theft in text]
    assert letter.startswith("Münzen werden bewegt: Tresor cold\n")
    assert "(Europe/Berlin, UTC+1)" in letter or "(Europe/Berlin, UTC+2)" in letter
    [waiting] = [alert for alert in bwm.alerts() if theft in alert["body"]]

    quick = ("broken", "busy", "distrusted")  # to fail; the others hold on until they are cut off
    wait_until(lambda: all(stands(bwm, waiting["id"], "last_error")[name] for name in quick), "the failures")
    assert "SSL" in stands(bwm, waiting["id"], "last_error")["distrusted"]
    assert not town.bad["distrusted"].received
    before = {name: len(one.holding(theft)) for name, one in town.bad.items()}
    town.heal()
    wait_until(lambda: {stands(bwm, waiting["id"])[name] for name in town.bad} == {"delivered"}, "the rest", 45)

    for name in town.bad:
        [due] = town.bad[name].holding(theft)[before[name] :]
        text = due.json.get("body") or due.json["message"]
        assert "may repeat an earlier message" in text, name
    assert town.bad["dripping"].holding(theft)[-1].json["may_repeat"] is True
    assert town.bad["distrusted"].holding(theft)[-1].json["may_repeat"] is False
    assert set(town.telling(theft).values()) == {1}


def crowd():
    """How many processes wait for each processor: a limit in time holds for a machine that is not crowded."""
    running = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0])  # now; the rest is of a minute
    return max(1.0, max(running, os.getloadavg()[0]) / (os.cpu_count() or 1))


def tell_all(node, town, coin, thief):
    """Seconds until a theft is told by every service that works, and its transaction."""
    began = time.monotonic()
    theft = node.spend(coin, thief)
    wait_until(lambda: min(town.telling(theft).values()) >= 1, "all services to be told", 20, every_s=0.02)
    return time.monotonic() - began, theft


def stands(bwm, alert_id, what="state"):
    """One field of the deliveries of an alert, by channel."""
    [alert] = [alert for alert in bwm.alerts() if alert["id"] == alert_id]
    return {each["channel"]: each[what] for each in alert["deliveries"]}
