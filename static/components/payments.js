// The list of payments. A click on a row, or Enter on its reference, picks that payment by reference:
// rows that moved in the meantime make no difference.
import { badge, make, show } from "./dom.js";

// What is too long for its cell ends in an ellipsis; the whole of it shows on a pointer's rest.
function second(text) {
  const node = make("span", "second", text);
  node.title = text;
  return node;
}

const CELLS = {
  when: (row) => [make("span", "number", row.when)],
  amount: (row) => [make("span", "number", row.amount)].concat(row.received ? [make("span", "second", row.received)] : []),
  status: (row) => [badge(row.status)].concat(row.flag ? [" ", badge(row.flag)] : []),
  payer: (row) => [make("span", "", row.payer)].concat(row.contact ? [second(row.contact)] : []),
  event: (row) => [make("span", "", row.event)].concat(row.category ? [make("span", "second", row.category)] : []),
  method: (row) => [make("span", "", row.method)],
  reference: (row) => {
    const button = make("button", "", row.reference);
    button.type = "button";
    button.setAttribute("aria-label", `Open ${row.reference}`);
    return [button];
  },
};

function draw(data) {
  const head = make("tr", "", null, data.columns.map(([key, title]) => {
    const cell = make("th", key, title);
    cell.scope = "col";
    return cell;
  }));
  const rows = data.rows.map((row) => {
    const line = make("tr", "", null, data.columns.map(([key]) => make("td", key, null, CELLS[key](row))));
    line.dataset.reference = row.reference;
    return line;
  });
  const table = make("table", "", null, [make("caption", "hidden", data.label), make("thead", "", null, [head]), make("tbody", "", null, rows)]);
  return [make("div", "frame", null, [table])];
}

function step(root, from, by) {
  const buttons = [...root.querySelectorAll("tbody button")];
  buttons[buttons.indexOf(from) + by]?.focus();
}

// Few columns need little room; where it is not there, each payment becomes a card.
function fit(root) {
  const room = root.querySelectorAll("th").length > 5 ? 860 : 480;
  root.classList.toggle("cards", root.clientWidth < room);
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = show(parentElement, data, draw);
  root.classList.toggle("bare", data.bare);
  fit(root);
  const watch = new ResizeObserver(() => fit(root));
  watch.observe(root);
  root.onclick = (event) => {
    const line = event.target.closest("tr[data-reference]");
    if (line && !String(getSelection())) setTriggerValue("picked", line.dataset.reference);
  };
  root.onkeydown = (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by && event.target.matches("tbody button")) {
      event.preventDefault();
      step(root, event.target, by);
    }
  };
  return () => watch.disconnect();
}
