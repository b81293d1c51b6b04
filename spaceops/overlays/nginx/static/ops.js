import { $, api, attempt, delay, el, latency } from "./common.js";

const STATES = { ready: "ready", loading: "loading", failed: "failed", silent: "failed" }; // as style.css has them

/** "2.1 h": how long, in the unit that suits. */
function duration(seconds) {
  const [size, unit] = [[86400, "days"], [3600, "h"], [60, "min"]].find(([size]) => seconds >= size) ?? [1, "s"];
  return `${(seconds / size).toFixed(size > 60 ? 1 : 0)} ${unit}`;
}

function processRow({ name, running, starts, seconds, memory }) {
  const state = running ? `up for ${duration(seconds)}` : "down, will be started again";
  const size = memory === null ? "unknown" : `${Math.round(memory / 2 ** 20)} MB`;
  return row(name, state, running ? size : "none", ["never", "once"][starts - 1] ?? `${starts - 1} times`);
}

const row = (head, ...cells) => el("tr", {}, el("th", { scope: "row" }, head), ...cells.map(cell => el("td", {}, cell)));

function trafficRows(traffic) {
  if (!traffic) return [row("Not known at the moment", "")];
  const within = seconds => (seconds === null ? "unknown" : `within ${latency(seconds * 1000)}`);
  return [
    row("Answered", traffic.requests.toLocaleString("en")),
    row("Failed", traffic.failed.toLocaleString("en")),
    row("Half of them", within(traffic.usual_seconds)),
    row("95 of 100", within(traffic.slow_seconds)),
    row("Being answered now", traffic.in_progress),
    row("Waiting for the model", traffic.waiting),
  ];
}

function show({ app, backend, reason, traffic, processes }) {
  const words = { ready: backend, loading: `${backend} is loading…`, failed: `${backend} failed: ${reason}`, silent: "The app does not answer" };
  $("app").className = `pill ${STATES[app]}`;
  if ($("app").textContent !== words[app]) $("app").textContent = words[app]; // read out when it changes
  $("processes").replaceChildren(...processes.map(processRow));
  $("traffic").replaceChildren(...trafficRows(traffic));
}

for (;;) {
  await attempt($("processes"), async signal => show((await api("ops/status", { signal })).answer));
  await delay(5000);
}
