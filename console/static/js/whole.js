// Runs first, as a classic script: a page whose scripts or styles did not all arrive (the server began anew, the line broke) is fetched again.
(() => {
  const COUNT = "fetched-again";
  const MOST = 5;
  let broken = false;

  /** Once the server answers: a page asked for too early would be the browser's own error page, which never asks again. */
  async function again() {
    try {
      if ((await fetch("/healthz", { cache: "no-store" })).ok) return location.replace(location.pathname + location.search);
    } catch {
      // not yet
    }
    setTimeout(again, 2000);
  }

  addEventListener(
    "error",
    ({ target }) => {
      if (broken || !(target instanceof HTMLScriptElement || target instanceof HTMLLinkElement)) return;
      broken = true;
      const times = Number(sessionStorage.getItem(COUNT) ?? 0);
      sessionStorage.setItem(COUNT, String(times + 1));
      if (times < MOST) setTimeout(again, 1000 * 2 ** times);
    },
    true, // such errors do not bubble
  );
  addEventListener("load", () => broken || sessionStorage.removeItem(COUNT));
})();
