"""Other ways for a response into the network: second nodes that it is handed to besides the owner's own.

An own node that is cut off, or that a thief has surrounded, takes a response and no miner ever sees it. Nothing here
decides: what comes was sent, or would have been but for the own node's relay rules. Whatever another node says changes
nothing of what is known; a response is handed on again at every block, as it is sent again.

What waits behind a node that hangs may be held meanwhile: the hold is asked for again before each hand-over.
"""

from collections.abc import Mapping
from queue import Empty, SimpleQueue

import structlog

from bwm.chain.network import Network
from bwm.daemon.loop import Loop
from bwm.daemon.open_response import OpenStep
from bwm.daemon.send_response import hand_over
from bwm.db import responses
from bwm.db.database import Database
from bwm.errors import BwmError
from bwm.node.bitcoind import Bitcoind
from bwm.response.answers import MEANING, Deed

log = structlog.get_logger()

_LOOK_EVERY_S = 60.0


class OtherPaths(Loop):
    """Hands on what it is given, in a thread of its own: a node that hangs holds up nobody but those behind it."""

    def __init__(self, peers: Mapping[str, Bitcoind], network: Network, database: Database) -> None:
        """``peers``: by their names. ``database``: says whether everything is held."""
        super().__init__("other paths")
        self._database = database
        self._peers = peers
        self._network = network
        self._given: SimpleQueue[OpenStep] = SimpleQueue()

    def give(self, step: OpenStep) -> None:
        """To every peer, soon. May be called from any thread."""
        self._given.put(step)
        self.wake()

    def _work(self) -> None:
        with self._database.connection():
            self._take_turns(self.turn, _LOOK_EVERY_S)

    def turn(self) -> bool:
        """One step to every peer; False when none was given."""
        try:
            step = self._given.get_nowait()
        except Empty:
            return False
        for name, peer in self._peers.items():
            self._hand_on(name, peer, step)
        return True

    def _hand_on(self, name: str, peer: Bitcoind, step: OpenStep) -> None:
        try:
            peer.check_network(self._network)
            with self._database.passing_trouble():
                is_held = responses.is_held()
            if is_held:
                log.warning("response.not_handed_on", peer=name, txid=step.stored.txid, error="everything is held")
                return
            said = hand_over(peer, step)
        except BwmError as error:
            log.warning("response.not_handed_on", peer=name, txid=step.stored.txid, error=str(error))
            return
        if MEANING[said.answer].deed is Deed.FOLLOW:
            log.info("response.handed_on", peer=name, txid=step.stored.txid)
        else:
            log.warning("response.peer_refused", peer=name, txid=step.stored.txid, answer=said.words)
