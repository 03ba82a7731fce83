"""The rules of the desk, one deep file a noun."""
