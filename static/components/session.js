// Three things that an open page cannot do itself. It says in our words that there is no connection. It comes for the cookie
// of a session that was confirmed here (`word`), once, and says so. And it takes up the cookie that another tab came for, by loading the page again (`over`);
// seldom, so that a desk in trouble is not asked over and over.
const EVERY_MS = 10_000, TRIES = 3;
const fetched = new Map();

async function fetchCookie(word) {
  for (let left = TRIES; left > 0; left--) {
    const sent = { method: "POST", body: new URLSearchParams({ word }) };
    const reply = await fetch("/signin/renewed", sent).catch(() => null);
    if (reply) return;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

async function loadAgain() {
  const last = Number(sessionStorage.getItem("paydesk-again"));
  if (Date.now() - last < EVERY_MS) return;
  const reply = await fetch("/signin", { redirect: "manual" }).catch(() => null);
  if (reply?.type !== "opaqueredirect") return;
  sessionStorage.setItem("paydesk-again", String(Date.now()));
  location.reload();
}

// Streamlit's dialog names Streamlit, and does not say what to do. Its texts are changed in place, node by node: what
// React made of them stays where it is.
const SAYS = {
  "Connection error": "No connection to the desk",
  "Streamlit server is not responding. Are you connected to the internet?":
    "Keep this page open: it connects again by itself, and nothing that you press now is sent. Did you just take money? Then look for it on the list before you take it again.",
};
let watched = false;

function inOurWords() {
  for (const dialog of document.querySelectorAll('[role="dialog"]')) {
    const texts = document.createTreeWalker(dialog, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const says = SAYS[texts.currentNode.nodeValue.trim()];
      if (says) texts.currentNode.nodeValue = says;
    }
  }
}

function watch() {
  if (watched) return;
  watched = true;
  new MutationObserver(inOurWords).observe(document.body, { childList: true, subtree: true });
}

export default function ({ data, setTriggerValue }) {
  watch();
  if (data.over) loadAgain();
  if (!data.word) return;
  if (!fetched.has(data.word)) fetched.set(data.word, fetchCookie(data.word));
  fetched.get(data.word).then(() => setTriggerValue("fetched", data.word));
}
