"""The gateway's payouts: which captures make up each, what it took, and the bank line that brought it."""
