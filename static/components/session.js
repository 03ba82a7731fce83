// What an open page cannot do itself. It says in our words that there is no connection, also where a press only waits. It comes for the cookie
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
const KEEP = "Keep this page open: it connects again by itself", LOOK = "Did you just take money? Then look for it on the list before you take it again.";
const SAYS = `${KEEP}, and nothing that you press now is sent. ${LOOK}`;
let watched = false;

function textsOf(dialog) {
  const walker = document.createTreeWalker(dialog, NodeFilter.SHOW_TEXT), texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  return texts;
}

function say(node, says) {
  if (node.textContent !== says) node.textContent = says; // else each change would be heard, and made again
}

function dialogs() {
  return [...document.querySelectorAll('[data-testid="stDialog"] [role="dialog"]')];
}

function headingOf(dialog) {
  return textsOf(dialog).find((text) => [THEIRS, OURS].includes(text.nodeValue.trim()));
}

function inOurWords() {
  for (const dialog of dialogs()) {
    const texts = textsOf(dialog), heading = texts.indexOf(headingOf(dialog));
    if (heading < 0) continue;
    say(texts[heading], OURS);
    texts.slice(heading + 1).forEach((text, nth) => say(text, nth ? "" : SAYS));
    for (const reply of dialog.querySelectorAll("pre")) reply.hidden = true; // a proxy's own page
  }
}

// A desk that hangs keeps its line, so that Streamlit says nothing at all and a press waits. Whoever pressed hears so, until it answers.
const WAITS_MS = 3000, ANSWERS_MS = 3000;
let asked = 0, missed = 0;

function away() {
  const there = document.querySelector(".pd-away");
  if (there) return there;
  const region = document.createElement("div");
  region.className = "pd-away pd-trouble bad";
  region.setAttribute("role", "status");
  document.body.append(region);
  return region;
}

function sayAway(hangs) {
  const says = hangs && !dialogs().some(headingOf) ? `${OURS}. ${KEEP}. What you pressed waits, and may still arrive. ${LOOK}` : "";
  say(away(), says);
}

async function answers() {
  const wanted = { cache: "no-store", signal: AbortSignal.timeout(ANSWERS_MS) };
  const reply = await fetch("/_stcore/health", wanted).catch(() => null);
  const hangs = reply === null || reply.status >= 500;
  missed = hangs ? missed + 1 : 0; // a desk that is only busy misses one
  sayAway(missed > 1);
  asked = hangs ? setTimeout(answers, missed > 1 ? WAITS_MS : 0) : 0;
}

function pressed(event) {
  const sends = event.type === "click" ? event.composedPath().some((node) => node.tagName === "BUTTON") : event.key === "Enter";
  if (sends) asked ||= setTimeout(answers, WAITS_MS);
}

function watch() {
  if (watched) return;
  watched = true;
  away(); // a region for ears is there before it speaks
  for (const kind of ["click", "keydown"]) document.addEventListener(kind, pressed, { capture: true, passive: true });
  new MutationObserver(inOurWords).observe(document.body, { childList: true, characterData: true, subtree: true });
}

export default function ({ data, setTriggerValue }) {
  watch();
  if (data.over) loadAgain();
  if (!data.word) return;
  if (!fetched.has(data.word)) fetched.set(data.word, fetchCookie(data.word));
  fetched.get(data.word).then(() => setTriggerValue("fetched", data.word));
}
