// A soft ring for money that came. Phones play nothing before somebody has touched the page: the first touch
// makes the one voice that is used from then on.
let audio;

function wake() {
  audio ??= new (window.AudioContext || window.webkitAudioContext)();
  if (audio.state === "suspended") audio.resume();
}

document.addEventListener("pointerdown", wake, { capture: true });

export function ring() {
  wake();
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
