// A page of one case goes with the case: when it moves elsewhere, so does the page. Data on <main>: case, step, status, caseUrl.
import { connect } from "../live.js";
import { toast } from "../toast.js";

/** Listen as long as the page is open. `handlers` are further events of /portal. Returns the connection, or null without a case. */
export function follow(handlers = {}) {
  const main = document.getElementById("main");
  const { case: caseNo, step, status, caseUrl } = main.dataset;
  if (!caseNo) return null;
  const go = () => location.replace(caseUrl);
  return connect(
    "/portal",
    {
      case: (now) => {
        if (now.case_no === caseNo && (now.status !== status || (now.step ?? "") !== step)) go();
      },
      ...handlers,
    },
    { auth: { case_no: caseNo } },
  );
}

// A button that is grey for a reason says the reason instead of sending the form.
document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-next][aria-disabled=true]")) return;
  event.preventDefault();
  toast(document.querySelector(".bottom .why:not([hidden])")?.textContent.trim() || "这一步还没有完成", "wait");
});
