// What waits for a decision: a row a case, with its decisions one key away, and boxes to choose several.
import { chooses, deed, deeds, listen, said } from "./deeds.js";
import { make, show } from "./dom.js";

function line(one, chosen) {
  const told = make("button", "case", null, [
    make("span", "title", one.title), make("span", "standing", one.standing),
  ].concat(one.note ? [make("span", "standing", `Note: ${one.note}`)] : []));
  told.type = "button";
  told.dataset.row = one.id;
  told.dataset.deed = "open";
  const buttons = one.decisions.map((word, nth) => deed(word, `decide:${nth}`, String(nth + 1)));
  if (one.ask) buttons.push(deed(one.ask, "ask", "a", "other"));
  if (one.goes) buttons.push(deed(one.goes, "goes", "o", "other"));
  const parts = [told, make("div", "deeds", null, buttons)];
  if (one.decisions.length) parts.unshift(chooses(one.title, chosen.has(one.id)));
  if (one.said) parts.push(said(one.said));
  const item = make("li", one.overdue ? "overdue" : "", null, parts);
  item.dataset.id = one.id;
  return item;
}

function draw(data) {
  const chosen = new Set(data.chosen.map(String));
  const list = make("ul", "cases", null, data.cases.map((one) => line(one, chosen)));
  list.setAttribute("aria-label", data.label);
  return [list];
}

// A drawer takes a moment to open: what is typed meanwhile is meant for it, not for the row.
const OPENS = /:(open|assign|goes|decide)/;

export default function ({ data: { heard, ...data }, parentElement, setTriggerValue }) {
  const root = show(parentElement, data, draw);
  const { tell, waits, rest } = deeds(root, heard, (told) => setTriggerValue("told", told));
  const done = (item, name) => {
    const what = `${item.dataset.id}:${name}`;
    if (OPENS.test(what)) root.deskQuietUntil = performance.now() + 3000;
    tell(what);
  };
  const deaf = () => waits(OPENS) || performance.now() < root.deskQuietUntil;
  const quiet = listen(root, parentElement, { done, deaf, keys: { e: "assign" } });
  return () => {
    quiet();
    rest();
  };
}
