// One end of a video call, for both faces. The server answers one offer; when the line breaks a new connection offers again.
import { FOR_CALL, MediaFault, explain, openMedia, stopMedia } from "./media.js";
import { pause } from "./ticking.js";

export const State = Object.freeze({
  IDLE: "idle",
  OPENING: "opening",
  CONNECTING: "connecting",
  CONNECTED: "connected",
  RECONNECTING: "reconnecting",
  FAILED: "failed",
  CLOSED: "closed",
});

export const WORDS = {
  idle: "",
  opening: "正在打开摄像头和麦克风",
  connecting: "正在接通",
  connected: "",
  reconnecting: "重新连接中",
  failed: "没有接通",
  closed: "通话已结束",
};

const GATHERING_MS = 2000; // how long to wait for ICE candidates before the only offer is sent
const SILENCE_MS = 3000; // how long the line may be dead: browsers themselves notice only after 7 s or more
const FAREWELL_MS = 1000; // after the server closed the line: time for the word that the call is over
const ANSWER_MS = 12000; // from offer to connected
const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const WATCH_MS = 1000;
const STATS_EVERY = 2; // watches
const RELAYS_FRESH_MS = 30_000; // credentials for a relay are good for minutes: new ones for a later connection
const PAUSED_MS = 400; // a device that is paused for less is not spoken of
/** Whether the page may choose where it sounds; elsewhere the system does. */
export const CHOOSES_SPEAKER = "setSinkId" in HTMLMediaElement.prototype;

const KINDS = { microphone: "audio", camera: "video" };

/**
 * new Call({localVideo, remoteVideo, permit, signal, onstate, onstats, ontrouble, constraints, fatal})
 *
 * permit()         async: asks for what the next offer needs; asked anew for every connection, beside what takes its own time
 * signal(sdp, permit)   async: sends the offer, resolves to the answer's SDP (or {sdp}); called again for every new connection
 * onstate(state, text, error)   each change, see State and WORDS; error is a MediaFault or what signal rejected with
 * onstats(stats)   every 2 s while connected, see stats()
 * ontrouble(text)  something that the person should know
 * onswitches(states)   {microphone, camera}: on, off, away (the phone paused it) or device (not there); after each change and connection
 * ongone(name)     "microphone" or "camera" went away during the call: another one can be chosen (use)
 * iceServers       the relays, or an async function that asks for them anew; without an answer it goes without
 * fatal(error)     true for a rejection of signal after which trying again is useless (the call is over)
 */
export class Call {
  constructor({ localVideo, remoteVideo, permit, signal, onstate = () => {}, onstats = () => {}, ontrouble = () => {}, onswitches = () => {}, ongone = () => {}, constraints = FOR_CALL, fatal = () => false, iceServers = [] }) {
    Object.assign(this, { localVideo, remoteVideo, permit, signal, onstate, onstats, ontrouble, onswitches, ongone, constraints, fatal, iceServers });
    this.state = State.IDLE;
    this.stream = null;
    this.peer = null;
    this.tries = 0;
    this.round = 0;
    this.relays = null;
    this.timers = new Set();
    this.wanted = { microphone: true, camera: true };
    this.paused = new WeakSet(); // tracks that the phone or a switch on the device holds back
    this.former = { received: 0, lost: 0 };
    this.hurry = () => this.state === State.RECONNECTING && this.#again(0);
  }

  /** Open the devices and connect. Rejects with a MediaFault when they do not open, or with what a fatal signal said. */
  async start() {
    this.#become(State.OPENING);
    this.#askForRelays();
    try {
      this.stream = await openMedia(this.constraints);
    } catch (error) {
      this.#become(State.FAILED, error);
      throw error;
    }
    if (this.state === State.CLOSED) return stopMedia(this.stream);
    for (const track of this.stream.getTracks()) this.#watchTrack(track);
    this.#showLocal();
    window.addEventListener("online", this.hurry);
    this.#become(State.CONNECTING);
    await this.#connect();
    if (this.state === State.FAILED) throw this.error;
  }

  /** The other end of the line is elsewhere now, or known to be gone: connect anew at once. */
  reconnect() {
    if (![State.CONNECTING, State.CONNECTED, State.RECONNECTING].includes(this.state)) return;
    this.#again(0);
    this.tries = 0;
  }

  mute(on = true) {
    this.#turn("microphone", !on);
  }

  camera(on = true) {
    this.#turn("camera", on);
  }

  /** {microphone, camera}: what the other side gets of it. */
  get switches() {
    return { microphone: this.#stateOf("microphone"), camera: this.#stateOf("camera") };
  }

  /** The devices to choose from: [{id, label, current}]. `name`: "microphone", "camera" or "speaker". */
  async devices(name) {
    const all = await navigator.mediaDevices.enumerateDevices();
    if (name === "speaker") return this.#speakers(all);
    const current = this.#track(name)?.readyState === "live" ? this.#track(name).getSettings().deviceId : "";
    const own = all.filter((device) => device.kind === `${KINDS[name]}input`);
    return own.map(({ deviceId, label }, n) => ({ id: deviceId, label: label || `${n + 1} 号`, current: deviceId === current }));
  }

  /** Take this device instead. Rejects with a MediaFault and keeps the former one when it does not open. */
  use(name, deviceId) {
    if (name === "speaker") return this.#hearFrom(deviceId);
    return this.#replace(name, { deviceId: { exact: deviceId } });
  }

  /** A speaker that was chosen and is gone now: the browser's own is used again. */
  async keepHearing() {
    const chosen = this.remoteVideo?.sinkId;
    if (!chosen) return;
    const there = (await this.devices("speaker")).some((device) => device.id === chosen);
    if (!there) await this.#hearFrom("");
  }

  /** Front to back camera on phones, next camera elsewhere. Rejects with a MediaFault and keeps the old one when that fails. */
  async switchCamera() {
    const next = await nextCamera(this.#track("camera")?.getSettings() ?? {});
    if (next) await this.#replace("camera", next);
    return Boolean(next);
  }

  /** The page is in front again: what the phone took away meanwhile is taken back. Rejects with a MediaFault. */
  async wake() {
    if (!this.stream || this.state === State.CLOSED) return;
    this.localVideo?.play().catch(() => {}); // shows again by itself once the camera does
    if (this.remoteVideo?.srcObject) this.#play();
    for (const name of Object.keys(KINDS)) {
      const track = this.#track(name);
      if (track.readyState === "ended" || this.paused.has(track)) await this.#replace(name, pick(track.getSettings()));
    }
    this.hurry();
  }

  /** {rtt ms, loss %, fps, width, height, kbps, bars 0…3}: what arrives here, how far away the server is, and the loss of the worse way. */
  async stats() {
    if (!this.peer || this.state !== State.CONNECTED) return { rtt: null, loss: null, fps: 0, width: 0, height: 0, kbps: 0, bars: 0 };
    let received = 0;
    let lost = 0;
    let bytes = 0;
    let rtt = null;
    let lostThere = 0; // the share of what was sent from here
    let picture = {};
    for (const report of (await this.peer.getStats()).values()) {
      if (report.type === "inbound-rtp") {
        received += report.packetsReceived;
        lost += report.packetsLost;
        bytes += report.bytesReceived;
        if (report.kind === "video") picture = report;
      } else if (report.type === "remote-inbound-rtp") {
        lostThere = Math.max(lostThere, report.fractionLost ?? 0);
      } else if (report.type === "candidate-pair" && report.nominated && report.currentRoundTripTime !== undefined) {
        rtt = Math.round(report.currentRoundTripTime * 1000);
      }
    }
    const now = performance.now();
    const fresh = { received: received - this.former.received, lost: Math.max(0, lost - this.former.lost) };
    const lostHere = fresh.received + fresh.lost > 0 ? fresh.lost / (fresh.received + fresh.lost) : 0;
    const loss = 100 * Math.max(lostHere, lostThere);
    const kbps = this.former.at ? ((bytes - this.former.bytes) * 8) / (now - this.former.at) : 0;
    this.former = { received, lost, bytes, at: now };
    return {
      rtt,
      loss: Math.round(loss * 10) / 10,
      kbps: Math.max(0, Math.round(kbps)),
      fps: picture.framesPerSecond ?? 0,
      width: picture.frameWidth ?? 0,
      height: picture.frameHeight ?? 0,
      bars: barsOf(rtt, loss, fresh.received),
    };
  }

  /** Hang up: devices off, nothing is sent any more. Safe to call twice. */
  close() {
    if (this.state === State.CLOSED) return;
    window.removeEventListener("online", this.hurry);
    this.#drop();
    stopMedia(this.stream);
    for (const video of [this.localVideo, this.remoteVideo]) if (video) video.srcObject = null;
    this.#unblock();
    this.#become(State.CLOSED);
  }

  // --- one connection after the other

  async #connect() {
    this.#drop();
    this.round += 1;
    const { round } = this;
    const permit = this.permit();
    permit.catch(() => {}); // told where it is waited for
    const iceServers = await this.#askForRelays();
    if (this.round !== round || this.state === State.CLOSED) return;
    const peer = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.peer = peer;
    this.former = { received: 0, lost: 0 };
    const current = () => this.peer === peer && this.state !== State.CLOSED;
    this.#receive(peer);
    for (const track of this.stream.getTracks()) peer.addTransceiver(track, { direction: "sendrecv", streams: [this.stream] });
    preferVp8(peer);
    peer.addEventListener("connectionstatechange", () => current() && this.#moved(peer));
    try {
      await peer.setLocalDescription(await peer.createOffer());
      await Promise.race([gathered(peer), pause(GATHERING_MS)]);
      if (!current()) return;
      const answer = await this.signal(withSoundSentAgain(peer.localDescription.sdp), await permit);
      if (!current()) return;
      await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp ?? answer });
      const line = peer.getSenders()[0].transport;
      line?.addEventListener("statechange", () => line.state === "closed" && current() && this.#again(FAREWELL_MS));
      this.#after(ANSWER_MS, () => current() && peer.connectionState !== "connected" && this.#again());
    } catch (error) {
      if (!current()) return;
      if (this.fatal(error)) {
        this.#drop();
        this.#become(State.FAILED, error);
      } else {
        this.#again(undefined, error);
      }
    }
  }

  #askForRelays() {
    if (typeof this.iceServers !== "function") return Promise.resolve(this.iceServers);
    if (!this.relays || performance.now() - this.relays.at > RELAYS_FRESH_MS) {
      const former = this.relays?.answer ?? Promise.resolve([]);
      this.relays = { at: performance.now(), answer: this.iceServers().catch(() => former) };
    }
    return this.relays.answer;
  }

  #moved(peer) {
    if (peer.connectionState === "connected") {
      this.tries = 0;
      this.#forgetTimers();
      this.#become(State.CONNECTED);
      this.onswitches(this.switches);
      this.#watch(peer);
    } else if (peer.connectionState === "failed") {
      this.#again(0);
    } else if (peer.connectionState === "disconnected") {
      this.#after(SILENCE_MS, () => this.peer === peer && peer.connectionState !== "connected" && this.#again(0));
    }
  }

  #again(delay = RETRY_MS[Math.min(this.tries, RETRY_MS.length - 1)], error = null) {
    if (this.state === State.CLOSED || this.state === State.FAILED) return;
    this.tries += 1;
    this.#drop();
    this.#become(State.RECONNECTING, error);
    this.#after(delay, () => this.#connect());
  }

  #drop() {
    this.#forgetTimers();
    this.peer?.close();
    this.peer = null;
  }

  #after(ms, act) {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      act();
    }, ms);
    this.timers.add(timer);
  }

  #forgetTimers() {
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
  }

  /** While connected: tell the stats, and notice a dead line. The server reports on what it got once a second, so some bytes always come. */
  async #watch(peer) {
    const line = { bytes: -1, since: performance.now() };
    for (let round = 0; this.peer === peer && this.state === State.CONNECTED; round += 1) {
      if (round % STATS_EVERY === 0) this.onstats(await this.stats());
      const bytes = await bytesReceived(peer);
      if (bytes === null || bytes !== line.bytes) Object.assign(line, { bytes, since: performance.now() });
      else if (performance.now() - line.since > SILENCE_MS && this.peer === peer) return this.#again(0);
      await pause(WATCH_MS);
    }
  }

  #become(state, error = null) {
    if (this.state === State.CLOSED) return;
    this.state = state;
    this.error = error;
    this.onstate(state, WORDS[state], error);
  }

  // --- pictures and sound

  #receive(peer) {
    const remote = new MediaStream();
    peer.addEventListener("track", ({ track }) => {
      remote.addTrack(track);
      if (!this.remoteVideo) return;
      if (this.remoteVideo.srcObject !== remote) this.remoteVideo.srcObject = remote;
      this.#play();
    });
  }

  async #play() {
    try {
      await this.remoteVideo.play();
      this.#unblock();
    } catch (error) {
      if (error.name === "NotAllowedError") this.#askForSound();
    }
  }

  /** The browser plays no sound before the person has touched the page: offer something to touch. */
  #askForSound() {
    if (this.unblocker) return;
    const cover = document.createElement("div");
    cover.className = "vid-state";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn";
    button.textContent = "点此播放声音和画面";
    button.addEventListener("click", () => this.#play());
    cover.append(button);
    this.unblocker = cover;
    this.remoteVideo.after(cover);
  }

  #unblock() {
    this.unblocker?.remove();
    this.unblocker = null;
  }

  #showLocal() {
    if (!this.localVideo) return;
    this.localVideo.muted = true;
    this.localVideo.playsInline = true;
    this.localVideo.srcObject = this.stream;
    const facing = this.stream.getVideoTracks()[0]?.getSettings().facingMode;
    this.localVideo.classList.toggle("mirror", facing !== "environment");
    this.localVideo.play().catch((error) => this.ontrouble(`自己的画面没有显示（${error.name}），对方仍能看到您。`));
  }

  // --- devices

  #track(name) {
    return this.stream?.getTracks().find((track) => track.kind === KINDS[name]);
  }

  #stateOf(name) {
    const track = this.#track(name);
    if (!track || track.readyState === "ended") return document.hidden ? "away" : "device";
    if (!this.wanted[name]) return "off";
    if (this.paused.has(track)) return document.hidden ? "away" : "device";
    return "on";
  }

  #turn(name, on) {
    this.wanted[name] = on;
    const track = this.#track(name);
    if (track) track.enabled = on;
    this.onswitches(this.switches);
  }

  #watchTrack(track) {
    const name = track.kind === "video" ? "camera" : "microphone";
    const mine = () => this.state !== State.CLOSED && this.#track(name) === track;
    const hold = (paused) => {
      if (!mine() || this.paused.has(track) === paused) return;
      if (paused) this.paused.add(track);
      else this.paused.delete(track);
      this.onswitches(this.switches);
    };
    let held = track.muted;
    const look = () => setTimeout(() => held && hold(true), PAUSED_MS);
    if (held) look();
    track.addEventListener("mute", () => {
      held = true;
      look();
    });
    track.addEventListener("unmute", () => {
      held = false;
      hold(false);
    });
    track.addEventListener("ended", () => {
      if (!mine()) return;
      this.onswitches(this.switches);
      if (!document.hidden) this.ongone(name);
    });
  }

  #speakers(all) {
    const chosen = this.remoteVideo?.sinkId || "default"; // '' is what the browser calls the system's own
    const found = all.filter((device) => device.kind === "audiooutput" && device.deviceId);
    return found.map(({ deviceId, label }, n) => ({ id: deviceId, label: label || `${n + 1} 号`, current: deviceId === chosen }));
  }

  async #hearFrom(deviceId) {
    try {
      await this.remoteVideo.setSinkId(deviceId);
    } catch (error) {
      throw new MediaFault(error.name, "这个扬声器用不了", "请换一个，或重新接好后再选。");
    }
  }

  /** One device at a time is replaced: phones open one camera only. */
  #replace(name, wish) {
    this.replacing = (this.replacing ?? Promise.resolve()).catch(() => {}).then(() => this.#replaceNow(name, wish));
    return this.replacing;
  }

  async #replaceNow(name, wish) {
    const old = this.#track(name);
    const former = pick(old.getSettings());
    old.stop();
    try {
      await this.#open(name, old, wish);
    } catch (error) {
      await this.#open(name, old, former).catch(() => this.onswitches(this.switches));
      throw explain(error, { [KINDS[name]]: true });
    }
  }

  async #open(name, old, wish) {
    const kind = KINDS[name];
    const { facingMode: _, ...base } = this.constraints[kind];
    const fresh = (await navigator.mediaDevices.getUserMedia({ [kind]: { ...base, ...wish } })).getTracks()[0];
    if (this.state === State.CLOSED) return fresh.stop();
    fresh.enabled = this.wanted[name];
    this.stream.removeTrack(old);
    this.stream.addTrack(fresh);
    await this.peer?.getSenders().find((each) => each.track === old)?.replaceTrack(fresh);
    this.#watchTrack(fresh);
    if (name === "camera") this.#showLocal();
    this.onswitches(this.switches);
  }
}

/** As a wish for getUserMedia: the same device again. */
const pick = ({ deviceId, facingMode }) => (facingMode ? { facingMode } : deviceId ? { deviceId: { exact: deviceId } } : {});

function preferVp8(peer) {
  const codecs = RTCRtpReceiver.getCapabilities?.("video")?.codecs;
  if (!codecs) return;
  const vp8 = (codec) => Number(codec.mimeType.toLowerCase() !== "video/vp8");
  const ordered = [...codecs].sort((a, b) => vp8(a) - vp8(b));
  for (const transceiver of peer.getTransceivers()) {
    if (transceiver.sender.track?.kind === "video") transceiver.setCodecPreferences?.(ordered);
  }
}

/** Chromium sends lost sound again and asks for it once the other end agrees (RFC 4585), but does not offer it by itself. */
function withSoundSentAgain(sdp) {
  return sdp.replace(/^a=rtpmap:(\d+) opus\/48000\/2\r\n(?![^]*^a=rtcp-fb:\1 nack\r\n)/m, "$&a=rtcp-fb:$1 nack\r\n");
}

/** All bytes that came over the line, reports included; null where the browser does not count them. */
async function bytesReceived(peer) {
  const counts = [...(await peer.getStats()).values()].filter((report) => report.type === "transport").map((report) => report.bytesReceived);
  return counts.length ? counts.reduce((sum, count) => sum + count, 0) : null;
}

function gathered(peer) {
  if (peer.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    peer.addEventListener("icegatheringstatechange", () => peer.iceGatheringState === "complete" && resolve());
  });
}

async function nextCamera({ facingMode, deviceId }) {
  if (facingMode) return { facingMode: { exact: facingMode === "environment" ? "user" : "environment" } };
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === "videoinput");
  if (cameras.length < 2) return null;
  const at = cameras.findIndex((camera) => camera.deviceId === deviceId);
  return { deviceId: { exact: cameras[(at + 1) % cameras.length].deviceId } };
}

function barsOf(rtt, loss, received) {
  if (!received && rtt === null) return 0;
  if ((rtt ?? 0) < 150 && loss < 2) return 3;
  if ((rtt ?? 0) < 400 && loss < 8) return 2;
  return 1;
}

/** "网络良好　延迟 38 ms　丢包 0.4%" */
export function networkWords({ rtt, loss, bars }) {
  const word = ["无信号", "网络较差", "网络一般", "网络良好"][bars];
  return [word, rtt === null ? "" : `延迟 ${rtt} ms`, loss === null ? "" : `丢包 ${loss}%`].filter(Boolean).join("　");
}
