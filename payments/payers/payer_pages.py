"""What payers read on the pages that their browser comes back to, or a reminder leads to, in their language.

As in ``payer_words``: English is the desk's own, the others are drafts until a speaker has read them.
"""

from collections.abc import Mapping
from enum import StrEnum

from payments.payers.payer_words import Language


class Page(StrEnum):
    WAITING = "waiting"
    FAILED = "failed"
    PART_PAID = "part_paid"
    PAID = "paid"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    WAIVED = "waived"
    PART_REFUNDED = "part_refunded"
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    PAY = "pay"
    STOP = "stop"
    STOPPED = "stopped"


class Word(StrEnum):
    AGAIN = "again"
    STOP_THEM = "stop_them"
    PAY_NOW = "pay_now"
    BACK = "back"


L, P, W = Language, Page, Word
#: A page's title, and the sentence under it.
Says = tuple[str, str]

_EN_ASKING = "We are asking the payment service. This page looks again by itself; you need not pay again."
_EN_CLOSED = "If you have paid just now, it will be noticed. The organisers can help with any question."
_EN_MORE = "The organisers can tell you more."
_AF_ASKING = "Ons vra die betaaldiens. Hierdie blad kyk self weer; u hoef nie weer te betaal nie."
_AF_CLOSED = "As u pas betaal het, sal dit raakgesien word. Die organiseerders kan met vrae help."
_AF_MORE = "Die organiseerders kan u meer vertel."
_ZU_ASKING = "Sibuza kwinsizakalo yokukhokha. Leli khasi libheka futhi ngokwalo; akudingeki ukhokhe futhi."
_ZU_CLOSED = "Uma usanda kukhokha, sizokubona. Abahleli bangakusiza uma unemibuzo."
_ZU_MORE = "Abahleli bangakutshela okwengeziwe."
_XH_ASKING = "Sibuza kwinkonzo yentlawulo. Eli phepha lijonga kwakhona ngokwalo; akufuneki uhlawule kwakhona."
_XH_CLOSED = "Ukuba usandul’ ukuhlawula, siya kukubona. Abaququzeleli banganceda ukuba unemibuzo."
_XH_MORE = "Abaququzeleli bangakuxelela okungakumbi."

PAGES: Mapping[Language, Mapping[Page, Says]] = {
    L.ENGLISH: {
        P.WAITING: ("Waiting for confirmation", _EN_ASKING),
        P.FAILED: ("This attempt did not go through", "You can try again with the same link."),
        P.PART_PAID: ("Part of the amount is here", _EN_ASKING),
        P.PAID: ("Paid", "Thank you. You can close this page."),
        P.EXPIRED: ("This payment link has ended", _EN_CLOSED),
        P.CANCELLED: ("This payment was cancelled", _EN_CLOSED),
        P.WAIVED: ("Nothing to pay", "The organisers ask no payment for this."),
        P.PART_REFUNDED: ("Partly refunded", _EN_MORE),
        P.REFUNDED: ("Refunded", _EN_MORE),
        P.DISPUTED: ("Being looked into", _EN_MORE),
        P.PAY: ("Pay for this event", "You go on to iKhokha, where you choose how to pay."),
        P.STOP: ("No more reminders?", "You can still pay with the link that you were sent."),
        P.STOPPED: (
            "No more reminders", "You are sent none from now on. You can still pay with your link.",
        ),
    },
    L.AFRIKAANS: {
        P.WAITING: ("Wag vir bevestiging", _AF_ASKING),
        P.FAILED: ("Hierdie poging het nie geslaag nie", "U kan weer met dieselfde skakel probeer."),
        P.PART_PAID: ("’n Deel van die bedrag is hier", _AF_ASKING),
        P.PAID: ("Betaal", "Dankie. U kan hierdie blad toemaak."),
        P.EXPIRED: ("Hierdie betaalskakel het verval", _AF_CLOSED),
        P.CANCELLED: ("Hierdie betaling is gekanselleer", _AF_CLOSED),
        P.WAIVED: ("Niks om te betaal nie", "Die organiseerders vra geen betaling hiervoor nie."),
        P.PART_REFUNDED: ("Gedeeltelik terugbetaal", _AF_MORE),
        P.REFUNDED: ("Terugbetaal", _AF_MORE),
        P.DISPUTED: ("Word ondersoek", _AF_MORE),
        P.PAY: ("Betaal vir hierdie geleentheid", "U gaan na iKhokha, waar u kies hoe u wil betaal."),
        P.STOP: ("Geen herinnerings meer nie?", "U kan steeds met die skakel betaal wat u ontvang het."),
        P.STOPPED: (
            "Geen herinnerings meer nie",
            "U ontvang van nou af geen meer nie. U kan steeds met u skakel betaal.",
        ),
    },
    L.ZULU: {
        P.WAITING: ("Silinde isiqinisekiso", _ZU_ASKING),
        P.FAILED: ("Lo mzamo awuphumelelanga", "Ungazama futhi ngelinki efanayo."),
        P.PART_PAID: ("Ingxenye yemali isifikile", _ZU_ASKING),
        P.PAID: ("Kukhokhiwe", "Siyabonga. Ungalivala leli khasi."),
        P.EXPIRED: ("Le linki yokukhokha isiphelelwe yisikhathi", _ZU_CLOSED),
        P.CANCELLED: ("Le nkokhelo ikhanseliwe", _ZU_CLOSED),
        P.WAIVED: ("Akukho okumele kukhokhwe", "Abahleli abaceli nkokhelo ngalokhu."),
        P.PART_REFUNDED: ("Ingxenye yemali ibuyiselwe", _ZU_MORE),
        P.REFUNDED: ("Imali ibuyiselwe", _ZU_MORE),
        P.DISPUTED: ("Kusaphenywa", _ZU_MORE),
        P.PAY: ("Khokhela lo mcimbi", "Uya ku-iKhokha, lapho ukhetha khona ukuthi ukhokha kanjani."),
        P.STOP: ("Azisekho izikhumbuzo?", "Usengakhokha ngelinki oyithunyelelwe."),
        P.STOPPED: (
            "Azisekho izikhumbuzo", "Kusukela manje awusazukuthunyelelwa. Usengakhokha ngelinki yakho.",
        ),
    },
    L.XHOSA: {
        P.WAITING: ("Silinde isiqinisekiso", _XH_ASKING),
        P.FAILED: ("Le nzame ayiphumelelanga", "Ungazama kwakhona ngelinki efanayo."),
        P.PART_PAID: ("Inxalenye yemali ifikile", _XH_ASKING),
        P.PAID: ("Ihlawulwe", "Enkosi. Ungalivala eli phepha."),
        P.EXPIRED: ("Le linki yentlawulo iphelelwe lixesha", _XH_CLOSED),
        P.CANCELLED: ("Le ntlawulo irhoxisiwe", _XH_CLOSED),
        P.WAIVED: ("Akukho nto ihlawulwayo", "Abaququzeleli abaceli ntlawulo ngoku."),
        P.PART_REFUNDED: ("Inxalenye yemali ibuyisiwe", _XH_MORE),
        P.REFUNDED: ("Imali ibuyisiwe", _XH_MORE),
        P.DISPUTED: ("Kusaphandwa", _XH_MORE),
        P.PAY: ("Hlawulela lo msitho", "Uya kwi-iKhokha, apho ukhetha indlela yokuhlawula."),
        P.STOP: ("Azisekho izikhumbuzo?", "Usengahlawula ngelinki oyithunyelweyo."),
        P.STOPPED: (
            "Azisekho izikhumbuzo", "Ukususela ngoku awusayi kuthunyelwa. Usengahlawula ngelinki yakho.",
        ),
    },
}  # fmt: skip
WORDS: Mapping[Language, Mapping[Word, str]] = {
    L.ENGLISH: {
        W.AGAIN: "Look again", W.STOP_THEM: "Send no more reminders", W.PAY_NOW: "Pay {amount}",
        W.BACK: "Back to the registration",
    },
    L.AFRIKAANS: {
        W.AGAIN: "Kyk weer", W.STOP_THEM: "Stuur geen herinnerings meer nie", W.PAY_NOW: "Betaal {amount}",
        W.BACK: "Terug na die registrasie",
    },
    L.ZULU: {
        W.AGAIN: "Bheka futhi", W.STOP_THEM: "Ungabe usathumela izikhumbuzo", W.PAY_NOW: "Khokha u-{amount}",
        W.BACK: "Buyela ekubhaliseni",
    },
    L.XHOSA: {
        W.AGAIN: "Jonga kwakhona", W.STOP_THEM: "Musa ukuthumela ezinye izikhumbuzo",
        W.PAY_NOW: "Hlawula i-{amount}",
        W.BACK: "Buyela ekubhaliseni",
    },
}  # fmt: skip


def told(language: Language) -> list[str]:
    """All of it in one language, in one order: what a speaker reads."""
    pages = [part for page in Page for part in PAGES[language][page]]
    return [*pages, *(WORDS[language][word] for word in Word)]
