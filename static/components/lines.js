// Bank lines, a row a line: on the left what the bank says, on the right the payments it may be for, each with
// what speaks for it and against it. Accepting is one key; whoever accepts is on the next line at once.
import { chooses, deed, deeds, listen, said } from "./deeds.js";
import { badge, icon, make, show } from "./dom.js";

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
  if (one.asked) left.append(badge(one.asked));
  if (one.note) left.append(make("span", "standing", `Note: ${one.note}`));
  const found = one.candidates.map(candidate);
  if (!found.length) found.push(make("div", "standing", one.remedy));
  const deeds = make("div", "deeds", null, one.deeds.map(([word, name, key, look]) => deed(word, name, key, look)));
  const item = make("li", one.overdue ? "overdue" : "", null, [left, make("div", "right", null, [...found, deeds])]);
  if (one.may) item.prepend(chooses(`${one.amount}, ${one.text}`, chosen.has(one.id)));
  if (one.said) item.append(said(one.said));
  item.dataset.id = one.id;
  return item;
}

function draw(data) {
  const chosen = new Set(data.chosen.map(String));
  const list = make("ul", "lines", null, data.lines.map((one) => line(one, chosen)));
  list.setAttribute("aria-label", data.label);
  return [list];
}

// The row somebody was on is gone, as it was dealt with: they are taken to the next that is still there, at once
// or when they come back from a drawer.
function follow(root, rowsBefore, held) {
  const there = (row) => root.querySelector(`[data-row="${CSS.escape(row)}"]`);
  const was = held ?? document.deskLeft;
  if (!rowsBefore.includes(was) || there(was)) return;
  const after = rowsBefore.slice(rowsBefore.indexOf(was)).find(there);
  const heir = after ? there(after) : [...root.querySelectorAll("[data-row]")].at(-1);
  if (held) onto(heir);
  else document.deskLeft = heir?.dataset.row;
}

function onto(row) {
  if (!row) return;
  document.deskLeft = row.dataset.row;
  row.focus();
  row.scrollIntoView({ block: "nearest" });
}

const OPENS = /:(open|more)/, MATCHES = /:(accept|take)/;

export default function ({ data: { heard, ...data }, parentElement, setTriggerValue }) {
  const before = parentElement.querySelector(".desk");
  const held = before.getRootNode().activeElement?.closest("li[data-id]")?.dataset.id;
  const rowsBefore = [...before.querySelectorAll("[data-row]")].map((row) => row.dataset.row);
  const root = show(parentElement, data, draw);
  follow(root, rowsBefore, held);
  const { tell, waits, rest } = deeds(root, heard, (told) => setTriggerValue("told", told));
  const matching = (item) => waits(new RegExp(`^${item.dataset.id}${MATCHES.source}`));
  const mark = (item) => item.classList.toggle("told", matching(item));
  root.querySelectorAll("li[data-id]").forEach(mark);
  const done = (item, name) => {
    const what = `${item.dataset.id}:${name}`;
    if (OPENS.test(what)) root.deskQuietUntil = performance.now() + 1500;
    if (!MATCHES.test(what)) return tell(what);
    if (matching(item)) return;
    tell(what);
    mark(item);
    onto(item.nextElementSibling?.querySelector("[data-row]"));
  };
  // A drawer takes a moment to open: what is typed meanwhile is meant for it, not for the row.
  const deaf = (event) => waits(OPENS) || performance.now() < root.deskQuietUntil || event.repeat;
  const quiet = listen(root, parentElement, { done, deaf });
  return () => {
    quiet();
    rest();
  };
}
