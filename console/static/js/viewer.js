// Evidence pictures: turn, come closer, move, original beside crop. Both figures turn and move together.
// One of the viewer's own tiles is shown first; where it has none, whatever the returned show() is told.
import { ready } from "./ready.js";

const STEPS = [1, 1.5, 2, 3, 4.5, 6];

export function wireViewer(viewer) {
  const stage = viewer.querySelector("[data-stage]");
  if (!stage) return null;
  const tiles = [...viewer.querySelectorAll("[data-picture]")];
  const figures = Object.fromEntries([...viewer.querySelectorAll("figure")].map((each) => [each.dataset.side, each]));
  const state = { tile: null, mode: "both", zoom: 0, angle: 0, x: 0, y: 0 };

  const apply = () => {
    for (const { style } of stage.querySelectorAll("img")) {
      style.transform = `translate(${state.x}px, ${state.y}px) rotate(${state.angle}deg) scale(${STEPS[state.zoom] * fit(state.angle)})`;
    }
    stage.classList.toggle("near", state.zoom > 0);
  };
  const fit = (angle) => {
    if (angle % 180 === 0) return 1;
    const box = stage.querySelector("figure:not([hidden]) .box").getBoundingClientRect();
    return Math.min(1, box.height / box.width, box.width / box.height);
  };
  const reset = () => Object.assign(state, { zoom: 0, angle: 0, x: 0, y: 0 });

  const write = (name, text) => {
    for (const place of viewer.querySelectorAll(`[data-${name}]`)) place.textContent = text;
  };
  /** `tile`: an element, or {dataset}: picture (address), title, cut?, size?, kept?, warnings?. */
  const show = (tile) => {
    state.tile = tile;
    reset();
    for (const each of tiles) {
      each.classList.toggle("on", each === tile);
      each.setAttribute("aria-pressed", String(each === tile));
    }
    const { picture, title, size = "", kept = "", warnings = "" } = tile.dataset;
    const cut = figures.original && "cut" in tile.dataset;
    for (const [name, text] of Object.entries({ title, size, kept, warnings, "cut-title": cut ? "切边后" : title })) write(name, text);
    for (const modes of viewer.querySelectorAll("[data-modes]")) modes.hidden = !cut;
    fill(figures.cropped, picture, title);
    if (cut) fill(figures.original, `${picture}?variant=original`, `${title}原图`);
    compare(state.mode);
  };
  const fill = (figure, src, alt) => {
    const img = figure.querySelector("img");
    if (img.getAttribute("src") !== src) img.src = src;
    img.alt = alt;
  };
  const compare = (mode) => {
    state.mode = mode;
    const both = Boolean(figures.original) && mode === "both" && "cut" in state.tile.dataset;
    if (figures.original) figures.original.hidden = !both;
    stage.classList.toggle("one", !both);
    for (const each of viewer.querySelectorAll("[data-mode]")) each.setAttribute("aria-pressed", String(each.dataset.mode === mode));
    apply();
  };

  const acts = {
    closer: () => zoom(1),
    farther: () => zoom(-1),
    left: () => turn(-90),
    right: () => turn(90),
    fit: () => (reset(), apply()),
    compare: () => compare(state.mode === "both" ? "one" : "both"),
  };
  const zoom = (by) => {
    state.zoom = Math.min(STEPS.length - 1, Math.max(0, state.zoom + by));
    if (state.zoom === 0) Object.assign(state, { x: 0, y: 0 });
    apply();
  };
  const turn = (by) => {
    state.angle += by;
    apply();
  };

  viewer.addEventListener("click", (event) => {
    const act = event.target.closest("[data-view]")?.dataset.view;
    const mode = event.target.closest("[data-mode]")?.dataset.mode;
    const tile = event.target.closest("[data-picture]");
    if (act) acts[act]();
    else if (mode) compare(mode);
    else if (tile) show(tile);
  });
  stage.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      zoom(event.deltaY < 0 ? 1 : -1);
    },
    { passive: false },
  );
  stage.addEventListener("pointerdown", (event) => {
    if (state.zoom === 0 || event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    const from = { x: state.x - event.clientX, y: state.y - event.clientY };
    const drag = (move) => {
      Object.assign(state, { x: from.x + move.clientX, y: from.y + move.clientY });
      apply();
    };
    stage.addEventListener("pointermove", drag);
    stage.addEventListener("pointerup", () => stage.removeEventListener("pointermove", drag), { once: true });
  });
  if (tiles.length) show(tiles[0]);
  ready("viewer");
  return show;
}
