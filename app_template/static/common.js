/*
 * What the pages share: they talk to the app, and tell people what is going on. A page has
 *
 *   <header><h1>…</h1> <p id="backend" class="pill"></p></header>   which model answers; filled by backendLine()
 *   <div id="notice" role="status"></div>                           where waiting and failures are told
 *   <span id="storage"></span>                                      whether what is sent is kept
 *
 * and a module of its own:
 *
 *   import { $, api, attempt, backendLine, latency } from "./common.js";
 *
 *   backendLine();
 *   form.addEventListener("submit", event => {
 *     event.preventDefault();
 *     attempt($("result"), async signal => {
 *       const { answer, ms } = await api("analyze", { json: { text: text.value }, signal });
 *       $("facts").textContent = `${answer.backend}, ${latency(ms)}`;
 *     });
 *   });
 *
 * api() asks for the token if the app wants one, comes back by itself while the app is loading or busy, and raises
 * a Problem otherwise, which attempt() tells. For a streamed answer there is ask(), which gives fetch's response.
 */

const ROOT = new URL("../", import.meta.url); // the app's address, also under a path of a proxy
const MOST_TRIES = 8; // while the app is busy; while its model is loading there is no limit

export const $ = id => document.getElementById(id);

/** A new element: el("p", { className: "faint" }, "text", otherElement). */
export function el(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** A failure in words for people. */
export class Problem extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** Nobody answers: the app restarts, or the network is gone. */
export class Unreachable extends Problem {}

/** Somebody has given up what they asked for, which is no failure. */
export class Stopped extends Problem {}

// ---- asking the app

/** Fetch a path of the app. Beside fetch's options: `json`, a value to send. Comes back only with a token that fits. */
export async function send(path, { json, ...options } = {}) {
  const headers = new Headers(options.headers);
  if (json !== undefined) {
    headers.set("Content-Type", "application/json");
    options.body = JSON.stringify(json);
  }
  const method = options.method ?? (options.body ? "POST" : "GET");
  for (;;) {
    const token = kept("token");
    if (token) headers.set("Authorization", `Bearer ${token}`);
    const response = await reached(fetch(new URL(path, ROOT), { ...options, method, headers }));
    if (response.status !== 401) return response;
    await tokenGiven(Boolean(token));
  }
}

/** Like send(), but patient while the app is loading or busy, and an answer other than 2xx is raised as a Problem. */
export async function ask(path, options = {}) {
  for (let tries = 1; ; tries++) {
    const begun = performance.now(), response = await send(path, options);
    if (response.ok) return { response, ms: performance.now() - begun };
    const problem = await problemOf(response), seconds = Number(response.headers.get("Retry-After"));
    const { status, reason } = response.status === 503 ? await readiness() : {};
    if (status === "failed") throw new Problem(`The model could not be loaded. ${reason}`, 503);
    if (status === "loading") tries = 0;
    if (![429, 503].includes(response.status) || !seconds || tries === MOST_TRIES) throw problem;
    const why = status === "loading" ? "The model is still loading." : problem.message;
    await pause(seconds * (1 + Math.random() / 2), why, options.signal); // not everyone at once
  }
}

/** Ask for JSON: `{ answer, ms }`, the milliseconds without any wait before the app took the request. */
export async function api(path, options) {
  const { response, ms } = await ask(path, options);
  return { answer: await reached(response.json()), ms };
}

/** Do `work(signal)` and tell what goes wrong; the element is busy meanwhile, and its attempt before is given up. */
export async function attempt(element, work) {
  attempts.get(element)?.abort();
  const mine = new AbortController();
  attempts.set(element, mine);
  element.setAttribute("aria-busy", "true");
  tell("");
  try {
    await work(mine.signal);
  } catch (error) {
    if (mine.signal.aborted) return;
    if (!(error instanceof Problem)) throw error;
    tell(error.message, error instanceof Stopped ? "wait" : "error");
  } finally {
    if (attempts.get(element) === mine) element.removeAttribute("aria-busy");
  }
}
const attempts = new WeakMap();

/** A promise of fetch; that nobody answers is a Problem, and the line of the model says when someone does again. */
async function reached(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    backendLine();
    throw new Unreachable(navigator.onLine ? "The app does not answer. Try again in a moment." : "You are offline.");
  }
}

async function problemOf(response) {
  const { detail } = await response.json().catch(() => ({})); // a proxy in between answers with a page
  return new Problem(detail || `The app answered ${response.status}. Try again in a moment.`, response.status);
}

// ---- telling people

/** Tell something in the page's notice; "" clears it. `kind` is "wait" or "error"; `more` are elements. */
export function tell(message, kind = "wait", ...more) {
  $("notice").replaceChildren(...(message ? [el("p", { className: `notice ${kind}` }, message, ...more)] : []));
  if (message) $("notice").scrollIntoView({ block: "nearest" });
}

/** Count down in the notice; the button there gives up. The seconds are shown, but not read out one by one. */
async function pause(seconds, why, signal) {
  const stop = new AbortController(), left = el("span", { className: "faint", ariaHidden: "true" });
  const giveUp = () => stop.abort(new Stopped("Stopped. Nothing was lost: try again when you like."));
  tell(why, "wait", left, el("button", { type: "button", className: "plain", onclick: giveUp }, "Stop trying"));
  try {
    for (let rest = Math.ceil(seconds); rest > 0; rest--) {
      left.textContent = `Trying again in ${rest} s`;
      await delay(1000, signal, stop.signal);
    }
  } finally {
    tell("");
  }
}

/** A promise that is kept after some milliseconds, and broken when one of the signals is aborted. */
export function delay(ms, ...signals) {
  const signal = AbortSignal.any(signals.filter(Boolean));
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    setTimeout(resolve, ms);
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

/** Show which model answers, and follow its loading; then, whether what is sent is kept. */
export async function backendLine() {
  if (watching || !$("backend")) return;
  watching = true;
  let state = await readiness();
  for (; state.status === "loading" || state.status === "away"; state = await readiness()) {
    showBackend(state);
    await delay(1000);
  }
  watching = false;
  showBackend(state);
  if (state.status === "failed") tell(`The model could not be loaded. ${state.reason}`, "error");
  await showStorage();
}
let watching = false;

/** What /ready says: `{ status, backend, reason }`, with the status "away" when nobody answers but a proxy in between. */
async function readiness() {
  const response = await fetch(new URL("ready", ROOT)).catch(() => null);
  const said = await response?.json().catch(() => null);
  return ["ready", "loading", "failed"].includes(said?.status) ? said : { status: "away" };
}

function showBackend({ status, backend }) {
  const words = { ready: backend, loading: `${backend} is loading…`, failed: `${backend} failed`, away: "Waiting for the app…" };
  $("backend").textContent = words[status];
  $("backend").className = `pill ${status}`;
}

async function showStorage() {
  if (!$("storage")) return;
  const health = await fetch(new URL("health", ROOT)).then(response => response.json()).catch(() => ({}));
  $("storage").textContent = health.storage?.message ?? "";
}

/** Milliseconds as people say them: "12 ms", "3.4 s". */
export const latency = ms => (ms < 999.5 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/** A share as people say it: "93.2%". */
export const percent = share => share.toLocaleString("en", { style: "percent", maximumFractionDigits: 1 });

/** A button that copies a text. */
export function copyButton(text) {
  const button = el("button", { type: "button", className: "plain" }, "Copy");
  button.addEventListener("click", async () => {
    const copied = navigator.clipboard?.writeText(text()) ?? Promise.reject(); // only where the address is https
    button.textContent = await copied.then(() => "Copied", () => "Your browser forbids it");
    await delay(2000);
    button.textContent = "Copy";
  });
  return button;
}

// ---- what a page remembers until its tab is closed

const memory = new Map(); // where the browser lets a page in a frame store nothing

/** Keep a text under a name; null forgets it. */
export function keep(name, text) {
  memory.set(name, text);
  try {
    if (text === null) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, text);
  } catch {} // blocked: memory has it
}

/** The text kept under a name, or null. */
export function kept(name) {
  if (memory.has(name)) return memory.get(name);
  try {
    return sessionStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Ask for the app's token in the page, once for all that wait for it. */
function tokenGiven(refused) {
  return (asking ??= new Promise(resolve => {
    const before = document.activeElement;
    const input = el("input", { id: "token", type: "password", required: true, autocomplete: "off", pattern: "[!-~]+" });
    const words = refused ? "This token was not accepted. The token of this app:" : "The token of this app:";
    const form = el("form", { className: "card stack" },
      el("label", { htmlFor: "token" }, words),
      input,
      el("p", { className: "faint" }, "Whoever runs this app has it. It stays in this tab."),
      el("div", { className: "row" }, el("button", {}, "Go on")));
    form.addEventListener("submit", event => {
      event.preventDefault();
      keep("token", input.value);
      asking = null;
      form.remove();
      before?.focus();
      resolve();
    });
    document.querySelector("header").after(form);
    input.focus();
  }));
}
let asking = null;
