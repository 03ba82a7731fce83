"""Guide: what each page is for, what to do when, a first day that checks itself off, and our words."""

import re

import streamlit as st

import bootstrap
import menu
import ui
import words
from payments.access.people import Action, Person
from payments.selling import first_day
from payments.selling.first_day import SetUp
from words import guide as guide_words

person = ui.require(Action.SEE)
app = bootstrap.app()
_PAGE = re.compile(r"\{([a-z/]+)\}")
TITLES = {entry.path: entry.title for entries in menu.MENU.values() for entry in entries}


def first_steps(here: Person) -> None:
    """What is done stands folded away once all of it is."""
    settings = app.settings
    addresses = (settings.webhook_url, settings.return_url)
    set_up = SetUp(
        live=not settings.demo,
        reachable=all(address.startswith("https://") for address in addresses),
        has_keys=bool(settings.keys.current),
    )
    with app.sessions.read() as session:
        done = first_day.observed(session, here, set_up, now=app.now())
    count = sum(done.values())
    with st.expander(f"First day: {count} of {len(done)} steps are done", expanded=count < len(done)):
        ui.plain("The desk looks for itself: a step is done when it sees it happen.", "faint")
        ui.checks(
            ("good", guide_words.FIRST_DAY[step][0], "Done.")
            if is_done
            else ("poor", *guide_words.FIRST_DAY[step])
            for step, is_done in done.items()
        )


def advice(here: Person) -> None:
    for happens, then in guide_words.WHEN[here.role]:
        with st.container(border=True):
            ui.plain(happens, "title")
            st.markdown(_PAGE.sub(lambda found: f"**{TITLES[found[1]]}**", then))
            with st.container(horizontal=True):
                for path in dict.fromkeys(_PAGE.findall(then)):
                    st.page_link(f"pages/{path}.py", label=TITLES[path], icon=":material/arrow_forward:")


def pages(here: Person) -> None:
    for section, entries in menu.of(here):
        ui.plain(section, "title")
        for entry in entries:
            st.page_link(f"pages/{entry.path}.py", label=entry.title, icon=f":material/{entry.icon}:")
            ui.plain(entry.answers, "faint")


def glossary() -> None:
    wanted = st.text_input("Find a word", max_chars=40, key="guide_word").strip().casefold()
    found = [
        (word, meaning)
        for word, meaning in guide_words.GLOSSARY
        if wanted in word.casefold() or wanted in meaning.casefold()
    ]
    if not found:
        ui.empty_state("No such word here", "Try a part of it, or ask an admin.", "menu_book")
    for word, meaning in found:
        ui.plain(word, "title")
        ui.plain(meaning, "faint")


st.title("Guide", anchor=False)
ui.plain(f"For you as {words.ROLE[person.role][0].lower()}. Press ? on any page for its keys.", "faint")
if person.may(Action.MANAGE_SETTINGS):
    first_steps(person)
PARTS = {"What to do when": lambda: advice(person), "Pages": lambda: pages(person), "Words": glossary}
chosen = st.segmented_control(
    "Part of the guide",
    list(PARTS),
    default="What to do when",
    required=True,
    key="guide_part",
    label_visibility="collapsed",
)
PARTS[chosen]()
