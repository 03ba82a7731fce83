"""Components: scripts of ours as real elements of the page, and the small ones of them."""

from collections.abc import Mapping
from typing import Any

import streamlit as st
from streamlit.components.v2.get_bidi_component_manager import get_bidi_component_manager
from streamlit.components.v2.manifest_scanner import ComponentConfig, ComponentManifest

from ui.pieces import STATIC

_COMPONENTS = (
    "payments",
    "timeline",
    "share",
    "announce",
    "doors",
    "download",
    "palette",
    "hotkeys",
    "cases",
    "lines",
    "live",
    "payer",
    "month",
    "session",
    "passkey",
)


def component(name: str, *, css: str | None = "look.css") -> Any:
    """A component whose script is a file of ours: inline ones would need ``blob:`` in the page's policy."""
    manager = get_bidi_component_manager()
    if manager.get(f"paydesk.{name}") is None:
        configs = [ComponentConfig(each, "static/components") for each in _COMPONENTS]
        manager.register_from_manifest(ComponentManifest("paydesk", "1", configs), STATIC.parent)
    markup = '<div class="desk"></div>'
    return st.components.v2.component(f"paydesk.{name}", html=markup, css=css, js=f"{name}.js")


def hotkeys(keys: Mapping[str, str], *, key: str, focus: str | None = None) -> None:
    """Keys that click the button with this widget key, while nobody types and nothing lies over it.

    ``focus`` is the key of a field that whoever comes here is taken to, once.
    """
    wanted = {"name": focus, "token": focus} if focus else None
    with st.container(key=f"hotkeys_{key}"):
        component("hotkeys")(key=f"hotkeys_box_{key}", data={"keys": dict(keys), "focus": wanted})


def announce(news: str, *, key: str, ring: bool = False) -> None:
    """Read aloud by a screen reader when it changes; with a soft ring when asked for."""
    component("announce")(key=key, data={"text": news, "ring": ring})


def download(address: str, *, key: str) -> None:
    """The browser begins to fetch a file of ours, once for each address."""
    component("download")(key=key, data={"address": address})
