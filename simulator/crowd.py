"""Invented people of South Africa. All of them live at example.org."""

import random
import unicodedata


def _names(text: str) -> list[str]:
    return text.split("|")


FIRST_NAMES = _names(
    "Thandeka|Sipho|Nomvula|Lerato|Kagiso|Zanele|Bongani|Ayanda|Themba|Naledi|Palesa|"
    "Tshepo|Mandla|Nokuthula|Siyabonga|Refilwe|Vusi|Nandi|Katlego|Lindiwe|Mpho|Dineo|"
    "Sibusiso|Busisiwe|Andile|Khanyi|Johan|Annelie|Pieter|Elmarie|Hendrik|Riaan|Marlize|"
    "Francois|André|Zoë|Chloé|Liam|Emma|Michael|Sarah|Priya|Ravi|Yusuf|Fatima|Ayesha|"
    "Imraan|Nazeem|Shireen|Devan|Kavitha|Keegan|Rochelle|Tyrone|Bianca|Tendai|Chipo|"
    "Wanjiru|Thandéka|Renée|Jürgen|Siân"
)
_LAST = _names(
    "Dlamini|Nkosi|Mokoena|Khumalo|Ndlovu|Mahlangu|Zulu|Sithole|Mthembu|Molefe|Radebe|Maseko|Tshabalala|"
    "Mabena|Ngcobo|Cele|Buthelezi|Zwane|Moloi|Phiri|Mashaba|van der Merwe|Botha|Pretorius|du Plessis|"
    "Coetzee|Fourie|Venter|Naudé|Smit|Joubert|Naidoo|Pillay|Govender|Reddy|Moodley|Maharaj|Khan|Patel|"
    "Ebrahim|Davids|Adams|Jacobs|Petersen|October|Williams|Smith|Jones|O'Connor|Robinson|Müller|Moyo|"
    "Ncube|Chikwava|Mabuza-Fourie|Nkabinde|Gqoba|Xaba|Qwabe|Makhathini"
)


def somebody(dice: random.Random) -> tuple[str, str, str]:
    """The name, e-mail address and phone number of an invented person; now and then one is not given."""
    first, last = dice.choice(FIRST_NAMES), dice.choice(_LAST)
    plain = unicodedata.normalize("NFKD", f"{first}.{last}").encode("ascii", "ignore").decode()
    box = "".join(char for char in plain.lower() if char.isalpha() or char == ".")
    number = dice.choice(("", "", str(dice.randint(2, 99))))
    email = f"{box}{number}@example.org" if dice.random() < 0.94 else ""
    phone = f"0{dice.choice((60, 71, 72, 73, 76, 79, 82, 83, 84))} 555 {dice.randrange(10000):04d}"
    return f"{first} {last}", email, phone if dice.random() < 0.8 else ""
