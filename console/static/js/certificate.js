// The investor's certificate on this device: a P-256 key made here, locked with a password, kept in IndexedDB, and used to sign.
//
// The private key leaves WebCrypto only as PKCS#8 encrypted with AES-256-GCM under PBKDF2-SHA-256 of the password; to sign it is
// unwrapped as a key that cannot be exported. Neither key nor password is ever sent.
import { post } from "./http.js";

const ITERATIONS = 600000;
const TRIES = 5;
const PAUSE = 5 * 60 * 1000; // ms to wait after too many wrong passwords
const STORE = "certificates";
const CURVE = { name: "ECDSA", namedCurve: "P-256" };
const SIGNING = { name: "ECDSA", hash: "SHA-256" };

export class CertificateError extends Error {
  /** `code`: unsupported, storage, missing, wrong_password (with `left`), blocked (with `until`, ms). */
  constructor(message, code, more = {}) {
    super(message);
    this.name = "CertificateError";
    this.code = code;
    Object.assign(this, more);
  }
}

/** [{serial, notAfter}] of what is on this device, the latest first; certificates past their end are left out. */
export async function localCertificates() {
  if (!globalThis.indexedDB) return [];
  const kept = await inStore("readonly", (store) => store.getAll());
  return kept
    .filter((each) => Date.parse(each.notAfter) > Date.now())
    .sort((a, b) => Date.parse(b.notAfter) - Date.parse(a.notAfter))
    .map(({ serial, notAfter }) => ({ serial, notAfter }));
}

let pending = null; // a key whose certificate may have been issued though the answer was lost: the same key is asked for again

/** Make a key, have it certified at `url`, keep it under `password`. Resolves to {serial, notAfter}. */
export async function install(url, password) {
  if (!globalThis.crypto?.subtle || !globalThis.indexedDB) {
    throw new CertificateError("这个浏览器不支持安装数字证书。请换用系统自带的浏览器，并用 https 地址打开。", "unsupported");
  }
  await inStore("readonly", (store) => store.count());
  pending ??= await newRequest();
  const issued = await post(url, { csr: toBase64(pending.csr), device: deviceName() }, { timeout: 30000 });
  const record = { serial: issued.serial, notAfter: issued.not_after, certificate: fromBase64(issued.certificate), tries: 0, blockedUntil: 0 };
  Object.assign(record, await locked(pending.keys.privateKey, password, issued.serial));
  await inStore("readwrite", (store) => store.put(record));
  pending = null;
  await navigator.storage?.persist?.();
  return { serial: record.serial, notAfter: record.notAfter };
}

/** Sign each of `messages` (Uint8Array). Resolves to the signatures, r‖s of 64 bytes, in the same order. */
export async function sign(serial, password, messages) {
  const key = await unlocked(serial, password);
  const signed = [];
  for (const message of messages) signed.push(new Uint8Array(await crypto.subtle.sign(SIGNING, key, message)));
  return signed;
}

/** Take the certificate and its key off this device, for good. */
export async function forget(serial) {
  await inStore("readwrite", (store) => store.delete(serial));
}

export const toBase64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)));
export const fromBase64 = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

/** What this browser calls itself: the same at every visit, and no other device's. */
export function deviceName() {
  const agent = navigator.userAgent;
  const browser = [["MicroMessenger", "微信"], ["Edg", "Edge"], ["Firefox", "Firefox"], ["Chrome", "Chrome"], ["Safari", "Safari"]].find(([mark]) => agent.includes(mark));
  const system = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS", "macOS"], ["Linux", "Linux"]].find(([mark]) => agent.includes(mark));
  let mark = localStorage.getItem("device-mark");
  if (!mark) {
    mark = Array.from(crypto.getRandomValues(new Uint8Array(4)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    localStorage.setItem("device-mark", mark);
  }
  return `${system?.[1] ?? "设备"} ${browser?.[1] ?? "浏览器"} ${mark}`;
}

async function newRequest() {
  const { default: x509 } = await import("./../vendor/x509.js");
  const keys = await crypto.subtle.generateKey(CURVE, true, ["sign", "verify"]);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({ name: "CN=investor", keys, signingAlgorithm: SIGNING });
  return { keys, csr: request.rawData };
}

async function locked(privateKey, password, serial) {
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const lock = await lockOf(password, salt, ITERATIONS, "wrapKey");
  const wrapped = await crypto.subtle.wrapKey("pkcs8", privateKey, lock, sealing(iv, serial));
  return { salt, iv, iterations: ITERATIONS, wrapped };
}

async function unlocked(serial, password) {
  const record = await counted(serial);
  const lock = await lockOf(password, record.salt, record.iterations, "unwrapKey");
  let key;
  try {
    key = await crypto.subtle.unwrapKey("pkcs8", record.wrapped, lock, sealing(record.iv, serial), CURVE, false, ["sign"]);
  } catch (error) {
    if (error.name !== "OperationError") throw error;
    const left = TRIES - record.tries;
    if (left <= 0) throw blocked(record.blockedUntil);
    throw new CertificateError(`证书密码不对，还可以试 ${left} 次。`, "wrong_password", { left });
  }
  await change(serial, (kept) => Object.assign(kept, { tries: 0, blockedUntil: 0 }));
  return key;
}

/** The record, this try counted before it is made: closing the page does not give it back. */
async function counted(serial) {
  const now = Date.now();
  let refused = null;
  const record = await change(serial, (kept) => {
    if (kept.blockedUntil > now) refused = blocked(kept.blockedUntil);
    else {
      if (kept.tries >= TRIES) kept.tries = 0;
      kept.tries += 1;
      kept.blockedUntil = kept.tries >= TRIES ? now + PAUSE : 0;
    }
  });
  if (refused) throw refused;
  return record;
}

function blocked(until) {
  const minutes = Math.max(1, Math.ceil((until - Date.now()) / 60000));
  return new CertificateError(`证书密码输错 ${TRIES} 次，请 ${minutes} 分钟后再试。忘记密码可以删除本地证书后重新安装。`, "blocked", { until });
}

const sealing = (iv, serial) => ({ name: "AES-GCM", iv, additionalData: new TextEncoder().encode(serial) });

async function lockOf(password, salt, iterations, use) {
  const secret = await crypto.subtle.importKey("raw", new TextEncoder().encode(password.normalize("NFC")), "PBKDF2", false, ["deriveKey"]);
  return crypto.subtle.deriveKey({ name: "PBKDF2", hash: "SHA-256", salt, iterations }, secret, { name: "AES-GCM", length: 256 }, false, [use]);
}

function opened() {
  return new Promise((resolve, reject) => {
    const asking = indexedDB.open("witness-desk", 1);
    asking.onupgradeneeded = () => asking.result.createObjectStore(STORE, { keyPath: "serial" });
    asking.onsuccess = () => resolve(asking.result);
    asking.onerror = () => reject(new CertificateError("浏览器不允许在本机保存证书。请退出无痕模式，或换用系统自带的浏览器。", "storage"));
  });
}

/** One transaction on the store; resolves to the result of the request that `act` returns, once all is on disk. */
async function inStore(mode, act) {
  const database = await opened();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const asked = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(asked?.result);
      transaction.onabort = transaction.onerror = () => reject(new CertificateError("证书没有保存成功，请检查本机存储空间后重试。", "storage"));
    });
  } finally {
    database.close();
  }
}

async function change(serial, edit) {
  let record;
  await inStore("readwrite", (store) => {
    const asked = store.get(serial);
    asked.onsuccess = () => {
      record = asked.result;
      if (!record) return;
      edit(record);
      store.put(record);
    };
    return asked;
  });
  if (!record) throw new CertificateError("这台设备上没有找到数字证书，请重新安装。", "missing");
  return record;
}
