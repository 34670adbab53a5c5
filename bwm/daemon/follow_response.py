"""What became of a response: looked for in the blocks that came, and in the mempool."""

from bwm.daemon.response_book import ResponseBook, Scene
from bwm.daemon.search_blocks import search, still_shared
from bwm.node.bitcoind import Bitcoind
from bwm.response.broadcast import Look, State


class ResponseFollower:
    """Looks, and has written down what is found."""

    def __init__(self, node: Bitcoind, book: ResponseBook) -> None:
        self._node = node
        self._book = book

    def look_at_chain(self, scene: Scene) -> Scene:
        """Whether a block holds one of its steps, or a rival; or does not any more. Raises NodeError."""
        scanned = still_shared(self._node, scene.following.scanned)
        scene = self._left_chain(scene)
        broadcast = scene.following.broadcast
        if broadcast.block:
            depth = scene.tip.height - broadcast.block.height + 1
            if depth < scene.response.final_depth:
                return scene
            buried, words = (
                (Look.RIVAL_BURIED, f"another transaction took its coins for good, {depth} blocks deep")
                if broadcast.state is State.CONFLICTED
                else (Look.BURIED, f"it is {depth} blocks deep: its coins are safe")
            )
            return self._book.move(scene, buried, "buried", words)
        found, scanned = search(self._node, scene.coins, scanned, scene.tip)
        if scanned != scene.following.scanned:
            scene = self._book.put_scanned(scene, scanned)
        if found is None:
            return scene
        at = f"block {found.block.height}"
        if (position := scene.place_of(found.txid)) is not None:
            words = f"step {position + 1} is mined in {at}"
            return self._book.move(scene, Look.IN_BLOCK, "mined", words, position=position, block=found.block)
        words = f"{found.txid} in {at} spends its coins: the response lost, unless that block is replaced"
        return self._book.move(scene, Look.RIVAL_IN_BLOCK, found.txid, words, block=found.block, rival=found.txid)

    def _left_chain(self, scene: Scene) -> Scene:
        """A block that held it, or its rival, may have been disconnected."""
        block = scene.following.broadcast.block
        if block is None:
            return scene
        header = self._node.block_header(block.hash)
        if header is not None and header.confirmations > 0:
            return scene
        scene = self._book.put_scanned(scene, still_shared(self._node, block))
        lost = scene.following.broadcast.state is State.CONFLICTED
        look = Look.RIVAL_DISCONNECTED if lost else Look.DISCONNECTED
        words = f"block {block.height}, which held {'its rival' if lost else 'it'}, left the chain: it goes on"
        moved_ = self._book.move(scene, look, "reorg", words)
        return self.look_at_chain(moved_)

    def look_at_mempool(self, scene: Scene) -> tuple[Scene, bool]:
        """Whether one of its steps is there. Raises NodeError."""
        spenders = self._node.spent_in_mempool(scene.coins)
        ours = [place for txid in spenders.values() if (place := scene.place_of(txid)) is not None]
        broadcast = scene.following.broadcast
        if ours:
            if broadcast.state is State.SENT and broadcast.position == ours[0]:
                return scene, True
            words = f"step {ours[0] + 1} is in the mempool"
            return self._book.move(
                scene, Look.IN_MEMPOOL, "mempool", words, position=ours[0], height=scene.tip.height
            ), True
        if broadcast.state is State.SENT:
            if self._node.tip() != scene.tip:  # a block came meanwhile, and may hold it: look again from there
                return scene, True
            if spenders:
                rival = next(iter(spenders.values()))
                words = f"{rival} took its place in the mempool"
                return self._book.move(scene, Look.RIVAL_IN_MEMPOOL, rival, words, rival=rival), False
            words = "it left the mempool unmined"
            return self._book.move(scene, Look.GONE, "gone", words), False
        return scene, False
