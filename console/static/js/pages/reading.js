// One text, read to its end: which pages were shown from top to bottom, and for how long, told to the server as it goes.
import { HttpError, post } from "../http.js";
import { ready } from "../ready.js";
import { toast } from "../toast.js";

const TELL_EVERY = 4000; // ms
const TICK = 100; // ms
const QUICKEST = 1500; // characters a second, as the server has it
/** The time (ms) below which nobody can have read these pages. */
const quickest = (...pages) => (pages.reduce((sum, page) => sum + page.textContent.replace(/\s/g, "").length, 0) / QUICKEST) * 1000;

const main = document.querySelector("[data-reading]");
const doc = main.querySelector("[data-doc]");

wireLarge();
wireKeys();
wireLeaving();
if (main.dataset.url) follow(main.dataset);
ready("reading");

function wireLarge() {
  const button = main.querySelector("[data-large]");
  const show = (large) => {
    doc.classList.toggle("large", large);
    button.setAttribute("aria-pressed", String(large));
  };
  show(localStorage.getItem("large-print") === "1");
  button.addEventListener("click", () => {
    const large = button.getAttribute("aria-pressed") !== "true";
    localStorage.setItem("large-print", large ? "1" : "0");
    show(large);
  });
}

/** The text scrolls by the usual keys wherever the focus is, as a page does that scrolls as a whole. */
function wireKeys() {
  const page = () => doc.clientHeight * 0.9;
  const moves = { PageDown: page, PageUp: () => -page(), ArrowDown: () => 60, ArrowUp: () => -60, Home: () => -doc.scrollHeight, End: () => doc.scrollHeight };
  document.addEventListener("keydown", (event) => {
    if (!(event.key in moves) || doc.contains(event.target) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    doc.scrollBy({ top: moves[event.key]() });
  });
}

/** Opened in a tab of its own, beside a form half filled in: going back closes it, and the form is there again. */
function wireLeaving() {
  if (history.length > 1) return;
  for (const way of document.querySelectorAll("[data-back]")) {
    way.addEventListener("click", (event) => {
      event.preventDefault();
      window.close();
    });
  }
}

function follow({ url, sha256, seen: seenBefore, shown: shownBefore }) {
  const pages = [...doc.querySelectorAll("[data-page]")];
  const seen = new Set(seenBefore.split(" ").filter(Boolean).map(Number));
  const edges = new Map(); // page: the edges of it that were on the screen
  const agree = document.querySelector("[data-agree]");
  const why = document.querySelector("[data-why]");
  let shown = Number(shownBefore);
  let since = document.visibilityState === "visible" ? performance.now() : null;
  let told = "";
  let opened = null;

  const shownNow = () => Math.round(shown + (since === null ? 0 : performance.now() - since));
  const complete = () => seen.size === pages.length && shownNow() >= quickest(...pages);
  const report = () => ({ seen: [...seen], shown_ms: shownNow() });

  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") since = performance.now();
    else {
      shown = shownNow();
      since = null;
      void tell();
    }
  });

  // A page counts once both its edges were on the screen and it stayed there long enough to be read: rushing past is not reading.
  const needed = pages.map((page) => quickest(page));
  const stayed = pages.map(() => 0);
  const onScreen = new Set();

  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (target.dataset.page) isIntersecting ? onScreen.add(target) : onScreen.delete(target);
        else if (isIntersecting) note(target);
      }
    },
    { root: doc, rootMargin: "4px 0px" },
  );
  for (const each of doc.querySelectorAll("[data-page], [data-edge]")) watcher.observe(each);

  function note(edge) {
    const number = Number(edge.parentElement.dataset.page);
    edges.set(number, (edges.get(number) ?? new Set()).add(edge.dataset.edge));
  }

  const ticker = setInterval(() => {
    if (document.visibilityState !== "visible") return;
    for (const page of onScreen) {
      const number = Number(page.dataset.page);
      stayed[number - 1] += TICK;
      if (edges.get(number)?.size === 2 && stayed[number - 1] >= needed[number - 1]) seen.add(number);
    }
    draw();
    if (complete()) clearInterval(ticker);
  }, TICK);

  function draw() {
    document.querySelector("[data-bar]").value = seen.size;
    const bottom = doc.getBoundingClientRect().bottom;
    const here = pages.filter((page) => page.getBoundingClientRect().top < bottom - 24).length || 1;
    document.querySelector("[data-place]").textContent = `第 ${here} 页，共 ${pages.length} 页`;
    agree.setAttribute("aria-disabled", String(!complete()));
    if (complete()) say("已读到末页，可以同意。");
    else if (here === pages.length && seen.size < pages.length) say(`前面还有 ${pages.length - seen.size} 页没有读到，请往回看。`);
    else say("请完整阅读该协议内容，读到末页后可以同意。");
  }
  const say = (text) => why.textContent !== text && (why.textContent = text);

  doc.addEventListener("scroll", draw, { passive: true });
  draw();

  const open = () =>
    (opened ??= post(`${url}/open`).catch((error) => {
      opened = null;
      throw error;
    }));

  async function tell() {
    const now = JSON.stringify([...seen]);
    if (now === told) return;
    try {
      await open();
      await post(`${url}/progress`, report());
      told = now;
    } catch (error) {
      if (!(error instanceof HttpError)) throw error; // what was not told now is told next time
    }
  }
  open().catch((error) => toast(error.message, "bad"));
  const timer = setInterval(tell, TELL_EVERY);

  agree.addEventListener("click", async () => {
    if (!complete()) {
      toast("请完整阅读该协议内容", "wait");
      pages.find((page) => !seen.has(Number(page.dataset.page)))?.scrollIntoView({ block: "start" });
      return;
    }
    agree.setAttribute("aria-busy", "true");
    try {
      await open();
      const answer = await post(`${url}/finish`, { ...report(), sha256 });
      clearInterval(timer);
      location.assign(answer.next);
    } catch (error) {
      agree.removeAttribute("aria-busy");
      if (!(error instanceof HttpError)) throw error;
      toast(error.message, error.code === "not_read" ? "wait" : "bad");
    }
  });
}
