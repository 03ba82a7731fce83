// Everything that happened to one payment, day by day.
import { icon, make, show } from "./dom.js";

function folded(title, text) {
  return make("details", "", null, [make("summary", "", title), make("pre", "", text)]);
}

function line(entry) {
  const dot = make("span", `badge dot ${entry.tone}`, null, [icon(entry.icon)]);
  const told = [make("div", "what", entry.title), make("div", "who", entry.who)];
  if (entry.detail) told.push(folded("Details", entry.detail));
  if (entry.raw) told.push(folded("As received", entry.raw));
  return make("li", "", null, [dot, make("div", "", null, told), make("time", "at", entry.at)]);
}

function draw(data) {
  return data.days.flatMap((day) => [make("div", "day", day.day), make("ol", "", null, day.entries.map(line))]);
}

export default function ({ data, parentElement }) {
  show(parentElement, data, draw);
}
