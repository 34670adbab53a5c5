"""The messages that the README shows are those that people get."""

from tests.docs.messages import tables
from tests.docs.readme import section


def test_the_messages_stand_side_by_side_in_every_language_as_they_are_told():
    shown = section("The messages")
    assert tables() in shown, "print them anew: python -m tests.docs.messages"
