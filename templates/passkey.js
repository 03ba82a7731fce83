// Asks this browser for a passkey, and sends the form with its answer. A form that says which stays hidden where
// there are none.
const SAID = {
  NotAllowedError: "Nothing was confirmed: it was stopped, or took too long. Try again.",
  InvalidStateError: "This device has a passkey for this desk already.",
};

async function answer({ dataset }) {
  const asked = JSON.parse(dataset.options);
  const one = dataset.kind === "new"
    ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(asked) })
    : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(asked) });
  return JSON.stringify(one.toJSON());
}

function begin(form) {
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = form.querySelector("[role=alert]"), button = form.querySelector("button");
    said.textContent = "";
    button.disabled = true;
    try {
      form.elements.answer.value = await answer(form);
      form.submit();
    } catch (error) {
      said.textContent = SAID[error.name] ?? "This browser could not use a passkey here. Try another way.";
      button.disabled = false;
    }
  });
}

for (const form of document.querySelectorAll("form[data-options]")) {
  const here = location.hostname === form.dataset.party;
  const able = window.PublicKeyCredential?.parseRequestOptionsFromJSON;
  if (here && able) begin(form);
  else form.nextElementSibling?.matches(".unable") && (form.nextElementSibling.hidden = false);
}
