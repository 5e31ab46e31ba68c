// Loaded by every page: wires what the markup asks for with data attributes. Pages add their own modules beside it.
import { startClock } from "./clock.js";
import { wireDeviceChecks } from "./device-check.js";
import { wireDialogs } from "./dialog.js";
import { csrfToken } from "./http.js";
import { setIcon } from "./icons.js";
import { wireKeys } from "./keys.js";
import { ready } from "./ready.js";
import { wireReveal } from "./reveal.js";
import { toast } from "./toast.js";
import { wireWaiting } from "./waiting.js";

// icons: eye eye-off

startClock();
wireDialogs();
wireReveal();
wireKeys();
wireDeviceChecks();
wireMenus();
wireTheme();
wireForms();
wireHtmx();
wireWaiting();
ready("boot");
document.querySelector("[data-error-summary]")?.focus();

function wireHtmx() {
  document.addEventListener("htmx:configRequest", (event) => {
    event.detail.headers["X-CSRFToken"] = csrfToken();
  });
  document.addEventListener("htmx:responseError", (event) => {
    const type = event.detail.xhr.getResponseHeader("Content-Type") ?? "";
    let told = "";
    if (type.includes("json")) {
      try {
        told = JSON.parse(event.detail.xhr.responseText).error ?? "";
      } catch {
        told = "";
      }
    }
    toast(told || "这次操作没有生效，请刷新页面后重试。", "bad");
  });
  document.addEventListener("htmx:sendError", () => toast("网络不通，这次操作没有送达。", "bad"));
}

function wireMenus() {
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
}

function wireTheme() {
  const show = () => {
    const choice = localStorage.getItem("theme") ?? "auto";
    for (const el of document.querySelectorAll("[data-theme-choice]")) el.setAttribute("aria-pressed", String(el.dataset.themeChoice === choice));
  };
  document.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-theme-choice]");
    if (!chosen) return;
    localStorage.setItem("theme", chosen.dataset.themeChoice);
    document.dispatchEvent(new Event("theme-chosen"));
    show();
  });
  show();
}

function wireForms() {
  document.addEventListener("click", (event) => {
    const eye = event.target.closest("[data-shows]");
    if (!eye) return;
    const field = document.getElementById(eye.dataset.shows);
    const shown = field.type === "password";
    field.type = shown ? "text" : "password";
    eye.setAttribute("aria-pressed", String(shown));
    eye.setAttribute("aria-label", shown ? "隐藏密码" : "显示密码");
    setIcon(eye.querySelector("svg"), shown ? "eye-off" : "eye");
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  });
  // A form is sent once: a second click while the first is on its way does nothing. After a download (data-download) the page stays.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post" || form.closest("dialog form[method=dialog]")) return;
    if ("download" in form.dataset) return form.closest("dialog")?.close();
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "1";
    event.submitter?.setAttribute("aria-busy", "true");
  });
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
    for (const button of document.querySelectorAll("[aria-busy=true]")) button.removeAttribute("aria-busy");
  });
}
