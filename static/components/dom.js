// Small helpers for the components. Text only ever goes in as text: nobody's name becomes markup.
export function make(tag, className, text, children = []) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined && text !== null) node.textContent = text;
  node.append(...children);
  return node;
}

export function icon(name) {
  const node = make("span", "icon", name);
  node.setAttribute("aria-hidden", "true");
  node.setAttribute("translate", "no");
  return node;
}

export function badge({ word, icon: name, tone }) {
  return make("span", `badge ${tone}`, null, [icon(name), make("span", "", word)]);
}

// Put the component's content in place, unless it shows exactly this already. Whoever was on a row stays on it.
export function show(parent, data, draw) {
  const root = parent.querySelector(".desk");
  const text = JSON.stringify(data);
  if (root.dataset.shown === text) return root;
  const held = root.getRootNode().activeElement?.closest("[data-row]")?.dataset.row;
  root.dataset.shown = text;
  root.replaceChildren(...draw(data));
  if (held) root.querySelector(`[data-row="${CSS.escape(held)}"]`)?.focus();
  return root;
}
