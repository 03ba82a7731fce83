"""Streamlit runs as we mean it, and every colour of the theme can be read."""

import re
import tomllib
from pathlib import Path

import pytest
from streamlit import config

ROOT = Path(__file__).parent.parent
WRITTEN = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())

IN_FORCE = {
    "browser.gatherUsageStats": False,
    "client.disableDataExport": True,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "minimal",
    "runner.magicEnabled": False,
    "runner.postScriptGC": False,
    "server.address": "127.0.0.1",
    "server.disconnectedSessionTTL": 60,
    "server.enableAgentApi": False,
    "server.enableCORS": True,
    "server.enableStaticServing": False,
    "server.enableXsrfProtection": True,
    "server.fileWatcherType": "none",
    "server.maxMessageSize": 50,
    "server.maxUploadSize": 10,
}


@pytest.fixture(scope="module")
def options():
    return config.get_config_options(force_reparse=True)


@pytest.mark.parametrize("name, value", IN_FORCE.items())
def test_the_production_setting_is_in_force(options, name, value):
    assert options[name].value == value
    assert Path(options[name].where_defined) == ROOT / ".streamlit/config.toml"


def test_the_hosts_that_may_be_asked_for_are_named(options):
    assert set(options["server.allowedHosts"].value) == {"127.0.0.1", "localhost"}


def test_every_setting_written_exists(options):
    def names(table, prefix=""):
        for key, value in table.items():
            yield from names(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key]

    assert set(names(WRITTEN)) <= set(options)


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG's ratio, 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("light", ["light", "dark"])
def test_every_text_can_be_read_on_what_it_stands_on(light):
    theme = WRITTEN["theme"][light]
    grounds = [theme["backgroundColor"], theme["secondaryBackgroundColor"], *theme["sidebar"].values()]
    texts = [theme["textColor"], theme["linkColor"], *(theme[name] for name in theme if "TextColor" in name)]
    assert len(texts) == 9
    poor = [(text, ground) for text in texts for ground in grounds if contrast(text, ground) < 4.5]
    poor += [
        (theme[name], theme[ground])
        for name in theme
        if (ground := re.sub("TextColor$", "BackgroundColor", name)) in theme and ground != name
        if contrast(theme[name], theme[ground]) < 4.5
    ]
    assert poor == []


@pytest.mark.parametrize("light", ["light", "dark"])
def test_a_button_of_ours_can_be_seen_and_its_white_word_read(light):
    theme = WRITTEN["theme"][light]
    assert contrast(theme["primaryColor"], "#ffffff") >= 4.5
    assert contrast(theme["primaryColor"], theme["backgroundColor"]) >= 3
    lines = [*theme["chartCategoricalColors"], *(theme[f"{name}Color"] for name in ("green", "red", "gray"))]
    assert [colour for colour in lines if contrast(colour, theme["backgroundColor"]) < 3] == []
