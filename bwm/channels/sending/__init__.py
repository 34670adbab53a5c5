"""What several kinds of channels share: the text, and the processes that send it."""
