"""The receiver of the benchmarks takes whole messages, counts them, and refuses everything else."""

from contextlib import closing
from http.client import HTTPConnection

import pytest

from tests.benchmarks.inbox import Inbox, inbox

JSON = {"Content-Type": "application/json"}
MESSAGE = b'{"title": "t", "message": "vault cold-1, alert a7", "type": "failure"}'


def answers(receiver: Inbox, *requests: tuple[str, bytes, dict[str, str]]) -> list[int]:
    """The status of each, over one connection."""
    with closing(HTTPConnection("127.0.0.1", receiver.port, timeout=10)) as connection:
        found = []
        for method, body, headers in requests:
            connection.request(method, "/", body, headers)
            response = connection.getresponse()
            response.read()
            found.append(response.status)
        return found


def test_each_message_is_counted_and_nothing_else() -> None:
    with inbox(0) as receiver:
        assert answers(receiver, ("POST", MESSAGE, JSON), ("POST", MESSAGE, JSON)) == [200, 200]
        for body in (b"", b"{}", MESSAGE.replace(b'"t"', b'""'), MESSAGE.replace(b"failure", b"?"), MESSAGE[:-1]):
            assert answers(receiver, ("POST", body, JSON)) == [400]
        assert answers(receiver, ("PUT", MESSAGE, JSON)) == [400]
        assert answers(receiver, ("POST", MESSAGE, {})) == [400]
        assert receiver.taken() == {"a7": 2}


def test_one_that_never_answers_counts_nothing() -> None:
    with inbox(float("inf")) as receiver:
        with closing(HTTPConnection("127.0.0.1", receiver.port, timeout=0.1)) as connection:
            connection.request("POST", "/", MESSAGE, JSON)
            with pytest.raises(TimeoutError):
                connection.getresponse()
        assert receiver.taken() == {}
