"""Every error that bwm raises on purpose; its text is written for the person who must act.

The type answers "what exit code?", "try again?" and "tell whom?"; the message says what happened, to what,
and what to do next. No message carries a secret.
"""


class BwmError(Exception):
    """Something failed. Exit code 1."""

    exit_code = 1


class UsageError(BwmError):
    """What was asked cannot be done as asked: wrong input, wrong option. Exit code 2, nothing changed."""

    exit_code = 2


class ConfigError(UsageError):
    """The configuration file is unreadable or says something that bwm does not understand."""


class BadAddress(UsageError):
    """Not an address of this network."""


class Damaged(BwmError):
    """Bytes that are not the block, transaction or message they should be."""


class NodeError(BwmError):
    """The node did not give what was asked. The base of all that can go wrong with the node."""


class NodeDown(NodeError):
    """The node cannot be reached or did not answer in time. Trying again later may help."""


class NodeWarmingUp(NodeDown):
    """The node runs and is still starting (RPC error -28). Trying again in a moment helps."""


class NodeBusy(NodeDown):
    """The node's work queue is full or it is stopping (HTTP 503). Trying again in a moment helps."""


class NodeUnauthorized(NodeDown):
    """The node refused the credentials (HTTP 401): the cookie changed, or the password is wrong."""


class NodeForbidden(NodeError):
    """The node's rpcwhitelist does not allow this call (HTTP 403)."""


class NodeRefused(NodeError):
    """The node understood the call and said no.

    ``code`` is its JSON-RPC error code, e.g. -5 for an unknown block or transaction.
    """

    def __init__(self, method: str, code: int, words: str) -> None:
        super().__init__(f"the node refused {method}: {words} (code {code})")
        self.method = method
        self.code = code
        self.words = words


class BlockUnavailable(NodeError):
    """The node knows the block but does not hold its bytes: pruned, or not fetched yet."""


class WrongNetwork(NodeError):
    """The node is on another network than the one bwm watches."""


class ChannelError(BwmError):
    """A message did not reach its channel."""


class DeliverLater(ChannelError):
    """It did not get through now; trying again may help. ``wait_s``: how long the receiver asked us to wait."""

    def __init__(self, message: str, wait_s: int | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class DeliveryUncertain(ChannelError):
    """Nobody can say whether it got through: cut off in mid-send. It is sent again, marked as a repeat."""


class DeliveryRefused(ChannelError):
    """The receiver said no for good; trying again cannot help. Its own words follow."""


class DatabaseTrouble(BwmError):
    """The database is missing, damaged, locked by another daemon, or made by a newer bwm."""


class WatchListChanged(BwmError):
    """Somebody changed the watch list while a plan was made from it: nothing was written, the plan is made anew."""


class DatabaseUnwritable(DatabaseTrouble):
    """The database can be read and not be written now: the disk is full, or somebody else holds it. Try again."""
