"""Alerts: a flood to a receiver that takes 50 ms for each, beside Apprise itself; a channel that hangs; one alone."""

import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from http.client import HTTPConnection
from math import inf
from statistics import median

import apprise

from bwm.channels import open_channel
from bwm.channels.apprise import AppriseChannel
from bwm.errors import ChannelError
from tests.benchmarks.inbox import Inbox, inbox
from tests.benchmarks.race import race
from tests.benchmarks.report import Row
from tests.servers.channels import apprise as settings_for
from tests.servers.channels import message

_TAKES_S = 0.05
_THREADS = 32  # of a channel
_FIRST = 20


def rows(count: int, rounds: int) -> list[Row]:
    """``count``: alerts of the flood. AssertionError if one of them got lost or came twice."""
    with inbox(_TAKES_S) as good, inbox(inf) as deaf:
        alerts = [f"a{n}" for n in range(count)]
        flood = _flood(good, alerts, rounds)
        beside = _beside_one_that_hangs(good, deaf, alerts, rounds)
        assert good.taken() == dict.fromkeys(alerts, 4 * rounds)  # by four ways
        return [*flood, beside, _first(good)]


@contextmanager
def _channel(url: str) -> Iterator[AppriseChannel]:
    channel = open_channel(settings_for(url))
    assert isinstance(channel, AppriseChannel)
    with closing(channel):
        channel.warm_up()
        yield channel


def _side_by_side(send: Callable[[str], object], alerts: Collection[str]) -> None:
    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(send, alerts))


def _flood(receiver: Inbox, alerts: Collection[str], rounds: int) -> list[Row]:
    count = len(alerts)
    plain = apprise.Apprise()
    plain.add(receiver.url)
    with _channel(receiver.url) as channel:
        speeds = race(
            {
                "ideal": lambda: time.sleep(_TAKES_S * count / _THREADS),
                "bwm": partial(_side_by_side, lambda alert: channel.deliver(message(alert_id=alert)), alerts),
                "Apprise.notify": partial(_side_by_side, lambda alert: plain.notify(body=alert, title="t"), alerts),
            },
            rounds,
        )
    ours, theirs = speeds["bwm"], speeds["Apprise.notify"]
    case = f"{count} at once, {_TAKES_S * 1000:.0f} ms each"
    note = f"{ours.seconds:.2f} s, Apprise.notify {theirs.seconds:.2f} s"
    return [
        Row("flood of alerts, to the ideal", case, 1 / ours.ratio, 1.35, False, 1 / ours.median_ratio, note),
        Row(
            "flood of alerts, times Apprise.notify",
            case,
            ours.ratio / theirs.ratio,
            4,
            median_value=ours.median_ratio / theirs.median_ratio,
        ),
    ]


def _beside_one_that_hangs(receiver: Inbox, deaf: Inbox, alerts: Collection[str], rounds: int) -> Row:
    """The flood alone, and while as many threads wait for a receiver that never answers."""
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds):
        for hanging in times:
            with _channel(receiver.url) as good, _channel(deaf.url) as bad:
                waiting = [threading.Thread(target=_deliver, args=(bad,)) for _ in range(_THREADS if hanging else 0)]
                for thread in waiting:
                    thread.start()
                began = time.perf_counter()
                _side_by_side(lambda alert, good=good: good.deliver(message(alert_id=alert)), alerts)
                times[hanging].append(time.perf_counter() - began)
                bad.close()
                for thread in waiting:
                    thread.join()
    more, middle = (100 * (of(times[True]) / of(times[False]) - 1) for of in (min, median))
    return Row("others beside a channel that hangs, % longer", f"{len(alerts)} alerts", more, 10, False, middle)


def _deliver(channel: AppriseChannel) -> None:
    with suppress(ChannelError):  # it is closed before it is answered
        channel.deliver(message())


def _first(receiver: Inbox) -> Row:
    """One alert on a channel at rest, beside one request."""
    body = b'{"title": "t", "message": "m", "type": "info"}'

    def post() -> None:
        with closing(HTTPConnection("127.0.0.1", receiver.port)) as connection:
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            assert connection.getresponse().status == 200

    with _channel(receiver.url) as channel:
        speed = race({"bare POST": post, "bwm": lambda: channel.deliver(message())}, _FIRST)["bwm"]
    note = f"{speed.seconds * 1000:.1f} ms"
    return Row("one alert, to a bare POST", "warm channel", 1 / speed.ratio, 1.2, False, 1 / speed.median_ratio, note)
