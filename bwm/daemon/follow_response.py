"""What became of a response: looked for in the blocks that came, and in the mempool."""

from bwm.chain.block import BlockRef
from bwm.daemon.response_book import ResponseBook, Scene
from bwm.daemon.search_blocks import Spender, search, still_shared
from bwm.node.bitcoind import Bitcoind
from bwm.response.broadcast import Look, State


class ResponseFollower:
    """Looks, and has written down what is found."""

    def __init__(self, node: Bitcoind, book: ResponseBook) -> None:
        self._node = node
        self._book = book

    def look_at_chain(self, scene: Scene) -> Scene:
        """Whether a block holds one of its steps, or a rival; or does not any more. Raises NodeError."""
        block = scene.following.broadcast.block
        if block is None:
            return self._search(scene)
        header = self._node.block_header(block.hash)
        if header is None or header.confirmations <= 0:
            return self.look_at_chain(self._left_chain(scene, block))
        return self._bury(scene, header.confirmations)

    def _bury(self, scene: Scene, depth: int) -> Scene:
        """``depth``: in the node's own words, as the tip of before may be of another chain than its answer now."""
        if depth < scene.response.final_depth:
            return scene
        look, words = (
            (Look.RIVAL_BURIED, f"another transaction took its coins for good, {depth} blocks deep")
            if scene.following.broadcast.state is State.CONFLICTED
            else (Look.BURIED, f"it is {depth} blocks deep: its coins are safe")
        )
        return self._book.move(scene, look, "buried", words)

    def _left_chain(self, scene: Scene, block: BlockRef) -> Scene:
        """The block that held it, or its rival, was disconnected."""
        scene = self._book.put_scanned(scene, still_shared(self._node, block))
        lost = scene.following.broadcast.state is State.CONFLICTED
        look = Look.RIVAL_DISCONNECTED if lost else Look.DISCONNECTED
        words = f"block {block.height}, which held {'its rival' if lost else 'it'}, left the chain: it goes on"
        return self._book.move(scene, look, "reorg", words)

    def _search(self, scene: Scene) -> Scene:
        """What is found is noted before its block counts as searched: after a kill in between it is found again."""
        before = still_shared(self._node, scene.following.scanned)
        found, scanned = search(self._node, scene.coins, before, scene.tip)
        if found is not None:
            scene = self._note_found(scene, found)
        return scene if scanned == scene.following.scanned else self._book.put_scanned(scene, scanned)

    def _note_found(self, scene: Scene, found: Spender) -> Scene:
        at = f"block {found.block.height}"
        if (position := scene.place_of(found.txid)) is not None:
            words = f"step {position + 1} is mined in {at}"
            return self._book.move(scene, Look.IN_BLOCK, "mined", words, position=position, block=found.block)
        words = f"{found.txid} in {at} spends its coins: the response lost, unless that block is replaced"
        return self._book.move(scene, Look.RIVAL_IN_BLOCK, found.txid, words, block=found.block, rival=found.txid)

    def look_at_mempool(self, scene: Scene) -> tuple[Scene, bool | None]:
        """Whether one of its steps is there; None when a block came meanwhile, which may hold it. Raises NodeError."""
        spenders = self._node.spent_in_mempool(scene.coins)
        ours = [place for txid in spenders.values() if (place := scene.place_of(txid)) is not None]
        broadcast = scene.following.broadcast
        if ours:
            if broadcast.state is State.SENT and broadcast.position == ours[0]:
                return scene, True
            words = f"step {ours[0] + 1} is in the mempool"
            height = scene.tip.height
            scene = self._book.move(scene, Look.IN_MEMPOOL, "mempool", words, position=ours[0], height=height)
            return scene, True
        if self._node.tip() != scene.tip:
            return scene, None
        if broadcast.state is State.SENT:
            if spenders:
                rival = next(iter(spenders.values()))
                words = f"{rival} took its place in the mempool"
                return self._book.move(scene, Look.RIVAL_IN_MEMPOOL, rival, words, rival=rival), False
            words = "it left the mempool unmined"
            return self._book.move(scene, Look.GONE, "gone", words), False
        return scene, False
