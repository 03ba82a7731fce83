"""Web addresses that people and other systems write down: taken apart, or none; and those of this machine."""

from urllib.parse import SplitResult, urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def taken_apart(url: str) -> SplitResult | None:
    """None when it is no address, or its port none."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
