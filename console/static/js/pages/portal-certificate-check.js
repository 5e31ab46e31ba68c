// 证书检测: which of the investor's certificates have their key on this device.
import { localCertificates } from "../certificate.js";
import { openDialog } from "../dialog.js";
import { setIcon } from "../icons.js";
import { follow } from "./portal-follow.js";

const place = document.querySelector("[data-check]");
const form = document.getElementById("hand-in");
const next = document.querySelector("[data-next]");

follow();
check();

async function check() {
  let held = [];
  try {
    held = (await localCertificates()).map((each) => String(each.serial ?? each).toUpperCase());
  } catch {
    held = []; // no key store in this browser: then there is no key in it either
  }
  const valid = place.dataset.serials.toUpperCase().split(",").filter(Boolean);
  form.elements.serials.value = held.join(",");
  next.disabled = false;
  if (held.some((serial) => valid.includes(serial))) {
    write("已检测到数字证书", "本机持有您的有效数字证书，点下一步阅读并签署协议。");
  } else {
    place.classList.add("wait");
    setIcon(place.querySelector("svg"), "alert-triangle"); // icons: alert-triangle
    write("未检测到数字证书", "请先进行视频验证，通过后安装数字证书。");
    openDialog(document.getElementById("none-found"));
  }
}

function write(said, hint) {
  place.querySelector("[data-said]").textContent = said;
  place.querySelector("[data-hint]").textContent = hint;
}
