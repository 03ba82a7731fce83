"""Payers: how they are reached, what they read and in which language, their account and their receipts."""
