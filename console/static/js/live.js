// Live data over Socket.IO, websocket only. Pushes are hints; the truth is asked for again after a reconnect.
import { io } from "../vendor/socket.io.js";

export class LiveError extends Error {
  /** What the server refused, in its words; `code` is "timeout" when it said nothing. */
  constructor(message, code = "") {
    super(message);
    this.name = "LiveError";
    this.code = code;
  }
}

const WORDS = { online: "", lost: "连接中断，正在重新连接", refused: "连接被拒绝，请刷新页面重新登录" };

/**
 * Connect to a namespace. `handlers` maps event names to functions; two names are our own:
 * `online(again)` after each connection (`again` false the first time), `offline()` when it breaks.
 * Returns {ask, tell, on, close, online}.
 */
export function connect(namespace, handlers = {}, { query = {}, auth = {} } = {}) {
  const socket = io(namespace, { transports: ["websocket"], reconnectionDelay: 500, reconnectionDelayMax: 4000, query, auth });
  let again = false;
  const { online = () => {}, offline = () => {}, ...events } = handlers;

  socket.on("connect", () => {
    show("online");
    online(again);
    again = true;
  });
  socket.on("disconnect", (why) => {
    show("lost");
    offline(why);
    if (why === "io server disconnect") setTimeout(() => socket.connect(), 1000);
  });
  socket.on("connect_error", () => show(socket.active ? "lost" : "refused"));
  for (const [name, act] of Object.entries(events)) socket.on(name, act);

  return {
    get online() {
      return socket.connected;
    },
    on: (name, act) => socket.on(name, act),
    tell: (name, payload) => socket.emit(name, ...(payload === undefined ? [] : [payload])),
    close: () => socket.close(),
    /** Send and wait for the acknowledgement; rejects with LiveError when the server answers {error} or does not answer. */
    async ask(name, payload, { timeout = 8000 } = {}) {
      let answer;
      try {
        answer = await socket.timeout(timeout).emitWithAck(name, ...(payload === undefined ? [] : [payload]));
      } catch {
        throw new LiveError("服务器没有及时回应，请稍后再试。", "timeout");
      }
      if (answer?.error) {
        if (answer.code === "signed_out") show("refused");
        throw new LiveError(answer.error, answer.code ?? "");
      }
      return answer;
    },
  };
}

function show(state) {
  for (const el of document.querySelectorAll(".live-state")) {
    el.dataset.state = state;
    el.textContent = WORDS[state];
  }
  document.documentElement.dataset.live = state;
}
