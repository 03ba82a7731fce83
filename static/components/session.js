// Two things that an open page cannot do itself. It comes for the cookie of a session that was confirmed here
// (`word`), once, and says so. And it takes up the cookie that another tab came for, by loading the page again (`over`);
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

export default function ({ data, setTriggerValue }) {
  if (data.over) loadAgain();
  if (!data.word) return;
  if (!fetched.has(data.word)) fetched.set(data.word, fetchCookie(data.word));
  fetched.get(data.word).then(() => setTriggerValue("fetched", data.word));
}
