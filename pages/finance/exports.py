"""Exports: what was taken out of the desk, papers of closing too, and whether a file is one of them."""

import streamlit as st

import ui
from payments.access.people import Action

person = ui.require(Action.EXPORT)

st.title("Exports", anchor=False)
with ui.error_boundary():
    ui.waiting_files(person)
with ui.error_boundary():
    ui.verify_a_file(person)
with ui.error_boundary():
    ui.export_list(person)
with ui.error_boundary():
    ui.closing_papers.papers_taken(person)
