"""What payers read, in their language: on a screen at the door, in a message, in a mail.

English is the desk's own. The others were written by people who do not speak them at home: until a speaker
has read them (``payer_language.sign``) the desk marks them as not yet read. What is in braces is filled in.
"""

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum


class Language(StrEnum):
    ENGLISH = "en"
    AFRIKAANS = "af"
    ZULU = "zu"
    XHOSA = "xh"


class Text(StrEnum):
    SHARE = "share"
    LINK_SUBJECT = "link_subject"
    SCAN = "scan"
    PAID = "paid"
    FAILED = "failed"
    REMINDER_SUBJECT = "reminder_subject"
    REMINDER = "reminder"
    RECEIPT_SUBJECT = "receipt_subject"
    RECEIPT = "receipt"
    RECEIPT_SHARE = "receipt_share"
    RECEIPT_REST = "receipt_rest"
    PAPER_SUBJECT = "paper_subject"
    PAPER = "paper"


L, T = Language, Text
#: How each language calls itself.
NAMES: Mapping[Language, str] = {
    L.ENGLISH: "English",
    L.AFRIKAANS: "Afrikaans",
    L.ZULU: "isiZulu",
    L.XHOSA: "isiXhosa",
}
TEXTS: Mapping[Language, Mapping[Text, str]] = {
    L.ENGLISH: {
        T.SHARE: "{event}: please pay {amount} here: {url} Your reference: {reference}",
        T.LINK_SUBJECT: "Your payment link for {event}",
        T.SCAN: "Scan to pay",
        T.PAID: "Paid. Thank you!",
        T.FAILED: "That attempt did not go through. Please try again: the same code works.",
        T.REMINDER_SUBJECT: "Reminder: {amount} for {event}",
        T.REMINDER: (
            "Dear {name}\n\n"
            "Your payment of {amount} for {event} has not reached us yet. You can pay here:\n\n"
            "{url}\n\n"
            "Your reference: {reference}\n\n"
            "If you have paid in the last few minutes, thank you: you need do nothing.\n\n"
            "No more reminders: {stop}"
        ),
        T.RECEIPT_SUBJECT: "Payment received: {amount} for {event}",
        T.RECEIPT: (
            "Dear {name}\n\n"
            "We received {amount} for {what}. Thank you.\n\n"
            "Reference: {reference}\nConfirmed: {when} (SAST)\n\n"
            "Keep this mail as your confirmation. Questions? Reply, and name the reference."
        ),
        T.RECEIPT_SHARE: (
            "{event}: we received {amount} for {what} on {when}. "
            "Receipt {number}, reference {reference}. Thank you."
        ),
        T.RECEIPT_REST: "Still to be paid: {balance}.",
        T.PAPER_SUBJECT: "{title} {number}: {event}",
        T.PAPER: (
            "Dear {name}\n\n"
            "{title} {number} over {amount} for {event} is attached.\n\n"
            "Reference: {reference}\n\n"
            "Questions? Reply, and name the number."
        ),
    },
    L.AFRIKAANS: {
        T.SHARE: "{event}: betaal asseblief {amount} hier: {url} U verwysing: {reference}",
        T.LINK_SUBJECT: "U betaalskakel vir {event}",
        T.SCAN: "Skandeer om te betaal",
        T.PAID: "Betaal. Dankie!",
        T.FAILED: "Die poging het nie geslaag nie. Probeer asseblief weer: dieselfde kode werk.",
        T.REMINDER_SUBJECT: "Herinnering: {amount} vir {event}",
        T.REMINDER: (
            "Beste {name}\n\n"
            "U betaling van {amount} vir {event} het ons nog nie bereik nie. U kan hier betaal:\n\n"
            "{url}\n\n"
            "U verwysing: {reference}\n\n"
            "As u in die laaste paar minute betaal het, dankie: u hoef niks te doen nie.\n\n"
            "Geen herinnerings meer nie: {stop}"
        ),
        T.RECEIPT_SUBJECT: "Betaling ontvang: {amount} vir {event}",
        T.RECEIPT: (
            "Beste {name}\n\n"
            "Ons het {amount} vir {what} ontvang. Dankie.\n\n"
            "Verwysing: {reference}\nBevestig: {when} (SAST)\n\n"
            "Hou hierdie pos as u bevestiging. Vrae? Antwoord, en noem die verwysing."
        ),
        T.RECEIPT_SHARE: (
            "{event}: ons het {amount} vir {what} op {when} ontvang. "
            "Kwitansie {number}, verwysing {reference}. Dankie."
        ),
        T.RECEIPT_REST: "Nog uitstaande: {balance}.",
        T.PAPER_SUBJECT: "{title} {number}: {event}",
        T.PAPER: (
            "Beste {name}\n\n"
            "{title} {number} oor {amount} vir {event} is aangeheg.\n\n"
            "Verwysing: {reference}\n\n"
            "Vrae? Antwoord, en noem die nommer."
        ),
    },
    L.ZULU: {
        T.SHARE: "{event}: sicela ukhokhe u-{amount} lapha: {url} Ireferensi yakho: {reference}",
        T.LINK_SUBJECT: "Ilinki yakho yokukhokhela i-{event}",
        T.SCAN: "Skena ukuze ukhokhe",
        T.PAID: "Kukhokhiwe. Siyabonga!",
        T.FAILED: "Inkokhelo ayiphumelelanga. Sicela uzame futhi: ikhodi efanayo iyasebenza.",
        T.REMINDER_SUBJECT: "Isikhumbuzo: {amount} ye-{event}",
        T.REMINDER: (
            "Sawubona {name}\n\n"
            "Inkokhelo yakho ka-{amount} ye-{event} ayikafiki kithi. Ungakhokha lapha:\n\n"
            "{url}\n\n"
            "Ireferensi yakho: {reference}\n\n"
            "Uma usanda kukhokha, siyabonga: akukho okudingeka ukwenze.\n\n"
            "Uma ungasafuni izikhumbuzo: {stop}"
        ),
        T.RECEIPT_SUBJECT: "Inkokhelo itholakele: {amount} ye-{event}",
        T.RECEIPT: (
            "Sawubona {name}\n\n"
            "Sithole u-{amount} we-{what}. Siyabonga.\n\n"
            "Ireferensi: {reference}\nKuqinisekisiwe: {when} (SAST)\n\n"
            "Gcina le imeyili njengobufakazi. Unemibuzo? Phendula, ubhale ireferensi."
        ),
        T.RECEIPT_SHARE: (
            "{event}: sithole u-{amount} we-{what} ngo-{when}. "
            "Irisidi {number}, ireferensi {reference}. Siyabonga."
        ),
        T.RECEIPT_REST: "Okusele okumele kukhokhwe: {balance}.",
        T.PAPER_SUBJECT: "{title} {number}: {event}",
        T.PAPER: (
            "Sawubona {name}\n\n"
            "{title} {number} ka-{amount} ye-{event} inanyathiselwe.\n\n"
            "Ireferensi: {reference}\n\n"
            "Unemibuzo? Phendula, ubhale inombolo."
        ),
    },
    L.XHOSA: {
        T.SHARE: "{event}: nceda uhlawule i-{amount} apha: {url} Ireferensi yakho: {reference}",
        T.LINK_SUBJECT: "Ilinki yakho yokuhlawulela i-{event}",
        T.SCAN: "Skena ukuze uhlawule",
        T.PAID: "Ihlawulwe. Enkosi!",
        T.FAILED: "Intlawulo ayiphumelelanga. Nceda uzame kwakhona: ikhowudi efanayo iyasebenza.",
        T.REMINDER_SUBJECT: "Isikhumbuzo: {amount} ye-{event}",
        T.REMINDER: (
            "Mholo {name}\n\n"
            "Intlawulo yakho ye-{amount} ye-{event} ayikafiki kuthi. Ungahlawula apha:\n\n"
            "{url}\n\n"
            "Ireferensi yakho: {reference}\n\n"
            "Ukuba usandul’ ukuhlawula, enkosi: akukho nto kufuneka uyenze.\n\n"
            "Ukuba awusafuni zikhumbuzo: {stop}"
        ),
        T.RECEIPT_SUBJECT: "Intlawulo ifunyenwe: {amount} ye-{event}",
        T.RECEIPT: (
            "Mholo {name}\n\n"
            "Siyifumene i-{amount} ye-{what}. Enkosi.\n\n"
            "Ireferensi: {reference}\nKuqinisekisiwe: {when} (SAST)\n\n"
            "Gcina le imeyile njengobungqina. Unemibuzo? Phendula, ubhale ireferensi."
        ),
        T.RECEIPT_SHARE: (
            "{event}: siyifumene i-{amount} ye-{what} ngo-{when}. "
            "Irisithi {number}, ireferensi {reference}. Enkosi."
        ),
        T.RECEIPT_REST: "Okusaza kuhlawulwa: {balance}.",
        T.PAPER_SUBJECT: "{title} {number}: {event}",
        T.PAPER: (
            "Mholo {name}\n\n"
            "{title} {number} ye-{amount} ye-{event} iqhotyoshelwe.\n\n"
            "Ireferensi: {reference}\n\n"
            "Unemibuzo? Phendula, ubhale inombolo."
        ),
    },
}


def say(language: Language, text: Text, **values: object) -> str:
    return TEXTS[language][text].format(**values)


def digest(language: Language) -> str:
    """Which texts a speaker has read: changed ones are not read yet."""
    told = json.dumps({text.value: TEXTS[language][text] for text in Text}, ensure_ascii=False)
    return hashlib.sha256(told.encode()).hexdigest()
