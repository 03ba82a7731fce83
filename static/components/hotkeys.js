// Keys of a page or a drawer, each bound to the widget that does the same: a key clicks it.
import { hostOf, isCovered, isTyping, listen } from "./keys.js";

function target(name) {
  return document.querySelector(`.st-key-${name} button:not(:disabled), button.st-key-${name}:not(:disabled)`);
}

// Take whoever came by a key to where they write, once for each ``focus.token``. A drawer that opens puts the
// focus on its own first button a little later: for a moment it is fetched back.
function takeTo(name, tries = 25) {
  const field = document.querySelector(`.st-key-${name} :is(textarea, input)`);
  const at = document.activeElement;
  if (at !== field && at?.matches("textarea, input")) return;
  field?.focus();
  if (tries) setTimeout(() => takeTo(name, tries - 1), 80);
}

export default function ({ data, parentElement }) {
  const host = hostOf(parentElement);
  if (data.focus && host.deskFocus !== data.focus.token) {
    host.deskFocus = data.focus.token;
    takeTo(data.focus.name);
  }
  return listen(host, (event) => {
    if (isTyping(event) || isCovered(host)) return;
    const name = data.keys[event.key];
    const button = name && target(name);
    if (!button) return;
    event.preventDefault();
    button.click();
  });
}
