import { $, ask, attempt, backendLine, copyButton, el, latency, percent, tell } from "./common.js";
import { fileField } from "./files.js";
import { follower } from "./jobs.js";

const MOST_CHARACTERS = 2_000_000; // as in main.py
const MOST_BYTES = 25_000_000;
const AROUND = 400; // characters that are shown before and after a sentence, where much lies between two
const text = $("text");

const number = many => many.toLocaleString("en");
const length = () => [...text.value].length; // in code points, as the server counts

const jobs = follower($("job"), (result, id) => {
  showSummary(result);
  $("source").hidden = result.sentences.length === 0; // a model may use words of its own
  if (!$("source").hidden) attempt($("source"), async signal => {
    const { response } = await ask(`jobs/${id}/text`, { signal });
    showSource([...(await response.text())], result.sentences);
  });
});

function showSummary({ summary, sentences, phrases, words, words_before, compression, seconds, backend }) {
  const lines = sentences.map(({ text }, place) => el("a", { href: `#from-${place}` }, text));
  $("summary").replaceChildren(...(lines.length ? lines : [summary]).map(line => el("li", {}, line)));
  $("facts").textContent =
    `${number(words)} words instead of ${number(words_before)} (${percent(compression)}), ${backend}, ${latency(seconds * 1000)}`;
  $("actions").replaceChildren(copyButton(() => summary), el("button", { type: "button", className: "plain", onclick: () => save(summary) }, "Save"));
  $("phrases").replaceChildren(...phrases.map(phrase => el("li", {}, phrase)));
  $("about").hidden = phrases.length === 0;
  $("result").hidden = false;
  $("result").scrollIntoView({ block: "nearest" });
  $("result-name").focus({ preventScroll: true });
}

/** The text with the chosen sentences marked, and without most of what lies between them. */
function showSource(signs, sentences) {
  const parts = [];
  let end = 0;
  sentences.forEach((sentence, place) => {
    parts.push(...between(signs, end, sentence.start, place > 0, true));
    parts.push(el("mark", { id: `from-${place}`, tabIndex: -1 }, signs.slice(sentence.start, sentence.end).join("")));
    end = sentence.end;
  });
  parts.push(...between(signs, end, signs.length, true, false));
  $("original").replaceChildren(...parts);
  $("original").scrollTop = 0;
}

function between(signs, start, end, afterMark, beforeMark) {
  const first = afterMark ? wordEnd(signs, Math.min(end, start + AROUND)) : start;
  const last = beforeMark ? Math.max(first, wordEnd(signs, end - AROUND)) : end;
  if (last - first < AROUND) return [signs.slice(start, end).join("")];
  const gap = el("span", { className: "faint" }, ` … ${number(last - first)} characters … `);
  return [signs.slice(start, first).join(""), gap, signs.slice(last, end).join("")];
}

/** The end of the word that a place is in. */
function wordEnd(signs, place) {
  while (place > 0 && place < signs.length && signs[place].trim()) place++;
  return place;
}

function save(summary) {
  const link = el("a", { href: URL.createObjectURL(new Blob([summary], { type: "text/plain" })), download: "summary.txt" });
  link.click();
  URL.revokeObjectURL(link.href);
}

/** What the choice of a length means for the API: { sentences: 5 } or { words: 100 }. */
function wanted() {
  const [unit, many] = $("length").value.split(" ");
  return { [unit]: Number(many) };
}

function start(request) {
  $("result").hidden = $("source").hidden = true;
  jobs.start(request);
}

function summarize() {
  const file = $("file").files[0]; // is there if it was chosen after the text was written
  if (file) $("file").dispatchEvent(new Event("change"));
  else if (length() > MOST_CHARACTERS) refuse("The text is too long. Send it in parts.");
  else if (text.value.trim()) start({ json: { text: text.value, ...wanted() } });
  else refuse("Paste a text first, or choose a file.");
}

function summarizeFile(file) {
  const body = new FormData();
  body.append("file", file);
  for (const [name, value] of Object.entries(wanted())) body.append(name, value);
  start({ body });
}

function refuse(reason) {
  tell(reason, "error");
  text.focus();
}

function count() {
  $("count").textContent = `${number(length())} of ${number(MOST_CHARACTERS)} characters`;
  text.setAttribute("aria-invalid", length() > MOST_CHARACTERS);
}

function written() {
  $("file").value = "";
  count();
}

$("form").addEventListener("submit", event => {
  event.preventDefault();
  summarize();
});
text.addEventListener("input", written);
text.addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("form").requestSubmit();
});
$("examples").addEventListener("click", event => event.target.value && attempt($("form"), async signal => {
  const { response } = await ask(`static/example-${event.target.value}.txt`, { signal });
  text.value = await response.text();
  written();
  summarize();
}));
$("summary").addEventListener("click", event => {
  if (!event.target.hash) return;
  event.preventDefault(); // the page may be in a frame, whose address should stay
  const mark = $(event.target.hash.slice(1));
  mark?.scrollIntoView({ block: "center" });
  mark?.focus({ preventScroll: true });
});
fileField($("drop"), { most: MOST_BYTES, taken: summarizeFile });
if (navigator.platform.startsWith("Mac")) $("control").textContent = "⌘";
count();
backendLine();
jobs.resume();
