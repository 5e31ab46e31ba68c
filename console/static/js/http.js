// Requests to our own server: the CSRF header, JSON in and out, errors in the server's words.

export class HttpError extends Error {
  /** `status` is 0 when no answer came; `data` is the server's JSON, when it sent any. */
  constructor(message, { status = 0, code = "", data = null } = {}) {
    super(message);
    this.name = "HttpError";
    this.status = status;
    this.code = code;
    this.data = data;
  }
}

const NO_ANSWER = "网络不通，这次操作没有送达。请检查网络后重试。";
const BY_STATUS = {
  400: "页面已过期，请刷新后再试。",
  403: "您没有权限做这项操作。",
  404: "没有找到，或者您没有权限。",
  409: "情况已经变化，请刷新后再看。",
  413: "文件太大，请压缩或换一张。",
  422: "内容有误，请检查后再提交。",
  429: "操作太频繁，请稍后再试。",
};

export const csrfToken = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";

const common = () => ({ "X-CSRFToken": csrfToken(), Accept: "application/json", "X-Requested-With": "fetch" });

function failure(status, data) {
  const message = data?.error ?? BY_STATUS[status] ?? "系统出了问题，这次操作没有生效，请稍后再试。";
  return new HttpError(message, { status, code: data?.code ?? "", data });
}

/** One request. `json` or `form` (an object, FormData or URLSearchParams) is the body. Resolves to the JSON or the text that came back. */
export async function request(url, { method, json, form, headers = {}, timeout = 15000, signal } = {}) {
  const init = { method: method ?? (json !== undefined || form ? "POST" : "GET"), credentials: "same-origin" };
  init.headers = { ...common(), ...headers };
  if (json !== undefined) {
    init.body = JSON.stringify(json);
    init.headers["Content-Type"] = "application/json";
  } else if (form) {
    init.body = form instanceof FormData || form instanceof URLSearchParams ? form : new URLSearchParams(form);
  }
  const limits = [AbortSignal.timeout(timeout), signal].filter(Boolean);
  init.signal = limits.length > 1 && AbortSignal.any ? AbortSignal.any(limits) : limits[0];
  let answer;
  try {
    answer = await fetch(url, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new HttpError(error.name === "TimeoutError" ? "服务器没有及时回应，请稍后再试。" : NO_ANSWER, { code: error.name });
  }
  const data = await body(answer);
  if (!answer.ok) throw failure(answer.status, typeof data === "object" ? data : null);
  return data;
}

async function body(answer) {
  const text = await answer.text();
  if (!(answer.headers.get("Content-Type") ?? "").includes("json")) return text;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export const get = (url, options) => request(url, options);
export const post = (url, json = {}, options = {}) => request(url, { ...options, json });

/** The same page anew. Not ``location.reload()``: a page that answers a form with what is wrong in it would hand the form in again. */
export const lookAgain = () => location.replace(location.pathname + location.search);

/** Send a FormData and hear how far it is: `onprogress(fraction)`, 0 to 1. Abort with `signal`. */
export function upload(url, form, { onprogress = () => {}, signal } = {}) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open("POST", url);
    for (const [name, value] of Object.entries(common())) xhr.setRequestHeader(name, value);
    xhr.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onprogress(event.loaded / event.total);
    });
    xhr.addEventListener("load", () => {
      let data = null;
      try {
        data = JSON.parse(xhr.responseText);
      } catch {
        data = null;
      }
      if (xhr.status >= 200 && xhr.status < 300) resolve(data ?? xhr.responseText);
      else reject(failure(xhr.status, data));
    });
    xhr.addEventListener("error", () => reject(new HttpError("照片没有送达，请检查网络后重新上传。", { code: "network" })));
    xhr.addEventListener("abort", () => reject(new DOMException("已取消", "AbortError")));
    signal?.addEventListener("abort", () => xhr.abort());
    xhr.send(form);
  });
}
