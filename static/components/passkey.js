// A button that asks this browser for a passkey and tells its answer, or says why there is none.
import { icon, make } from "./dom.js";

async function ask(options) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(options));
  const one = await navigator.credentials.get({ publicKey });
  return JSON.stringify(one.toJSON());
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".desk");
  const able = location.hostname === data.party && window.PublicKeyCredential?.parseRequestOptionsFromJSON;
  if (!able) {
    root.replaceChildren(make("p", "", `This browser keeps no passkeys for this address. They are for ${data.origin}.`));
    return;
  }
  const button = make("button", "opens", null, [icon("passkey"), make("span", "", "Confirm with a passkey")]);
  const said = make("p", "");
  said.setAttribute("role", "alert");
  button.type = "button";
  button.onclick = async () => {
    button.disabled = true;
    said.textContent = "";
    try {
      setTriggerValue("answer", await ask(data.options));
    } catch {
      said.textContent = "Nothing was confirmed: it was stopped, or took too long. Try again.";
      button.disabled = false;
    }
  };
  root.replaceChildren(button, said);
}
