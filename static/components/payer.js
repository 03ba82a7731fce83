// The screen that is turned to a payer: a code to scan, how much and for whom, and what came of it. It is white
// in every theme, since it is read in the sun and by a camera. It stays open while what it shows changes.
import { icon, make } from "./dom.js";

// For which payment it is open: the page may put this component in place anew meanwhile.
let openFor = null;
let awake = null;

async function keepAwake() {
  if (!navigator.wakeLock || awake) return;
  try {
    awake = await navigator.wakeLock.request("screen");
    awake.addEventListener("release", () => { awake = null; });
  } catch (error) {
    console.info("the screen may go dark:", error.message); // a phone that saves power says no
  }
}

function button(className, name, word) {
  const node = make("button", className, null, [icon(name), make("span", "", word)]);
  node.type = "button";
  return node;
}

function build(root, data) {
  const dialog = make("dialog", "payer", null, [
    make("div", "who", null, [make("div", "amount"), make("div", "quoted"), make("div", "name"), make("div", "event")].concat(
      data.demo ? [make("div", "demo", "DEMO · no real money")] : [])),
    make("div", "code", null, [make("img"), icon("check_circle")]),
    make("div", "says"),
    make("div", "foot", null, [button("back", "arrow_back", data.words.back), button("next", "person_add", data.words.next)]),
  ]);
  dialog.querySelector(".says").setAttribute("role", "status");
  root.append(button("button opens", "qr_code_2", data.words.open), dialog);
  return dialog;
}

function fill(dialog, data) {
  const put = (name, text) => {
    const node = dialog.querySelector(`.${name}`);
    if (node.textContent !== text) node.textContent = text;
  };
  dialog.dataset.state = data.state;
  dialog.setAttribute("aria-label", data.words.open);
  dialog.querySelector(".who").lang = dialog.querySelector(".says").lang = data.lang;
  put("amount", data.amount);
  put("quoted", data.quoted);
  put("name", data.name);
  put("event", data.event);
  put("says", data.says);
  const picture = dialog.querySelector("img");
  if (picture.getAttribute("src") !== data.picture) Object.assign(picture, { src: data.picture, alt: data.about });
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".desk");
  const dialog = root.querySelector("dialog") ?? build(root, data);
  const open = () => {
    openFor = data.reference;
    if (!dialog.open) dialog.showModal();
    keepAwake();
  };
  const shut = () => {
    openFor = null;
    awake?.release();
    dialog.close();
  };
  fill(dialog, data);
  root.querySelector(".opens").onclick = open;
  dialog.querySelector(".back").onclick = shut;
  dialog.oncancel = () => { openFor = null; };
  dialog.querySelector(".next").onclick = () => {
    shut();
    setTriggerValue("next", data.reference);
  };
  if (openFor === data.reference) open();
  if (dialog.open && data.state === "paid") dialog.querySelector(".next").focus();
}
