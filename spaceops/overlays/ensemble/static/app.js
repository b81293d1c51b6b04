import { $, api, ask, attempt, backendLine, el, latency, percent, tell } from "./common.js";
import { fileField } from "./files.js";
import { follower } from "./jobs.js";

const LIMIT = 5000; // characters of a text, as in main.py
const MOST = 1000; // texts of a job, as in main.py
const SHOWN = 100; // of them on the page
const text = $("text"), texts = $("texts");
let jobShown = null; // the id of the job whose results are on the page

const length = words => [...words].length; // in code points, as the server counts
const inWords = label => label[0] + label.slice(1).toLowerCase();
const short = model => model.replace(/(?<=@[0-9a-f]{7})[0-9a-f]{33}$/, ""); // a commit, as git shortens it
const lines = () => texts.value.split("\n").map(line => line.trim()).filter(Boolean);

// ---- one text

function count() {
  const many = length(text.value.trim());
  $("count").textContent = `${many.toLocaleString("en")} / ${LIMIT.toLocaleString("en")}`;
  $("count").classList.toggle("error", many > LIMIT);
  text.setAttribute("aria-invalid", many > LIMIT);
}

function analyze() {
  attempt($("result"), async signal => {
    const { answer, ms } = await api("analyze", { json: { text: text.value }, signal }).catch(withdraw);
    show(answer, ms);
  });
}

/** Hide the answer before, which would seem to be the one to this text. */
function withdraw(problem) {
  $("result").hidden = true;
  throw problem;
}

function show({ label, score, opinions }, ms) {
  const result = $("result");
  result.hidden = false;
  result.className = `card ${label}`;
  $("label").textContent = inWords(label);
  $("score").textContent = percent(score);
  result.querySelector(".bar > div").style.width = percent(score);
  $("facts").textContent = `${agreed(label, opinions)}, ${latency(ms)}`;
  $("opinions").replaceChildren(...opinions.map(opinionCard));
  result.scrollIntoView({ block: "nearest" });
}

function agreed(label, opinions) {
  const said = opinions.filter(one => one.label), same = said.filter(one => one.label === label);
  const silent = opinions.length - said.length;
  return `${same.length} of ${said.length} models agree${silent ? `, ${silent} could not answer` : ""}`;
}

function opinionCard({ model, weight, label, score, probabilities, milliseconds, error }) {
  const name = el("h3", {}, short(model));
  const counts = weight === 1 ? "" : `, counts ${weight} times`;
  if (error) return el("li", {}, name, el("p", { className: "error" }, error), el("p", { className: "faint" }, counts.slice(2)));
  return el("li", { className: label }, name,
    el("p", {}, el("b", {}, inWords(label)), ` ${percent(score)}`),
    el("dl", {}, ...Object.entries(probabilities).flatMap(chance)),
    el("p", { className: "faint number" }, `${milliseconds < 1 ? "under 1 ms" : latency(milliseconds)}${counts}`));
}

function chance([label, share]) {
  const fill = el("div");
  fill.style.width = percent(share);
  return [
    el("dt", {}, inWords(label)),
    el("dd", { className: `bar ${label}`, ariaHidden: "true" }, fill),
    el("dd", { className: "number" }, percent(share)),
  ];
}

// ---- many texts

const jobs = follower($("job"), ({ summary, rows }, id) => {
  jobShown = id;
  const { labels, unanswered, agreement } = summary;
  const counts = Object.entries(labels).map(([label, many]) => `${many.toLocaleString("en")} ${label.toLowerCase()}`);
  if (unanswered) counts.push(`${unanswered} without an answer`);
  $("summary").textContent = `${counts.join(", ")}.${agreement === null ? "" : ` On average ${percent(agreement)} of the models agree.`}`;
  const models = rows.find(row => row.verdict)?.verdict.opinions.map(({ model }) => model) ?? [];
  $("columns").replaceChildren(...["Text", "Together", ...models.map(short)].map(name => el("th", { scope: "col" }, name)));
  $("rows").replaceChildren(...rows.slice(0, SHOWN).map(line));
  $("more").textContent = rows.length > SHOWN ? `The first ${SHOWN} of ${rows.length.toLocaleString("en")}; the downloads have all.` : "";
  $("results").hidden = false;
  $("results-name").focus();
});

function line({ text: words, verdict, error }) {
  const cell = label => el("td", { className: label ?? "" }, label ? el("b", {}, inWords(label)) : "–");
  if (!verdict) return el("tr", {}, el("td", {}, words), el("td", { className: "error", colSpan: 99 }, error));
  return el("tr", {}, el("td", {}, words), cell(verdict.label), ...verdict.opinions.map(({ label }) => cell(label)));
}

function countLines() {
  const many = lines().length;
  $("lines").textContent = `${many.toLocaleString("en")} / ${MOST.toLocaleString("en")} texts`;
  $("lines").classList.toggle("error", many > MOST);
  texts.setAttribute("aria-invalid", many > MOST);
}

/** Text in UTF-8 or UTF-16, or else in the code page that old files of Windows have. */
function decoded(content) {
  const wide = { "255,254": "utf-16le", "254,255": "utf-16be" }[String(new Uint8Array(content.slice(0, 2)))]; // by its mark
  try {
    return new TextDecoder(wide ?? "utf-8", { fatal: !wide }).decode(content);
  } catch {
    return new TextDecoder("windows-1252").decode(content);
  }
}

/** Save what the app answers; a plain link could not carry a token. */
function download(name) {
  attempt($("downloads"), async signal => {
    const { response } = await ask(`jobs/${jobShown}/${name}`, { signal });
    const file = name === "result" ? "sentiment.json" : "sentiment.csv";
    const link = el("a", { href: URL.createObjectURL(await response.blob()), download: file });
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

// ---- what people do

function refuse(field, reason) {
  tell(reason, "error");
  field.focus();
}

$("form").addEventListener("submit", event => {
  event.preventDefault();
  const many = length(text.value.trim());
  if (many === 0) refuse(text, "Write something first.");
  else if (many > LIMIT) refuse(text, "The text is too long. Shorten it, or send it in parts.");
  else analyze();
});
$("many").addEventListener("submit", event => {
  event.preventDefault();
  const all = lines(), long = all.findIndex(one => length(one) > LIMIT);
  if (all.length === 0) refuse(texts, "Write something first: a text on each line.");
  else if (all.length > MOST) refuse(texts, `Up to ${MOST.toLocaleString("en")} texts can be sent at a time.`);
  else if (long >= 0) refuse(texts, `Text ${long + 1} is longer than ${LIMIT.toLocaleString("en")} characters.`);
  else {
    $("results").hidden = true;
    jobs.start({ json: { texts: all } });
  }
});
text.addEventListener("input", count);
texts.addEventListener("input", countLines);
text.addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("form").requestSubmit();
});
$("examples").addEventListener("click", event => {
  if (event.target.tagName !== "BUTTON") return;
  text.value = event.target.textContent;
  count();
  analyze();
});
$("downloads").addEventListener("click", event => event.target.value && download(event.target.value));
fileField($("drop"), {
  most: 5_000_000,
  taken: async file => {
    texts.value = decoded(await file.arrayBuffer());
    countLines();
  },
});
if (navigator.platform.startsWith("Mac")) $("control").textContent = "⌘";
count();
countLines();
backendLine();
jobs.resume();
