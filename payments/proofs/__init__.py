"""Proofs of payment: what a file is by its bytes, what it says, and what is odd about it."""
