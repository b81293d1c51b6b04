import { $, api, attempt, backendLine, el, latency, percent, tell } from "./common.js";
import { feedback } from "./feedback.js";

const LIMIT = 5000; // characters, as in main.py
const EARLIER = 5; // answers
const text = $("text");
let last = null;

const length = () => [...text.value.trim()].length; // in code points, as the server counts
const inWords = label => label[0] + label.slice(1).toLowerCase();

function count() {
  const many = length();
  $("count").textContent = `${many.toLocaleString("en")} / ${LIMIT.toLocaleString("en")}`;
  $("count").classList.toggle("error", many > LIMIT);
  text.setAttribute("aria-invalid", many > LIMIT);
}

function analyze() {
  attempt($("result"), async signal => {
    const input = text.value;
    const { answer, ms } = await api("analyze", { json: { text: input }, signal }).catch(withdraw);
    if (last) remember(last);
    last = { ...answer, input };
    show(last, ms);
  });
}

/** Hide the answer before, which would seem to be the one to this text. */
function withdraw(problem) {
  $("result").hidden = true;
  throw problem;
}

function show({ label, score, backend, input }, ms) {
  const result = $("result");
  result.hidden = false;
  result.className = `card ${label}`;
  $("label").textContent = inWords(label);
  $("score").textContent = percent(score);
  result.querySelector(".bar > div").style.width = percent(score);
  $("facts").textContent = `${backend}, ${latency(ms)}`;
  feedback($("feedback"), { input, answer: label, note: "Your text is kept with it." });
  result.scrollIntoView({ block: "nearest" });
}

function remember({ label, score, input }) {
  $("earlier").prepend(el("li", { className: label },
    el("b", {}, `${inWords(label)} ${percent(score)}`),
    el("span", { className: "cut", dir: "auto", title: input }, input)));
  while ($("earlier").children.length > EARLIER) $("earlier").lastChild.remove();
  $("history").hidden = false;
}

function refuse(reason) {
  tell(reason, "error");
  text.focus();
}

$("form").addEventListener("submit", event => {
  event.preventDefault();
  if (length() === 0) refuse("Write something first.");
  else if (length() > LIMIT) refuse("The text is too long. Shorten it, or send it in parts.");
  else analyze();
});
text.addEventListener("input", count);
text.addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("form").requestSubmit();
});
$("examples").addEventListener("click", event => {
  if (event.target.tagName !== "BUTTON") return;
  text.value = event.target.textContent;
  count();
  analyze();
});
if (navigator.platform.startsWith("Mac")) $("control").textContent = "⌘";
count();
backendLine();
