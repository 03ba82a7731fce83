// What the keyboard does in lists: one row can be reached by Tab, the arrows or j and k move to the others.
// A key is never taken from somebody who types, and never from what lies under an open drawer.
const TYPED_INTO = "input, textarea, select, [contenteditable], [role=combobox], [role=listbox], [role=option], [role=menu], [role=menuitem]";

export function isTyping(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return true;
  const at = event.composedPath()[0];
  if (!(at instanceof Element) || at.closest("dialog:not([open])")) return false; // a field that has just gone
  return at.isContentEditable || at.closest(TYPED_INTO) !== null;
}

// Arrow down in a box that searches has no use of its own: it goes on to what was found.
function leavesSearch(event) {
  if (event.key !== "ArrowDown" || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return false;
  const at = event.composedPath()[0];
  return at instanceof Element && at.matches("input[type=search]:not([role=combobox])");
}

export function hostOf(parent) {
  return parent.host ?? parent;
}

// Whether something lies over this component: keys are then for what is on top.
export function isCovered(host) {
  const dialogs = [...document.querySelectorAll("[role=dialog]")];
  return dialogs.length > 0 && !dialogs.some((dialog) => dialog.contains(host));
}

// Listen to the whole page until the component draws again or goes.
export function listen(host, handler) {
  host.deskKeys?.abort();
  const mine = (host.deskKeys = new AbortController());
  document.addEventListener("keydown", handler, { signal: mine.signal });
  return () => mine.abort();
}

function rowsOf(host) {
  return [...(host.shadowRoot ?? host).querySelectorAll("[data-row]")];
}

function lists(host) {
  const scope = host.closest("[role=dialog]") ?? document;
  return [...scope.querySelectorAll("[data-desk-list]")].filter((one) => rowsOf(one).length > 0);
}

function focused(host) {
  const at = (host.shadowRoot ?? document).activeElement;
  return at ? rowsOf(host).indexOf(at.closest("[data-row]")) : -1;
}

// The row somebody was on last: they come back to it after a drawer, or when the list was put in place anew.
function left(host) {
  return rowsOf(host).find((row) => row.dataset.row === document.deskLeft);
}

function focus(row) {
  if (!row) return;
  document.deskLeft = row.dataset.row;
  for (const other of rowsOf(row.getRootNode().host ?? row.closest("[data-desk-list]"))) other.tabIndex = -1;
  row.tabIndex = 0;
  row.focus();
  row.scrollIntoView({ block: "nearest" });
}

// The row after or before the one with the focus, in this list or in the next one on the page.
function step(host, by) {
  const rows = rowsOf(host);
  const to = focused(host) + by;
  if (rows[to]) return focus(rows[to]);
  const all = lists(host);
  const next = all[all.indexOf(host) + by];
  if (next) focus(by > 0 ? rowsOf(next)[0] : rowsOf(next).at(-1));
}

// Back from the box of an item to its row: in a box keys are taken for typing.
export function leaveBox(item) {
  item.querySelector("[data-row]").focus({ preventScroll: true });
}

// Make the rows of a component one stop for Tab. ``more`` is called with other keys pressed on a row.
export function roving(parent, more) {
  const host = hostOf(parent);
  host.dataset.deskList = "";
  const rows = rowsOf(host);
  const stops = rows.filter((row) => row.tabIndex === 0);
  if (stops.length > 1) rows.forEach((row, nth) => { row.tabIndex = nth === Math.max(focused(host), 0) ? 0 : -1; });
  return listen(host, (event) => {
    if (isCovered(host)) return;
    if (leavesSearch(event) && lists(host)[0] === host) {
      event.preventDefault();
      return focus(rowsOf(host)[0]);
    }
    if (isTyping(event)) return;
    const at = focused(host);
    const somewhere = lists(host).some((one) => focused(one) >= 0);
    const mine = at >= 0 || (!somewhere && (lists(host).find(left) ?? lists(host)[0]) === host);
    if (!mine) return;
    const by = { j: 1, k: -1, ...(at >= 0 ? { ArrowDown: 1, ArrowUp: -1 } : {}) }[event.key];
    if (by) {
      event.preventDefault();
      if (at < 0) focus(left(host) ?? rowsOf(host)[0]);
      else step(host, by);
    } else if (at >= 0 && more) more(event, rowsOf(host)[at]);
  });
}
