"""What the daemon does for RewindBitcoin wallets beside watching their vaults: look up, and push."""
