// 核实: the supervisors' page follows what comes and what colleagues decide; nothing moves under somebody who is deciding.
import { connect } from "../live.js";
import { wireRejection } from "../rejection.js";

const sheet = document.querySelector("#reject");
if (sheet) wireRejection(sheet);

connect("/seat", {
  suspicions: () => document.querySelector("dialog[open]") || location.reload(),
});
