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

// Streamlit's dialog names Streamlit, says another thing each time it tries (a time-out, a proxy's 502, no answer), and never
// what to do. All that it says is changed in place, node by node: what React made stays where it is, and is written into again.
const THEIRS = "Connection error", OURS = "No connection to the desk";
const SAYS =
  "Keep this page open: it connects again by itself, and nothing that you press now is sent. Did you just take money? Then look for it on the list before you take it again.";
let watched = false;

function textsOf(dialog) {
  const walker = document.createTreeWalker(dialog, NodeFilter.SHOW_TEXT), texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  return texts;
}

function say(text, says) {
  if (text.nodeValue !== says) text.nodeValue = says; // else each change would be heard, and made again
}

function inOurWords() {
  for (const dialog of document.querySelectorAll('[data-testid="stDialog"] [role="dialog"]')) {
    const texts = textsOf(dialog), heading = texts.findIndex((text) => [THEIRS, OURS].includes(text.nodeValue.trim()));
    if (heading < 0) continue;
    say(texts[heading], OURS);
    texts.slice(heading + 1).forEach((text, nth) => say(text, nth ? "" : SAYS));
    for (const reply of dialog.querySelectorAll("pre")) reply.hidden = true; // a proxy's own page
  }
}

function watch() {
  if (watched) return;
  watched = true;
  new MutationObserver(inOurWords).observe(document.body, { childList: true, characterData: true, subtree: true });
}

export default function ({ data, setTriggerValue }) {
  watch();
  if (data.over) loadAgain();
  if (!data.word) return;
  if (!fetched.has(data.word)) fetched.set(data.word, fetchCookie(data.word));
  fetched.get(data.word).then(() => setTriggerValue("fetched", data.word));
}
