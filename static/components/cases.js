// What waits for a decision: a row a case, with its decisions one key away, and boxes to choose several.
import { deeds } from "./deeds.js";
import { icon, make, show } from "./dom.js";
import { roving } from "./keys.js";

function deed(word, name, extra = {}) {
  const node = make("button", `deed ${extra.look ?? ""}`, null, (extra.key ? [make("kbd", "", extra.key)] : []).concat([make("span", "", word)]));
  Object.assign(node, { type: "button", tabIndex: -1 });
  node.dataset.deed = name;
  return node;
}

function line(one, chosen) {
  const told = make("button", "case", null, [
    make("span", "title", one.title), make("span", "standing", one.standing),
  ].concat(one.note ? [make("span", "standing", `Note: ${one.note}`)] : []));
  told.type = "button";
  told.dataset.row = one.id;
  told.dataset.deed = "open";
  const deeds = one.decisions.map((word, nth) => deed(word, `decide:${nth}`, { key: String(nth + 1) }));
  if (one.ask) deeds.push(deed(one.ask, "ask", { key: "a", look: "other" }));
  if (one.goes) deeds.push(deed(one.goes, "goes", { key: "o", look: "other" }));
  const parts = [told, make("div", "deeds", null, deeds)];
  if (one.decisions.length) {
    const box = make("input");
    Object.assign(box, { type: "checkbox", checked: chosen.has(one.id), tabIndex: -1 });
    box.setAttribute("aria-label", `Choose ${one.title}`);
    parts.unshift(make("label", "choose", null, [box]));
  }
  if (one.said) parts.push(make("div", "said", null, [icon("info"), make("span", "", one.said)]));
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
  root.onclick = (event) => {
    const item = event.target.closest("li[data-id]");
    const button = event.target.closest("[data-deed]");
    if (item && button) done(item, button.dataset.deed);
  };
  root.onchange = (event) => done(event.target.closest("li[data-id]"), event.target.checked ? "choose" : "leave");
  const quiet = roving(parentElement, (event, row) => {
    if (waits(OPENS) || performance.now() < root.deskQuietUntil) return;
    const item = row.closest("li[data-id]");
    const button = [...item.querySelectorAll(".deeds [data-deed]")].find((one) => one.querySelector("kbd")?.textContent === event.key);
    const box = item.querySelector("input");
    if (button) done(item, button.dataset.deed);
    else if (event.key === "e") done(item, "assign");
    else if (event.key === "x" && box) box.click();
    else return;
    event.preventDefault();
  });
  return () => {
    quiet();
    rest();
  };
}
