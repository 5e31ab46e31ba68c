// A broken line in words, for both faces of a call: whom one waits for, how long still, what happens then.
import { every } from "./ticking.js";

const TICK_MS = 250;

/**
 * new Line(figure, { me: "investor" | "witness", words: { mine, theirs, then }, onchange })
 *
 * onchange({mine, theirs})   which side is away, whenever that changes
 * words.mine, words.theirs   the headline when the own or the other side is away; words.gone: when the other side hung up
 * words.then(left)           the sentence below; left: whole seconds, null while nobody knows
 *
 * The server's word (`told`) counts; until it comes (the own network may be down) the page counts by itself (`own`).
 */
export class Line {
  constructor(figure, { me, words, onchange = () => {} }) {
    Object.assign(this, { me, words, onchange, known: "", away: [], gone: [], until: null, grace: null, ownSince: null });
    this.cover = document.createElement("div");
    this.cover.className = "vid-state line-down";
    this.cover.hidden = true;
    this.headline = document.createElement("b");
    this.headline.setAttribute("role", "status");
    this.rest = document.createElement("span"); // counts down: not for a screen reader to say four times a second
    this.rest.setAttribute("aria-hidden", "true");
    this.cover.append(this.headline, this.rest);
    figure.querySelector("video").after(this.cover); // below what can be pressed
    every(TICK_MS, () => this.#draw());
  }

  /** {away, gone, left, grace} as every push about the call and the answer to `line` or `call_state` have it. */
  told({ away, gone = [], left, grace }) {
    if (!Array.isArray(away)) return;
    this.away = away;
    this.gone = gone;
    this.until = left === null || left === undefined ? null : performance.now() + 1000 * left;
    if (grace) this.grace = grace;
    this.#draw();
  }

  /** Whether the own connection is down, as Call sees it. */
  own(down) {
    if (!down) this.ownSince = null;
    else this.ownSince ??= performance.now();
    this.#draw();
  }

  get mine() {
    return this.away.includes(this.me) || this.ownSince !== null;
  }

  get theirs() {
    return this.away.some((side) => side !== this.me);
  }

  get down() {
    return this.away.length > 0 || this.ownSince !== null;
  }

  #draw() {
    const { mine, theirs } = this;
    const known = `${mine} ${theirs}`;
    if (known !== this.known) this.onchange({ mine, theirs });
    this.known = known;
    this.cover.hidden = !this.down;
    if (!this.down) return;
    const left = this.words.gone && this.gone.some((side) => side !== this.me);
    const headline = mine ? this.words.mine : left ? this.words.gone : this.words.theirs;
    if (this.headline.textContent !== headline) this.headline.textContent = headline;
    const rest = this.words.then(this.#left());
    if (this.rest.textContent !== rest) this.rest.textContent = rest;
  }

  #left() {
    const until = this.until ?? (this.ownSince !== null && this.grace ? this.ownSince + 1000 * this.grace : null);
    return until === null ? null : Math.max(0, Math.ceil((until - performance.now()) / 1000));
  }
}
