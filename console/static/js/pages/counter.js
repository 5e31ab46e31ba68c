// 柜台报送: rows that stay true while the counter system answers. What is folded out stays so.
import { askingAgain } from "../again.js";
import { connect } from "../live.js";
import { enable, ready } from "../ready.js";

const list = document.querySelector("#deliveries");
const opened = () => new Set([...list.querySelectorAll("tr:has(details[open])")].map((row) => row.dataset.case));
const again = askingAgain(take);

function refresh() {
  again();
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

connect("/review", { deliveries: refresh, online: (back) => back && refresh() });
setInterval(refresh, 60_000); // times to ask again pass without anybody doing anything
ready("counter");
