// 柜台报送: rows that stay true while the counter system answers. What is folded out stays so.
import { get } from "../http.js";
import { connect } from "../live.js";
import { released } from "../press.js";
import { enable, ready } from "../ready.js";

const list = document.querySelector("#deliveries");
const opened = () => new Set([...list.querySelectorAll("tr:has(details[open])")].map((row) => row.dataset.case));
let asked = false;

function refresh() {
  if (asked) return;
  asked = true;
  setTimeout(async () => {
    asked = false;
    try {
      const html = await get(location.href, { headers: { Accept: "text/html" } });
      await released();
      take(new DOMParser().parseFromString(html, "text/html"));
    } catch {
      setTimeout(refresh, 5000);
    }
  }, 150);
  document.dispatchEvent(new Event("waiting-changed"));
}

function take(fresh) {
  enable(fresh);
  const open = opened();
  for (const part of [".tabs", "[data-rows]", "[data-foot]"]) {
    const next = fresh.querySelector(`#deliveries ${part}`);
    if (next) list.querySelector(part)?.replaceWith(next);
  }
  for (const row of list.querySelectorAll("tr[data-case]")) {
    const details = row.querySelector("details");
    if (details && open.has(row.dataset.case)) details.open = true;
  }
}

connect("/review", { deliveries: refresh, online: (again) => again && refresh() });
setInterval(refresh, 60_000); // times to ask again pass without anybody doing anything
ready("counter");
