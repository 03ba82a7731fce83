// Says news aloud to a screen reader, once, and rings softly when it is about money that came.
import { make, show } from "./dom.js";

function ring() {
  const audio = new (window.AudioContext || window.webkitAudioContext)();
  [660, 880].forEach((pitch, nth) => {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    const start = audio.currentTime + nth * 0.14;
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.12, start);
    volume.gain.exponentialRampToValueAtTime(0.001, start + 0.35);
    tone.connect(volume).connect(audio.destination);
    tone.start(start);
    tone.stop(start + 0.36);
  });
}

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
