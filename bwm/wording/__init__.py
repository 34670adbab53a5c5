"""What a person is told, in the person's own language, short enough for every channel. Pure.

What happened and to which vault, how much, how long there is, what bwm does next, what can be done now, how to answer.
"""

from bwm.wording.coming import Coming, Lack
from bwm.wording.reader import Reader
from bwm.wording.tell import Telling, Text, tell, tell_digest, tell_test, tell_unreadable, title

__all__ = [
    "Coming",
    "Lack",
    "Reader",
    "Telling",
    "Text",
    "tell",
    "tell_digest",
    "tell_test",
    "tell_unreadable",
    "title",
]
