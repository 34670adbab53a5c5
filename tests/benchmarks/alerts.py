"""Alerts: a flood to a receiver that takes 50 ms for each, beside Apprise itself; a channel that hangs; a single one.

The receiver is a process of its own: ``python -m tests.benchmarks.alerts ok|hang`` prints its address.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from statistics import median
from urllib.parse import urlsplit

import apprise

from bwm.channels import open_channel
from bwm.channels.apprise import AppriseChannel
from bwm.errors import ChannelError
from regtest.receiver import Receiver, hang, reply
from tests.benchmarks.race import race
from tests.benchmarks.report import Row
from tests.servers.channels import apprise as settings_for
from tests.servers.channels import message

_TAKES_S = 0.05
_THREADS = 32  # of a channel
_FIRST = 20


def rows(count: int, rounds: int) -> list[Row]:
    """``count``: alerts of the flood."""
    with _receiver("ok") as url, _receiver("hang") as deaf:
        return [*_flood(url, count, rounds), _beside_one_that_hangs(url, deaf, count, rounds), _first(url)]


@contextmanager
def _receiver(way: str) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.benchmarks.alerts", way]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    yield process.stdout.readline().strip()
    process.communicate()


@contextmanager
def _channel(url: str) -> Iterator[AppriseChannel]:
    channel = open_channel(settings_for(url))
    assert isinstance(channel, AppriseChannel)
    with closing(channel):
        channel.warm_up()
        yield channel


def _side_by_side(send: Callable[[int], object], count: int) -> None:
    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(send, range(count)))


def _flood(url: str, count: int, rounds: int) -> list[Row]:
    plain = apprise.Apprise()
    plain.add(url)
    with _channel(url) as channel:
        speeds = race(
            {
                "ideal": lambda: time.sleep(_TAKES_S * count / _THREADS),
                "bwm": partial(_side_by_side, lambda n: channel.deliver(message(alert_id=f"a{n}")), count),
                "Apprise.notify": partial(_side_by_side, lambda n: plain.notify(body=f"a{n}", title="t"), count),
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


def _beside_one_that_hangs(url: str, deaf: str, count: int, rounds: int) -> Row:
    """The flood alone, and while as many threads wait for a receiver that never answers."""
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds):
        for hanging in times:
            with _channel(url) as good, _channel(deaf) as bad:
                waiting = [threading.Thread(target=_deliver, args=(bad,)) for _ in range(_THREADS if hanging else 0)]
                for thread in waiting:
                    thread.start()
                began = time.perf_counter()
                _side_by_side(lambda n, good=good: good.deliver(message(alert_id=f"a{n}")), count)
                times[hanging].append(time.perf_counter() - began)
                bad.close()
                for thread in waiting:
                    thread.join()
    more, middle = (100 * (of(times[True]) / of(times[False]) - 1) for of in (min, median))
    return Row("others beside a channel that hangs, % longer", f"{count} alerts", more, 10, False, middle)


def _deliver(channel: AppriseChannel) -> None:
    with suppress(ChannelError):  # it is closed before it is answered
        channel.deliver(message())


def _first(url: str) -> Row:
    """One alert on a channel at rest, beside one request."""
    place = urlsplit(url)

    def post() -> None:
        with closing(HTTPConnection(place.hostname or "", place.port)) as connection:
            connection.request("POST", "/", b"{}")
            connection.getresponse().read()

    with _channel(url) as channel:
        speed = race({"bare POST": post, "bwm": lambda: channel.deliver(message())}, _FIRST)["bwm"]
    note = f"{speed.seconds * 1000:.1f} ms"
    return Row("one alert, to a bare POST", "warm channel", 1 / speed.ratio, 1.2, False, 1 / speed.median_ratio, note)


def main() -> None:
    """Be a receiver until standard input ends."""

    def slow(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
        over.wait(_TAKES_S)
        reply(200)(handler, over)

    with Receiver(behaviour=slow if sys.argv[1] == "ok" else hang) as receiver:
        print(receiver.url(), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
