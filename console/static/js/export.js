// A file that the server makes while it sends it: how far it is, whether it is whole, and how to end it. Frames: console/review/export.py.
import { HttpError, csrfToken } from "./http.js";

const HEAD = 8;

/** Send `form` to `url`. `onprogress(rows, total)`. Resolves to {blob, name, rows}; rejects with AbortError when `signal` ends it. */
export async function exported(url, form, { signal, onprogress = () => {} }) {
  form.set("framed", "1");
  const headers = { "X-CSRFToken": csrfToken(), Accept: "application/json" };
  let answer;
  try {
    answer = await fetch(url, { method: "POST", body: form, headers, credentials: "same-origin", signal });
    if (!answer.ok) throw new HttpError((await answer.json().catch(() => null))?.error ?? "没有导出，请刷新页面后重试。", { status: answer.status });
    return await read(answer, onprogress);
  } catch (error) {
    if (signal?.aborted || error instanceof HttpError) throw error;
    throw new HttpError("连接中断，文件不完整，没有保存。请重新导出。", { code: error.name });
  }
}

async function read(answer, onprogress) {
  const total = Number(answer.headers.get("X-Total"));
  const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "export";
  const reader = answer.body.getReader();
  const parts = [];
  let held = new Uint8Array(0);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new TypeError("cut off");
    held = joined(held, value);
    while (held.length >= HEAD) {
      const view = new DataView(held.buffer, held.byteOffset);
      const [rows, size] = [view.getUint32(0), view.getUint32(4)];
      if (!size) return { blob: new Blob(parts, { type: answer.headers.get("Content-Type") }), name, rows };
      if (held.length < HEAD + size) break;
      parts.push(held.slice(HEAD, HEAD + size));
      held = held.subarray(HEAD + size);
      onprogress(rows, total);
    }
  }
}

function joined(one, other) {
  if (!one.length) return other;
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

/** As if a link to the file had been pressed. */
export function save({ blob, name }) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
