"""Who usually pays for whom, learned from matches that people confirmed. It fades, and it can be edited."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from payments.matching.names import words

HALF_LIFE_DAYS = 180
#: What one confirmed match of today weighs; less than half of one is forgotten.
WHOLE = 1000


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A match that stands: a line's text, and the e-mail address or phone number of who was paid for."""

    text: str
    contact: str
    on: date
    by_person: bool = True  # False: it was accepted by itself, and teaches half as much


class Memory:
    """``told`` edits it: (payer, contact) pairs that a person struck out are not learned again."""

    def __init__(
        self, confirmed: Iterable[Confirmed] = (), *, struck: Iterable[tuple[str, str]] = ()
    ) -> None:
        self._seen: dict[str, dict[str, list[Confirmed]]] = {}
        self._struck = frozenset(struck)
        for one in confirmed:
            self.learn(one)

    def learn(self, one: Confirmed) -> None:
        payer = payer_key(one.text)
        if payer and one.contact and (payer, one.contact) not in self._struck:
            self._seen.setdefault(payer, {}).setdefault(one.contact, []).append(one)

    def recall(self, text: str, today: date) -> Mapping[str, tuple[int, int]]:
        """For each person this payer paid for: how much that weighs today, and how often it was seen."""
        found = {}
        for contact, times in self._seen.get(payer_key(text), {}).items():
            weight = sum(
                (WHOLE if one.by_person else WHOLE // 2) >> max(0, (today - one.on).days) // HALF_LIFE_DAYS
                for one in times
            )
            if weight >= WHOLE // 2:
                found[contact] = (weight, len(times))
        return found

    def __bool__(self) -> bool:
        return bool(self._seen)


def payer_key(text: str) -> str:
    """Who a bank's text says paid: its words of a name, in order; too little to tell is ""."""
    found = [word for word in words(text) if len(word) > 1 or len(text) < 40]
    key = " ".join(found)
    return key if len(key) >= 5 else ""
