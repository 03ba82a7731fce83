// The list of payments. A click on a row, or Enter on its reference, picks that payment by reference:
// rows that moved in the meantime make no difference.
import { chooses, deeds } from "./deeds.js";
import { badge, icon, make, show } from "./dom.js";
import { leaveBox, roving } from "./keys.js";

// Letters as the search reads them: case and accents aside; and which letter of the text each came from.
function folded(text) {
  const letters = [], from = [];
  [...text].forEach((letter, place) => {
    for (const plain of letter.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase()) {
      letters.push(plain);
      from.push(place);
    }
  });
  return [letters, from];
}

function places(text, words, separators) {
  let [letters, from] = folded(text);
  if (separators) {
    const kept = letters.map((_, n) => n).filter((n) => !/[\s_\-.()/]/.test(letters[n]));
    [letters, from] = [kept.map((n) => letters[n]), kept.map((n) => from[n])];
  }
  const plain = letters.join("");
  if (plain.length !== letters.length) return [];  // letters beyond the first plane: nothing is marked
  return words.flatMap((word) => {
    const found = [];
    for (let at = plain.indexOf(word); at >= 0; at = plain.indexOf(word, at + word.length)) {
      found.push([from[at], from[at + word.length - 1] + 1]);
    }
    return found;
  });
}

// A text with what was searched for marked in it; both are set as text.
function marked(tag, className, text, marks) {
  const letters = [...text];
  const hit = new Array(letters.length).fill(false);
  for (const [start, end] of [...places(text, marks.words, false), ...places(text, marks.bare, true)]) hit.fill(true, start, end);
  if (!hit.includes(true)) return make(tag, className, text);
  const node = make(tag, className, null);
  for (let at = 0; at < letters.length; ) {
    let end = at;
    while (end < letters.length && hit[end] === hit[at]) end++;
    const part = letters.slice(at, end).join("");
    node.append(hit[at] ? make("mark", "", part) : document.createTextNode(part));
    at = end;
  }
  return node;
}

// What is too long for its cell ends in an ellipsis; the whole of it shows on a pointer's rest.
function second(text, marks) {
  const node = marked("span", "second", text, marks);
  node.title = text;
  return node;
}

const CELLS = {
  when: (row) => [make("span", "number", row.when)],
  amount: (row) => [make("span", "number", row.amount)].concat(row.received ? [make("span", "second", row.received)] : []),
  status: (row) => [badge(row.status)].concat([row.flag, row.old].filter(Boolean).flatMap((more) => [" ", badge(more)])),
  payer: (row, marks) => [marked("span", "", row.payer, marks), ...[row.contact, row.found].filter(Boolean).map((text) => second(text, marks))],
  event: (row, marks) => [marked("span", "", row.event, marks)].concat(row.category ? [make("span", "second", row.category)] : []),
  method: (row) => [make("span", "", row.method)],
  reference: (row, marks) => {
    if (row.told) return [make("span", "second", row.told)];  // a row of a file: there is nothing to open
    const button = marked("button", "", row.reference, marks);
    button.type = "button";
    button.dataset.row = row.reference;
    button.setAttribute("aria-label", `Open ${row.reference}`);
    return [button];
  },
};

// A heading sorts by its column: a second time the other way round.
function heading(key, title, sort) {
  const cell = make("th", key, sort && sort.keys[key] ? null : title);
  cell.scope = "col";
  if (!sort || !sort.keys[key]) return cell;
  const [up, down] = sort.keys[key];
  const button = make("button", "sort", title);
  button.type = "button";
  button.dataset.sort = sort.now === down ? up : down;
  if (sort.now === up || sort.now === down) {
    cell.setAttribute("aria-sort", sort.now === up ? "ascending" : "descending");
    button.append(icon(sort.now === up ? "arrow_upward" : "arrow_downward"));
  }
  cell.append(button);
  return cell;
}

function cell(row, key, marks) {
  return CELLS[key] ? CELLS[key](row, marks) : [make("span", "", row.more[key] ?? "–")];
}

function draw(data) {
  if (!data.rows.length && data.empty) return [make("p", "nothing", data.empty)];
  const marks = data.marks || { words: [], bare: [] };
  const chosen = data.chosen && new Set(data.chosen);
  const head = make("tr", "", null, data.columns.map(([key, title]) => heading(key, title, data.sort)));
  const rows = data.rows.map((row) => {
    const line = make("tr", "", null, data.columns.map(([key]) => make("td", key, null, cell(row, key, marks))));
    if (!row.told) line.dataset.reference = row.reference;
    if (chosen) {
      line.dataset.id = row.id;
      line.prepend(make("td", "tick", null, [chooses(`${row.reference}, ${row.payer}`, chosen.has(row.id))]));
    }
    return line;
  });
  if (chosen) {
    const box = make("th", "tick", null, [make("span", "hidden", "Choose")]);
    box.scope = "col";
    head.prepend(box);
  }
  const table = make("table", "", null, [make("caption", "hidden", data.label), make("thead", "", null, [head]), make("tbody", "", null, rows)]);
  return [make("div", "frame", null, [table])];
}

// Few columns need little room; where it is not there, each payment becomes a card.
function fit(root) {
  const room = root.querySelectorAll("th:not(.tick)").length > 5 ? 860 : 480;
  root.classList.toggle("cards", root.clientWidth < room);
}

export default function ({ data: { heard, ...data }, parentElement, setTriggerValue }) {
  const root = show(parentElement, data, draw);
  const choosing = data.chosen && deeds(root, heard, (told) => setTriggerValue("told", told));
  root.classList.toggle("bare", data.bare);
  fit(root);
  const watch = new ResizeObserver(() => fit(root));
  watch.observe(root);
  root.onclick = (event) => {
    if (event.target.closest(".tick")) return;
    const sort = event.target.closest("[data-sort]");
    if (sort) return setTriggerValue("sorted", sort.dataset.sort);
    const line = event.target.closest("tr[data-reference]");
    if (line && !String(getSelection())) setTriggerValue("picked", line.dataset.reference);
  };
  root.onchange = (event) => {
    const line = event.target.closest("tr");
    choosing?.tell(`${line.dataset.id}:${event.target.checked ? "choose" : "leave"}`);
    leaveBox(line);
  };
  const quiet = roving(parentElement, (event, row) => {
    const box = event.key === "x" && row.closest("tr").querySelector(".tick input");
    if (!box) return;
    event.preventDefault();
    box.click();
  });
  return () => {
    watch.disconnect();
    quiet();
    choosing?.rest();
  };
}
