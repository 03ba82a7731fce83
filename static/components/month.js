// The days of a month are links: the arrows go a day or a week on.
import { hostOf, isCovered, isTyping, listen } from "./keys.js";

const BY = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 7, ArrowUp: -7 };

function days() {
  return [...document.querySelectorAll(".pd-month a")];
}

// The day that was chosen keeps the focus, though its month was drawn anew for it.
function stay(tries = 25) {
  if (document.activeElement === document.body) document.querySelector(".pd-month a[aria-current]")?.focus();
  if (tries) setTimeout(() => stay(tries - 1), 40);
}

export default function ({ data, parentElement }) {
  const host = hostOf(parentElement);
  if (data.chosen && host.deskChosen !== undefined && host.deskChosen !== data.chosen) stay();
  host.deskChosen = data.chosen;
  return listen(host, (event) => {
    if (isTyping(event) || isCovered(host)) return;
    const all = days();
    const at = all.indexOf(document.activeElement);
    const to = at < 0 ? undefined : all[at + BY[event.key]];
    if (!to) return;
    event.preventDefault();
    to.focus();
  });
}
