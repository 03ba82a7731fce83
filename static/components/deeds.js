// What somebody does in a list, in the order they did it. Streamlit keeps only the newest value that a component
// sent while the page was being run, so each message holds everything that the desk has not yet said it heard;
// what it heard before it passes over. One message is under way at a time, so that answers are seen in between.
import { icon, make } from "./dom.js";
import { leaveBox, roving } from "./keys.js";

const AGAIN_AFTER = 8000;

// ``heard`` is the number of the last deed that the desk did. ``tell`` is for another one, ``waits`` knows whether
// one of a kind is still to be heard, and ``rest`` ends the repeating when the list goes.
export function deeds(root, heard, send) {
  const queue = (root.deskDeeds ??= { told: heard, sent: heard, waiting: [], patience: AGAIN_AFTER });
  queue.waiting = queue.waiting.filter(([number]) => number > heard);
  const rest = () => clearTimeout(queue.timer);
  const repeat = () => {
    rest();
    queue.timer = setTimeout(pass, queue.patience); // a connection may have been lost
  };
  const pass = () => {
    if (queue.sent === queue.told) queue.patience *= 2;
    else [queue.sent, queue.patience] = [queue.told, AGAIN_AFTER];
    send(queue.waiting);
    repeat();
  };
  if (!queue.waiting.length) rest();
  else if (queue.sent <= heard) pass();
  else repeat();
  return {
    tell(what) {
      queue.waiting.push([++queue.told, what]);
      if (queue.waiting.length === 1) pass();
    },
    waits: (kind) => queue.waiting.some(([, what]) => kind.test(what)),
    rest,
  };
}

// A button that tells a deed, and the key that does the same.
export function deed(word, name, key, look = "") {
  const node = make("button", `deed ${look}`, null, (key ? [make("kbd", "", key)] : []).concat([make("span", "", word)]));
  Object.assign(node, { type: "button", tabIndex: -1 });
  node.dataset.deed = name;
  return node;
}

// A box that chooses a row among several.
export function chooses(label, checked) {
  const box = make("input");
  Object.assign(box, { type: "checkbox", checked, tabIndex: -1 });
  box.setAttribute("aria-label", `Choose ${label}`);
  return make("label", "choose", null, [box]);
}

// What the desk said of a row.
export const said = (words) => make("div", "said", null, [icon("info"), make("span", "", words)]);

// Clicks, boxes and keys of rows, each a deed that is given to ``done`` with its row. ``keys``: of deeds that have
// no button. What is typed while it is ``deaf`` is meant for something else.
export function listen(root, parent, { done, deaf, keys = {} }) {
  root.onclick = (event) => {
    const item = event.target.closest("li[data-id]");
    const button = event.target.closest("[data-deed]");
    if (item && button) done(item, button.dataset.deed);
  };
  root.onchange = (event) => {
    const item = event.target.closest("li[data-id]");
    done(item, event.target.checked ? "choose" : "leave");
    leaveBox(item);
  };
  return roving(parent, (event, row) => {
    if (deaf(event)) return;
    const item = row.closest("li[data-id]");
    const button = [...item.querySelectorAll(".deed")].find((one) => one.querySelector("kbd")?.textContent === event.key);
    const box = item.querySelector("input");
    if (button) done(item, button.dataset.deed);
    else if (keys[event.key]) done(item, keys[event.key]);
    else if (event.key === "x" && box) box.click();
    else return;
    event.preventDefault();
  });
}
