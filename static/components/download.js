// A file that begins to come by itself: once for each address, however often the page is drawn.
import { make } from "./dom.js";

const fetched = new Set();

export default function ({ data, parentElement }) {
  if (fetched.has(data.address)) return;
  fetched.add(data.address);
  const link = make("a", "hidden");
  Object.assign(link, { href: data.address, download: "", tabIndex: -1 });
  parentElement.querySelector(".desk").replaceChildren(link);
  link.click();
}
