"""Messages to chat services, by the addresses of the library Apprise: slack://…, tgram://…, json://…

The library looks through its hundred services when it is first used; only a desk that has such an
address waits for that.
"""

from collections.abc import Callable, Sequence

#: Sends a title and a text to every service, or raises NotSent.
Chat = Callable[[str, str], None]


class NotSent(Exception):
    """A chat service did not take a message. It is sent again a minute later, to all of them."""


def fault(urls: Sequence[str]) -> str:
    """What is wrong with the addresses, "" for nothing. No address is repeated: they hold secrets."""
    from apprise import Apprise

    wrong = [str(nth) for nth, url in enumerate(urls, 1) if Apprise.instantiate(url) is None]
    return f"Apprise knows no service for address {' and '.join(wrong)} of it" if wrong else ""


def chat_of(urls: Sequence[str]) -> Chat | None:
    """What sends to all of these; None when there are none."""
    if not urls:
        return None
    from apprise import Apprise, NotifyFormat

    services = Apprise()
    for url in urls:
        services.add(url)

    def send(title: str, text: str) -> None:
        if not services.notify(text, title=title, body_format=NotifyFormat.TEXT):
            raise NotSent("A chat service did not take a message.")

    return send
