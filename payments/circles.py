"""Work that makes many things which stay, without Python going over all of them again and again."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_looking_for_circles() -> Iterator[None]:
    """Python looks through all it holds for circles to throw away. A file's records or the proposals of a
    statement are thousands of things that stay until the end: looking through them takes up to a third of the
    time.

    For the whole process: whoever found it on turns it on again, so that two may work beside each other.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
