// Runs first, as a classic script: a page whose scripts or styles did not all arrive (the server began anew, the line broke) is fetched again.
(() => {
  const COUNT = "fetched-again";
  const MOST = 5;
  let broken = false;

  const again = () => location.replace(location.pathname + location.search);

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
