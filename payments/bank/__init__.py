"""Bank accounts and their statement files: in whole or not at all, what is missing, twice, or unread."""
