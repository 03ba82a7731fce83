"""Bank lines and payments: proposed, accepted, split, undone; rules, habits, and what waits for a person."""
