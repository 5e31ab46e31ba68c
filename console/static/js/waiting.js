// How many wait at a place of the rail: looked up now, every 20 s, when the page is looked at again or hears of it. Told aloud when more came.
import { request } from "./http.js";
import { every } from "./ticking.js";
import { toast } from "./toast.js";

const OFTEN_MS = 20_000;

export function wireWaiting() {
  for (const count of document.querySelectorAll(".rail [data-waiting]")) {
    let known = null;
    const look = async () => {
      if (document.hidden) return;
      const told = await request(count.dataset.waiting).catch(() => null); // away for a moment: the number stays
      if (!told) return;
      count.hidden = !told.waiting;
      count.textContent = told.waiting;
      count.setAttribute("aria-label", `${told.waiting} 件等待`);
      if (known !== null && told.waiting > known) toast(told.said, "wait");
      known = told.waiting;
    };
    look();
    every(OFTEN_MS, look);
    document.addEventListener("visibilitychange", look);
    document.addEventListener("waiting-changed", look); // a page heard of it
  }
}
