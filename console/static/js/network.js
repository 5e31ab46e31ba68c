// How good a line is: three bars and a word, never colour alone. The investor's page also tells the server, as seldom as will do.

export const WORDS = ["无信号", "较差", "一般", "良好"];
const AT_LEAST_MS = 2000; // between two reports
const AT_MOST_MS = 10_000; // without a report while nothing changes: the other end forgets it after STALE_MS
export const STALE_MS = 25_000;

/** `place`: see _macros/call.html, network. `stats`: {bars, rtt, loss}, or null when nothing is known; then `word` says why. */
function showNetwork(place, whose, stats, word = stats ? WORDS[stats.bars] : "未知") {
  const bars = stats?.bars ?? 0;
  place.dataset.bars = stats ? bars : "";
  place.querySelector(".bars").dataset.bars = bars;
  place.querySelector("[data-word]").textContent = word;
  const more = [stats?.rtt == null ? "" : `延迟 ${stats.rtt} ms`, stats?.loss == null ? "" : `丢包 ${stats.loss}%`].filter(Boolean);
  place.setAttribute("aria-label", `${whose}的网络${word}`);
  place.title = [`${whose}的网络${word}`, ...more].join("，");
}

/** The bars of one line. While a side is away they say so and nothing else, whatever was measured before. */
export class Network {
  constructor(place, whose) {
    Object.assign(this, { place, whose, last: undefined, away: "" });
  }

  /** {bars, rtt, loss}, or null when nothing is known (any more). */
  stats(stats) {
    this.last = stats;
    this.#draw();
  }

  /** A line stands, and nobody has said yet how good it is. */
  stands() {
    if (this.last === undefined) this.#draw();
  }

  /** `word`: why there is no line to measure (中断, 未连接); '' when there is one again, to be measured anew. */
  gone(word) {
    if (word === this.away) return;
    this.away = word;
    if (word) this.last = undefined;
    this.#draw();
  }

  #draw() {
    if (!this.place) return;
    if (this.away) showNetwork(this.place, this.whose, null, this.away);
    else showNetwork(this.place, this.whose, this.last ?? null, this.last === undefined ? "检测中" : undefined);
  }
}

/** Reports the newest stats, coalesced. */
export class Reporter {
  constructor(send) {
    this.send = send;
    this.last = { at: -Infinity, bars: null };
  }

  stats({ bars, rtt, loss }) {
    const since = performance.now() - this.last.at;
    if (since < AT_LEAST_MS || (bars === this.last.bars && since < AT_MOST_MS)) return;
    this.last = { at: performance.now(), bars };
    this.send({ bars, rtt, loss });
  }
}
