"""Surnames by the thousand, put together as South Africa's languages put them together; all invented."""

import random
import unicodedata
from collections.abc import Iterator
from itertools import product

from simulator.crowd import FIRST_NAMES

#: Beginnings and endings by language: isiZulu and isiXhosa, Sesotho and Setswana, Tshivenda and Xitsonga,
#: Afrikaans, English, Tamil and Hindi.
_PARTS = (
    (
        "Mth|Ndl|Dlam|Khum|Ngc|Zwan|Sith|Mkh|Ntsh|Mab|Gqw|Nxum|Mbath|Hlats",
        "embu|ovu|ini|alo|obo|ezi|ole|iza|ange|asi|aneni|uza",
    ),
    (
        "Mok|Mol|Ram|Mats|Lek|Seb|Tsh|Mot|Pha|Kgom|Maph|Let",
        "oena|efe|aphosa|ebula|gotla|oko|abalala|aung|dime|otso|anye|sholo",
    ),
    (
        "Nem|Mul|Tshiv|Makh|Rav|Bal|Chauk|Mash|Hlung|Nkun",
        "adoni|audzi|hase|ubela|ele|oyi|wani|aba|gwani|utshwa",
    ),
    (
        "Stein|Groen|Wester|Klein|Nieu|Roode|Vander|Oost|Bos|Breyten",
        "berg|ewald|huizen|hans|oudt|bach|veld|burg|man|stad",
    ),
    (
        "Ash|Whit|Harring|Penn|Car|Bex|Lang|Thorn|Wood|Kings",
        "ton|more|field|worth|well|by|ley|ham|ridge|combe",
    ),
    (
        "Nar|Gov|Perum|Chett|Mood|Ramsam|Vel|Sing|Maha|Pad",
        "ainsamy|ender|alu|iaroo|liar|esh|appen|araj|iah|ayachee",
    ),
)


def surnames() -> Iterator[str]:
    for beginnings, endings in _PARTS:
        for beginning, ending in product(beginnings.split("|"), endings.split("|")):
            yield beginning + ending
            if beginning == "Vander":
                yield f"van der {ending.capitalize()}"


class Families:
    """Draws people whose surnames differ, but for a share of them.

    ``forget`` lets every surname be drawn anew: at the next event others come.
    """

    def __init__(self, dice: random.Random, *, shared: float) -> None:
        self._dice, self._shared = dice, shared
        self._all = sorted(set(surnames()))
        self.forget()

    def forget(self) -> None:
        self._left = self._all[:]
        self._dice.shuffle(self._left)
        self._used: list[str] = []

    def name(self) -> str:
        if self._used and (not self._left or self._dice.random() < self._shared):
            last = self._dice.choice(self._used)
        else:
            last = self._left.pop()
            self._used.append(last)
        return f"{self._dice.choice(FIRST_NAMES)} {last}"

    def contact(self, name: str) -> tuple[str, str]:
        """An e-mail address at example.org and a phone number, one or both."""
        plain = unicodedata.normalize("NFKD", name.replace(" ", ".")).encode("ascii", "ignore").decode()
        email = f"{plain.lower()}{self._dice.randrange(10, 99)}@example.org"
        network = self._dice.choice((60, 71, 72, 73, 76, 79, 82, 83, 84))
        phone = f"+27{network}555{self._dice.randrange(10000):04d}"
        return email, phone if self._dice.random() < 0.8 else ""
