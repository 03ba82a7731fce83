"""Payments that other systems ask for, by their own registration ids: over the API and by file."""
