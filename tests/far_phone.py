"""A phone far from the desk: what a hand taps on it, how large that is, how often the desk is asked."""

from playwright.sync_api import BrowserContext, Locator, expect
from streamlit.proto.BackMsg_pb2 import BackMsg

#: Written down where it happens: each tap with the size of what it hit, and how large a field's letters are.
_HAND = """
window.taps = []; window.letters = [];
addEventListener("pointerdown", event => {
  const hit = event.target.closest("button, a, summary, label, [data-testid=stTextInputRootElement]");
  const box = (hit ?? event.target).getBoundingClientRect();
  window.taps.push([Math.round(box.width), Math.round(box.height), (hit ?? event.target).textContent]);
}, true);
addEventListener("focusin", event => {
  if (event.target.matches("input, textarea"))
    window.letters.push(parseFloat(getComputedStyle(event.target).fontSize));
}, true);
"""


#: Four times the longest that a person may wait (``benchmarks/door.py`` measures what it is).
WAIT_MS = 40_000


class FarPhone:
    """A page on a phone from which every byte takes 200 ms to the desk, and 200 ms back."""

    def __init__(self, context: BrowserContext) -> None:
        self.page = context.new_page()
        self.page.add_init_script(_HAND)
        self.asked = 0
        self.page.on("websocket", lambda socket: socket.on("framesent", self._ask))

    def _ask(self, frame: bytes) -> None:
        """A person's doing, not one of the looks that a page takes by itself."""
        self.asked += not BackMsg.FromString(frame).rerun_script.is_auto_rerun

    def starts(self) -> None:
        """From here on the person works."""
        self.asked = 0
        self.page.evaluate("window.taps = []; window.letters = []")

    def tap(self, what: Locator) -> None:
        what.click(timeout=WAIT_MS)

    def see(self, what: Locator) -> None:
        expect(what).to_be_visible(timeout=WAIT_MS)

    def worked(self, *, taps: int) -> None:
        """How often a thumb went down. The desk is asked no more often: each time is a trip to wait for."""
        done = self.page.evaluate("window.taps")
        assert len(done) == taps, done
        assert self.asked <= taps
        assert all(wide >= 44 and high >= 44 for wide, high, _ in done), done
        letters = self.page.evaluate("window.letters")
        assert all(size >= 16 for size in letters), "smaller ones make a phone zoom"
        assert self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
