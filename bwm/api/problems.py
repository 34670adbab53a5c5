"""What the server says no with: a status and a sentence for whoever called. Never a secret, never a trace."""

from collections.abc import Mapping
from http import HTTPStatus


class Problem(Exception):
    """A request that is not granted."""

    def __init__(self, status: int, words: str, headers: Mapping[str, str] | None = None, **more: object) -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        self.headers = dict(headers or {})
        self.more = more  # members of the answer beside the sentence

    @property
    def title(self) -> str:
        """What the status means."""
        return HTTPStatus(self.status).phrase
