// The ring of an incoming call: two tones from the browser itself, and a shake where the device can.

let context = null;

/** Browsers let a page sound only after the person has touched it: call this from any click early on. */
export function allowSound() {
  context ??= new AudioContext();
  return context.resume();
}

/** Ring until the returned function is called. */
export function ring({ everyMs = 2500 } = {}) {
  context ??= new AudioContext();
  const once = () => {
    navigator.vibrate?.([300, 150, 300]);
    if (context.state !== "running") return;
    chime(context.currentTime, 880);
    chime(context.currentTime + 0.28, 660);
  };
  context.resume().then(once, () => {});
  const timer = setInterval(once, everyMs);
  return () => {
    clearInterval(timer);
    navigator.vibrate?.(0);
  };
}

/** Ring a little while, or until the page is touched. */
export function ringFor(ms = 10_000) {
  const stop = ring();
  const timer = setTimeout(stop, ms);
  document.addEventListener("pointerdown", () => (clearTimeout(timer), stop()), { once: true });
}

/** One short tone, if the person has touched the page before. */
export function tone() {
  context ??= new AudioContext();
  if (context.state === "running") chime(context.currentTime, 740);
}

function chime(at, hertz) {
  const tone = context.createOscillator();
  const volume = context.createGain();
  tone.frequency.value = hertz;
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(0.22, at + 0.02);
  volume.gain.exponentialRampToValueAtTime(0.001, at + 0.26);
  tone.connect(volume).connect(context.destination);
  tone.start(at);
  tone.stop(at + 0.28);
}
