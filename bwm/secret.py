"""A text that must not be shown: it prints as stars wherever it is printed by mistake."""

import hmac


class Secret:
    """A password, a token or a URL that holds one. Only ``reveal()`` gives the text itself.

    Not a kind of ``str`` on purpose: joining or formatting it can never give the text away.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; for the one call that needs it, never for a log, a message or an argument list."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)
