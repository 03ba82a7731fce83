// Bank lines, a row a line: on the left what the bank says, on the right the payments it may be for, each with
// what speaks for it and against it. Accepting is one key; whoever accepts is on the next line at once.
import { badge, icon, make, show } from "./dom.js";
import { roving } from "./keys.js";

function deed(word, name, key, look = "") {
  const node = make("button", `deed ${look}`, null, (key ? [make("kbd", "", key)] : []).concat([make("span", "", word)]));
  Object.assign(node, { type: "button", tabIndex: -1 });
  node.dataset.deed = name;
  return node;
}

function sign(one) {
  const node = make("span", `sign ${one.agrees ? "for" : "against"}`, null, [icon(one.agrees ? "check" : "close"), make("span", "", one.says)]);
  node.title = one.agrees ? "Speaks for it" : "Speaks against it";
  return node;
}

function candidate(one) {
  const head = make("span", "who", null, [make("strong", "", one.payer), make("span", "", ` ${one.reference}`)]);
  const parts = [head, make("span", "standing", one.told), make("span", "signs", null, one.signs.map(sign))];
  const row = make("div", "candidate", null, [make("div", "", null, parts)]);
  if (one.deed) row.append(deed(one.word, one.deed, one.key));
  return row;
}

function line(one, chosen) {
  const bank = make("button", "case", null, [
    make("span", `money number ${one.out ? "out" : ""}`, one.amount), make("span", "text", one.text),
    make("span", "standing", one.standing),
  ]);
  bank.type = "button";
  bank.dataset.row = one.id;
  bank.dataset.deed = "open";
  const left = make("div", "left", null, [bank, badge(one.reason)]);
  if (one.note) left.append(make("span", "standing", `Note: ${one.note}`));
  const found = one.candidates.map(candidate);
  if (!found.length) found.push(make("div", "standing", one.remedy));
  const deeds = make("div", "deeds", null, one.deeds.map(([word, name, key, look]) => deed(word, name, key, look)));
  const item = make("li", one.overdue ? "overdue" : "", null, [left, make("div", "right", null, [...found, deeds])]);
  if (one.may) {
    const box = make("input");
    Object.assign(box, { type: "checkbox", checked: chosen.has(one.id), tabIndex: -1 });
    box.setAttribute("aria-label", `Choose ${one.amount}, ${one.text}`);
    item.prepend(make("label", "choose", null, [box]));
  }
  if (one.said) item.append(make("div", "said", null, [icon("info"), make("span", "", one.said)]));
  item.dataset.id = one.id;
  return item;
}

function draw(data) {
  const chosen = new Set(data.chosen.map(String));
  const list = make("ul", "lines", null, data.lines.map((one) => line(one, chosen)));
  list.setAttribute("aria-label", data.label);
  return [list];
}

// The row somebody was on is gone: it was dealt with, and whoever was there is taken to the one in its place.
function follow(root, held) {
  if (!held || root.querySelector(`[data-row="${CSS.escape(held.row)}"]`)) return;
  const rows = [...root.querySelectorAll("[data-row]")];
  onto(rows[Math.min(held.place, rows.length - 1)]);
}

function onto(row) {
  if (!row) return;
  document.deskLeft = row.dataset.row;
  row.focus();
  row.scrollIntoView({ block: "nearest" });
}

// One deed at a time goes to the desk; what is pressed meanwhile waits for its answer, so that none is lost.
const WAITS_AT_MOST = 8000;

function next(root, send) {
  const line = root.deskWaiting;
  while (line.length && !root.querySelector(`li[data-id="${CSS.escape(line[0].split(":")[0])}"]`)) line.shift();
  if (!line.length || performance.now() < root.deskBusyUntil) return;
  root.deskBusyUntil = performance.now() + WAITS_AT_MOST;
  send(line.shift());
}

export default function ({ data, parentElement, setTriggerValue }) {
  const before = parentElement.querySelector(".desk");
  const at = before.getRootNode().activeElement?.closest("li[data-id]")?.querySelector("[data-row]");
  const held = at && { row: at.dataset.row, place: [...before.querySelectorAll("[data-row]")].indexOf(at) };
  const answered = before.dataset.shown !== JSON.stringify(data);
  const root = show(parentElement, data, draw);
  follow(root, held);
  root.deskWaiting ??= [];
  const send = (what) => setTriggerValue("told", what);
  if (answered) root.deskBusyUntil = 0;
  next(root, send);
  const opens = /^(open|more)/;
  let quietUntil = 0;
  const tell = (item, name) => {
    if (opens.test(name)) quietUntil = performance.now() + 1500;
    if (!/^(accept|take)/.test(name)) return send(`${item.dataset.id}:${name}`);
    if (item.classList.contains("told")) return;
    item.classList.add("told");
    onto(item.nextElementSibling?.querySelector("[data-row]"));
    root.deskWaiting.push(`${item.dataset.id}:${name}`);
    next(root, send);
  };
  root.onclick = (event) => {
    const item = event.target.closest("li[data-id]");
    const button = event.target.closest("[data-deed]");
    if (item && button) tell(item, button.dataset.deed);
  };
  root.onchange = (event) => tell(event.target.closest("li[data-id]"), event.target.checked ? "choose" : "leave");
  return roving(parentElement, (event, row) => {
    if (performance.now() < quietUntil || event.repeat) return;
    const item = row.closest("li[data-id]");
    const button = [...item.querySelectorAll(".deed")].find((one) => one.querySelector("kbd")?.textContent === event.key);
    const box = item.querySelector("input");
    if (button) tell(item, button.dataset.deed);
    else if (event.key === "x" && box) box.click();
    else return;
    event.preventDefault();
  });
}
