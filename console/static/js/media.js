// Camera and microphone: open them, and say in plain words what is wrong and how to mend it when they do not open.

export const FOR_CALL = {
  video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 15, max: 20 }, facingMode: "user" },
  audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
};

/** `message` says what is wrong, `fix` what to do about it, `code` is the browser's own name of the fault. */
export class MediaFault extends Error {
  constructor(code, message, fix) {
    super(message);
    this.name = "MediaFault";
    this.code = code;
    this.fix = fix;
  }
}

const things = ({ video, audio }) => (video && audio ? "摄像头和麦克风" : video ? "摄像头" : "麦克风");

const FAULTS = {
  NotAllowedError: (what) => [`没有获准使用${what}`, "请点地址栏左侧的图标，把摄像头和麦克风都改为“允许”，再点重试。手机上也请在系统设置里允许浏览器使用。"],
  SecurityError: (what) => [`浏览器禁止了${what}`, "请用 https 开头的地址打开，或换用系统自带的浏览器。"],
  NotFoundError: (what) => [`没有找到${what}`, "请接好设备，或换一部带摄像头和麦克风的手机、电脑，再点重试。"],
  NotReadableError: (what) => [`${what}打不开，可能正被别的程序使用`, "请关掉正在使用摄像头的程序（如视频会议），拔插设备，再点重试。"],
  OverconstrainedError: (what) => [`${what}不支持需要的画面`, "请换一个摄像头，再点重试。"],
  AbortError: (what) => [`${what}启动时被中断`, "请再点重试；仍不行请重启浏览器。"],
  Unsupported: () => ["这个浏览器不支持视频通话", "请用最新的 Chrome、Edge、Safari 或手机自带浏览器，并用 https 开头的地址打开。"],
};

export function explain(error, wanted) {
  if (error instanceof MediaFault) return error;
  const name = error.name === "PermissionDeniedError" ? "NotAllowedError" : error.name;
  const [message, fix] = (FAULTS[name] ?? FAULTS.AbortError)(things(wanted));
  return new MediaFault(error.name, message, fix);
}

/** A MediaStream for `wanted`, with looser demands when the device cannot meet them. Throws MediaFault. */
export async function openMedia(wanted = FOR_CALL) {
  const devices = navigator.mediaDevices;
  if (!devices?.getUserMedia) throw new MediaFault("Unsupported", ...FAULTS.Unsupported());
  try {
    return await devices.getUserMedia(wanted);
  } catch (error) {
    if (error.name !== "OverconstrainedError") throw explain(error, wanted);
  }
  try {
    return await devices.getUserMedia({ video: Boolean(wanted.video), audio: Boolean(wanted.audio) });
  } catch (error) {
    throw explain(error, wanted);
  }
}

export const stopMedia = (stream) => stream?.getTracks().forEach((track) => track.stop());

/** Loudness of a stream, 0 to 1, told to `onlevel` about 15 times a second until the returned function is called. */
export function listen(stream, onlevel) {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 1024 });
  context.createMediaStreamSource(stream).connect(analyser);
  context.resume().catch(() => onlevel(0));
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const rms = Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
    onlevel(Math.min(1, rms * 4));
  }, 66);
  return () => {
    clearInterval(timer);
    if (context.state !== "closed") context.close();
  };
}

/** Keep the screen lit while somebody waits or talks, where the browser can. Returns a function that lets go. */
export function keepAwake() {
  let lock = null;
  let wanted = true;
  const take = async () => {
    if (!wanted || document.hidden || !navigator.wakeLock) return;
    lock = await navigator.wakeLock.request("screen").catch(() => null); // refused on low battery: the call goes on without
  };
  document.addEventListener("visibilitychange", take);
  take();
  return () => {
    wanted = false;
    document.removeEventListener("visibilitychange", take);
    lock?.release();
  };
}
