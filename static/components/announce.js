// Says news aloud to a screen reader, once, and rings softly when it is about money that came.
import { make, show } from "./dom.js";
import { ring } from "./ring.js";

export default function ({ data, parentElement }) {
  const root = show(parentElement, "region", () => {
    const region = make("div", "hidden");
    region.setAttribute("role", "status");
    region.setAttribute("aria-live", "polite");
    return [region];
  });
  const region = root.firstElementChild;
  if (region.textContent === data.text) return;
  region.textContent = data.text;
  if (data.ring && data.text) ring();
}
