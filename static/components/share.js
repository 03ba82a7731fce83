// Ways to send a link on: copy it, the phone's own sheet, or the app that sends it. Each use is told to the desk.
import { icon, make, show } from "./dom.js";

async function copy(text, parent) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  const box = make("textarea", "hidden", text);
  parent.append(box);
  box.select();
  document.execCommand("copy");
  box.remove();
}

// Whether it was sent on: whoever closes the sheet has shared nothing.
async function share(data) {
  try {
    await navigator.share({ title: data.title, text: data.text });
    return true;
  } catch (error) {
    if (error.name === "AbortError") return false;
    throw error;
  }
}

function draw(data) {
  const ways = data.ways.filter((way) => way.how !== "device" || navigator.share);
  return [make("div", "ways", null, ways.map((way) => {
    const node = make(way.url ? "a" : "button", "button", null, [icon(way.icon), make("span", "word", way.word)]);
    node.dataset.how = way.how;
    if (way.url) Object.assign(node, { href: way.url, target: "_blank", rel: "noopener noreferrer" });
    else node.type = "button";
    return node;
  }))];
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = show(parentElement, data, draw);
  root.onclick = async (event) => {
    const node = event.target.closest("[data-how]");
    if (!node) return;
    if (node.dataset.how === "device" && !(await share(data))) return;
    if (node.dataset.how === "copy") {
      await copy(data.copy, root);
      node.classList.add("done");
      node.querySelector(".icon").textContent = "check";
      node.querySelector(".word").textContent = "Copied";
    }
    if (node.dataset.how === "print") window.print();
    if (data.tell) setTriggerValue("shared", node.dataset.how);
  };
}
