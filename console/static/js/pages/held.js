// 核实: the supervisors' page follows what comes and what colleagues decide; nothing moves under somebody who is deciding.
import { connect } from "../live.js";
import { wireRejection } from "../rejection.js";
import { wireRemarks } from "../remarks.js";

const sheet = document.querySelector("#reject");
if (sheet) wireRejection(sheet);
wireRemarks();

connect("/seat", {
  help: () => document.dispatchEvent(new Event("waiting-changed")),
  suspicions: () => document.querySelector("dialog[open]") || location.reload(),
});
