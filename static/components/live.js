// The live page: its list of payments, and every two seconds the question what changed of all that it shows.
// What lies in a place that has a name is put there anew; the person stays on the link they were on.
// Where the question gets no answer, Streamlit is asked to draw the page instead; where neither answers, the page says so.
import { make } from "./dom.js";
import payments from "./payments.js";

const EVERY_MS = 2000;
const LATEST_MS = 30000;
const PATIENCE_MS = 10000;
// Two seconds after the last answer we ask; as long as this after that, nobody takes what stands here for the present.
const UNSURE_MS = 8000;

// What was put where.
let put = new WeakMap();

function place(name, html) {
  for (const node of document.querySelectorAll(`[data-live="${name}"]`)) {
    if (put.get(node) === html) continue;
    const held = node.contains(document.activeElement) && document.activeElement.getAttribute("href");
    node.innerHTML = html;
    put.set(node, html);
    if (held) node.querySelector(`a[href="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
  }
}

// Beside the title: that what is shown is of now, or since when it is not. The region for ears is there from the start.
function sayReached(reached) {
  for (const fresh of document.querySelectorAll(".pd-fresh")) {
    const region = fresh.querySelector("[role=status]"), at = fresh.querySelector('[data-live="at"]').textContent;
    fresh.classList.toggle("pd-unsure", !reached);
    region.textContent = reached ? "" : `not reached since ${at}, trying again`;
  }
}

// Read aloud when another payment was paid than the last one told; nothing is told of what was there before.
function tell(region, [reference, news]) {
  if (region.dataset.paid !== undefined && region.dataset.paid !== reference) region.textContent = news;
  region.dataset.paid = reference;
}

function regionOf(parent) {
  const there = parent.querySelector("[role=status]");
  if (there) return there;
  const region = make("div", "hidden");
  region.setAttribute("role", "status");
  region.setAttribute("aria-live", "polite");
  parent.append(region);
  return region;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const region = regionOf(parentElement);
  let quiet = () => {};
  const show = ({ newest, paid }) => {
    quiet();
    quiet = payments({ data: newest, parentElement, setTriggerValue });
    tell(region, paid);
  };
  show(data);
  // Whoever comes back from a number finds its filter in this page's address, which would lie to whoever it is sent to.
  if (location.search) history.replaceState(history.state, "", location.pathname);

  // Nothing is known at first, so that the first answer is whole: Streamlit may just have drawn what is older.
  put = new WeakMap();
  let known = "", parts = {}, missed = 0, timer = 0, doubt = 0, over = false;
  const unsure = () => (doubt ||= setTimeout(sayReached, UNSURE_MS, false));
  const sure = () => {
    clearTimeout(doubt);
    doubt = 0;
  };
  const reached = () => {
    missed = 0;
    sure();
    sayReached(true);
  };

  const look = async () => {
    const wanted = { redirect: "manual", signal: AbortSignal.timeout(PATIENCE_MS) };
    const split = document.querySelector('[data-live^="reached_"]')?.dataset.live.slice("reached_".length) ?? "";
    const reply = await fetch(`/pulse?known=${encodeURIComponent(known)}&by=${split}`, wanted);
    if (over) return;
    if (reply.type === "opaqueredirect") return end(); // to sign in
    if (!reply.ok) throw new Error(`the desk answered ${reply.status}`);
    if (reply.status === 200) {
      const told = await reply.json();
      if (over) return;
      ({ key: known, parts } = told);
      show(told);
    }
    place("at", reply.headers.get("X-At"));
    for (const [name, html] of Object.entries(parts)) place(name, html);
  };
  const next = async () => {
    if (!document.hidden) {
      unsure();
      await look().then(reached, () => ++missed > 1 && again());
    }
    clearTimeout(timer); // of another that was under way
    if (!over) timer = setTimeout(next, Math.min(EVERY_MS * 2 ** missed, LATEST_MS));
  };
  const again = () => setTriggerValue("again", true);
  // Whose session has ended is told so by the page, which runs again for it.
  const end = () => {
    stop();
    again();
  };
  const seen = () => document.hidden || next();
  const stop = () => {
    over = true;
    clearTimeout(timer);
    sure();
    quiet();
    document.removeEventListener("visibilitychange", seen);
  };
  document.addEventListener("visibilitychange", seen);
  timer = setTimeout(next, EVERY_MS);
  return stop;
}
