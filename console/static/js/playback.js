// Recordings of one call on one clock: the first side leads (the investor's, or the film of both), the others follow. Times are ms of the call.

const DRIFT = 0.25; // seconds the follower may be off before it is put right
const LATE = 1000; // ms; who is seen this soon after the other was there from the beginning
const FRAME = 250; // ms; a page in the background is drawn seldom: that is no waiting

export class Playback {
  /** `plan`: {length, sides: {investor: [{id, start, length}], witness: […]}}; `videos`: one for each side; `file`: id to URL. */
  constructor(plan, videos, file) {
    this.plan = plan;
    this.videos = videos;
    this.file = file;
    this.lead = Object.keys(plan.sides)[0];
    const seen = Math.min(...plan.sides[this.lead].map((each) => each.start));
    this.first = seen < LATE ? seen : 0;
    this.at = this.first;
    this.rate = 1;
    this.playing = false;
    this.waited = 0; // ms that the clock has stood still for want of a picture
    this.changed = () => {};
    this.loop = this.loop.bind(this);
    this.place();
  }

  play() {
    if (this.playing) return;
    if (this.at >= this.plan.length) this.at = this.first;
    this.playing = true;
    this.waited = 0;
    this.last = performance.now();
    this.place();
    requestAnimationFrame(this.loop);
    this.changed();
  }

  /** Fetch what is shown now once more, and go on from here. */
  again() {
    for (const video of Object.values(this.videos)) delete video.dataset.id;
    this.playing = false;
    this.play();
  }

  pause() {
    this.playing = false;
    this.waited = 0;
    for (const video of Object.values(this.videos)) video.pause();
    this.changed();
  }

  seek(at) {
    this.at = Math.min(Math.max(0, at), this.plan.length);
    this.place(true);
    this.changed();
  }

  setRate(rate) {
    this.rate = rate;
    for (const video of Object.values(this.videos)) video.playbackRate = rate;
    this.changed();
  }

  segment(side) {
    return this.plan.sides[side].find((each) => this.at >= each.start && this.at < each.start + each.length) ?? null;
  }

  loop(now) {
    if (!this.playing) return;
    const lead = this.videos[this.lead];
    const segment = this.segment(this.lead);
    const [before, passed] = [this.at, now - this.last];
    if (segment && lead.dataset.id === segment.id && !lead.ended && lead.readyState >= 1) {
      if (!lead.seeking) this.at = Math.max(this.at, segment.start + lead.currentTime * 1000);
      if (lead.ended || lead.currentTime * 1000 >= segment.length - 40) this.at = segment.start + segment.length;
    } else if (!segment || lead.ended) {
      this.at += passed * this.rate; // nothing to show: the clock goes on alone
    }
    this.waited = this.at > before ? 0 : this.waited + Math.min(passed, FRAME);
    this.last = now;
    if (this.at >= this.plan.length) {
      this.at = this.plan.length;
      return this.pause();
    }
    this.place();
    this.changed();
    requestAnimationFrame(this.loop);
  }

  /** Put both videos where the clock is. `exact`: also the leading one (after a jump). */
  place(exact = false) {
    for (const [side, video] of Object.entries(this.videos)) {
      const segment = this.segment(side);
      video.classList.toggle("off", !segment);
      if (!segment) {
        video.pause();
        continue;
      }
      const wanted = (this.at - segment.start) / 1000;
      if (video.dataset.id !== segment.id) {
        video.dataset.id = segment.id;
        video.src = this.file(segment.id);
        video.currentTime = wanted;
      } else if ((exact || side !== this.lead) && !video.seeking && Math.abs(video.currentTime - wanted) > (exact ? 0.02 : DRIFT)) {
        video.currentTime = wanted;
      }
      video.playbackRate = this.rate;
      if (this.playing && video.paused && !video.ended) video.play().catch(() => {}); // a pause that came between: the next frame tries again
      if (!this.playing && !video.paused) video.pause();
    }
  }
}
