// One place to go anywhere and do anything: Ctrl-K or the button. What it lists comes from the desk, for whoever
// is here; texts are set as text. Also the keys that hold on every page, and the sheet that tells them.
import { icon, make } from "./dom.js";
import { hostOf, isCovered, isTyping, listen } from "./keys.js";

const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);
const WAIT_MS = 160;
// What a reference or a number of a gateway looks like; anything else in the clipboard is nobody's business.
const IDENTIFIER = /^[A-Za-z0-9][A-Za-z0-9_-]{6,63}$/;

function build(root) {
  const opener = make("button", "opener", null, [icon("search"), make("span", "word", "Go to or do"), make("kbd", "", APPLE ? "⌘ K" : "Ctrl K")]);
  opener.type = "button";
  opener.setAttribute("aria-label", "Go to or do something");
  opener.setAttribute("aria-keyshortcuts", "Control+K Meta+K");
  const input = make("input");
  Object.assign(input, { type: "text", placeholder: "A page, a payment, something to do …", autocomplete: "off", spellcheck: false });
  for (const [name, value] of Object.entries({ role: "combobox", "aria-label": "Go to or do", "aria-expanded": "true", "aria-controls": "palette-list", "aria-autocomplete": "list" })) input.setAttribute(name, value);
  const list = make("div", "found");
  Object.assign(list, { id: "palette-list", tabIndex: -1 });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "What was found");
  const said = make("div", "hidden");
  said.setAttribute("role", "status");
  const close = make("button", "shut", null, [icon("close")]);
  close.type = "button";
  close.setAttribute("aria-label", "Close");
  const line = make("div", "asked", null, [icon("search"), input, close]);
  const box = make("dialog", "palette", null, [line, list, said]);
  box.setAttribute("aria-label", "Go to or do");
  const sheet = make("dialog", "sheet");
  sheet.setAttribute("aria-label", "Keys");
  root.replaceChildren(opener, box, sheet);
  return { root, opener, input, list, said, close, box, sheet, chosen: 0, items: [] };
}

function option(item, nth) {
  const words = make("span", "words", null, [make("span", "title", item.title)].concat(item.note ? [make("span", "note", item.note)] : []));
  const node = make("div", "option", null, [icon(item.icon), words]);
  node.id = `palette-${nth}`;
  node.dataset.nth = nth;
  node.setAttribute("role", "option");
  return node;
}

const NOTHING = "Nothing fits. Try a part of the name, an amount or a reference.";

function fill(parts, items, told = "") {
  parts.items = items;
  const drawn = [];
  let group = null;
  items.forEach((item, nth) => {
    if (item.group !== group) {
      group = item.group;
      const head = make("div", "group", group);
      head.setAttribute("role", "presentation");
      drawn.push(head);
    }
    drawn.push(option(item, nth));
  });
  if (told || !items.length) drawn.push(make("div", "none", told || NOTHING));
  parts.list.replaceChildren(...drawn);
  choose(parts, 0);
}

function choose(parts, nth) {
  const options = [...parts.list.querySelectorAll("[role=option]")];
  parts.chosen = options.length ? (nth + options.length) % options.length : 0;
  options.forEach((one, at) => one.setAttribute("aria-selected", String(at === parts.chosen)));
  const now = options[parts.chosen];
  if (now) {
    parts.input.setAttribute("aria-activedescendant", now.id);
    now.scrollIntoView({ block: "nearest" });
  } else parts.input.removeAttribute("aria-activedescendant");
}

async function fromClipboard(parts) {
  try {
    const leave = await navigator.permissions.query({ name: "clipboard-read" });
    if (leave.state === "prompt" && !parts.input.value) {
      // the browser asks whoever is here once they choose it; from then on what was copied is offered at once
      return fill(parts, [...parts.items, { id: null, group: "In the clipboard", title: "Look for what you copied", note: "the browser asks first", icon: "content_paste", paste: true }]);
    }
    if (leave.state !== "granted") return;
    const text = (await navigator.clipboard.readText()).trim();
    if (!IDENTIFIER.test(text) || !/[0-9]/.test(text) || parts.input.value) return;
    fill(parts, [{ id: null, group: "In the clipboard", title: text, note: "look for it", icon: "content_paste", ask: text }, ...parts.items]);
  } catch {
    // a browser that does not know this leave, or a page that lost the focus: nothing is offered
  }
}

async function paste(parts) {
  try {
    const text = (await navigator.clipboard.readText()).trim().slice(0, 200);
    if (!text) return fill(parts, [], "Nothing was copied.");
    parts.input.value = text;
    parts.ask(text);
    fill(parts, [], "Looking …");
  } catch {
    fill(parts, [], "The browser did not let us see what was copied. Paste it into the box.");
  }
  parts.input.focus();
}

function openPalette(parts) {
  if (parts.box.open) return;
  parts.sheet.close();
  parts.input.value = "";
  parts.ask("");
  fill(parts, parts.start);
  parts.box.showModal();
  parts.input.focus();
  fromClipboard(parts);
}

function openSheet(parts, keys) {
  const close = make("button", "shut", null, [icon("close")]);
  close.type = "button";
  close.setAttribute("aria-label", "Close");
  close.onclick = () => parts.sheet.close();
  const sections = keys.map(([title, lines]) => make("section", "", null, [
    make("h3", "", title),
    make("dl", "", null, lines.flatMap(([pressed, what]) => [
      make("dt", "", null, pressed.map((key) => make("kbd", "", APPLE ? key.replace("Ctrl", "⌘") : key))), make("dd", "", what)])),
  ]));
  parts.sheet.replaceChildren(make("div", "head", null, [make("h2", "", "Keys"), close]), make("div", "sections", null, sections));
  parts.sheet.showModal();
}

function searchBox() {
  return [...document.querySelectorAll("input[type=search]")].find((box) => box.offsetParent !== null);
}

export default function ({ data, parentElement, setTriggerValue, setStateValue }) {
  const root = parentElement.querySelector(".desk");
  const parts = (root.parts ??= build(root));
  parts.start = data.start;
  parts.ask = (text) => setStateValue("query", text);
  const pick = (item) => {
    if (!item) return;
    if (item.paste) return paste(parts);
    if (item.ask) {
      parts.input.value = item.ask;
      parts.ask(item.ask);
      return fill(parts, [], "Looking …");
    }
    parts.box.close();
    if (item.id === "keys") openSheet(parts, data.keys);
    else if (item.href) location.assign(item.href);
    else setTriggerValue("picked", item.id);
  };
  if (parts.box.open && data.query === parts.input.value.trim() && data.query) {
    fill(parts, data.found, data.trouble);
    parts.said.textContent = data.trouble || `${data.found.length} found`;
  }
  parts.opener.onclick = () => openPalette(parts);
  parts.close.onclick = () => parts.box.close();
  parts.box.onclick = (event) => { if (event.target === parts.box) parts.box.close(); };
  parts.sheet.onclick = (event) => { if (event.target === parts.sheet) parts.sheet.close(); };
  parts.list.onclick = (event) => pick(parts.items[event.target.closest("[data-nth]")?.dataset.nth]);
  parts.input.oninput = () => {
    clearTimeout(parts.wait);
    const text = parts.input.value.trim();
    if (!text) return fill(parts, parts.start);
    parts.wait = setTimeout(() => parts.ask(text), WAIT_MS);
    parts.said.textContent = "";
    fill(parts, [], "Looking …");
  };
  parts.input.onkeydown = (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) choose(parts, parts.chosen + by);
    else if (event.key === "Enter") pick(parts.items[parts.chosen]);
    else return;
    event.preventDefault();
  };
  const host = hostOf(parentElement);
  return listen(host, (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      return parts.box.open ? parts.box.close() : openPalette(parts);
    }
    if (isTyping(event) || parts.box.open || parts.sheet.open) return;
    if (event.key === "?") openSheet(parts, data.keys);
    else if (event.key === "/" && !isCovered(host)) searchBox() ? searchBox().focus() : openPalette(parts);
    else return;
    event.preventDefault();
  });
}
