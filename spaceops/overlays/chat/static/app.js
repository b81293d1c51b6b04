import { $, ask, attempt, backendLine, copyButton, el, keep, kept, latency, Problem, tell } from "./common.js";
import { feedback } from "./feedback.js";

const LIMIT = 8000; // characters of a message, as in main.py
const LONGEST = 1024; // tokens of an answer, as in main.py; who has read enough can stop it
const MOST = 99; // messages that are sent; an odd number, so that the first is a question
const message = $("message"), conversation = $("conversation");
const touch = matchMedia("(hover: none)").matches; // where Enter is the only way to break a line
const messages = JSON.parse(kept("conversation") ?? "[]");
let stopping = null, last = null;

/** Ask for the answer to the last message, and show it as it is written. */
async function answer() {
  const { item, text, about, tools } = bubble("assistant");
  const mine = stopping = new AbortController();
  let facts = null;
  running(true);
  await attempt(item, async signal => {
    facts = await streamed(text, about, AbortSignal.any([signal, mine.signal]));
    if (text.textContent) remember("assistant", text.textContent);
  });
  about.textContent = `${text.textContent ? "" : "There is no answer. "}${facts ? inWords(facts) : ""}`;
  running(false);
  const inView = about.getBoundingClientRect().top < innerHeight;
  offer(tools, item);
  if (inView) tools.scrollIntoView({ block: "nearest" });
}

/** Fill the text as the events come; what the last of them says, or that it was stopped. */
async function streamed(text, about, signal) {
  try {
    const question = { messages: messages.slice(-MOST).map(cut), max_new_tokens: LONGEST };
    const { response } = await ask("chat", { json: question, signal });
    for await (const { name, data } of events(response.body)) {
      if (name === "error") throw new Problem(data.detail);
      if (name === "done") return data;
      if (name === "position") about.textContent = `Waiting: number ${data.position} in the queue`;
      if (name === "token") add(text, about, data.text);
    }
  } catch (error) {
    if (signal.aborted) return { finish: "stopped" };
    if (error instanceof TypeError) throw new Problem("The answer broke off. Try again in a moment.");
    throw error;
  }
  throw new Problem("The answer broke off. Try again in a moment.");
}

/** A message as the app takes it: an answer may have come out longer. */
const cut = ({ role, content }) => ({ role, content: [...content].slice(0, LIMIT).join("") });

/** The events of a stream: `{ name, data }`. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = "", part = await reader.read(); !part.done; part = await reader.read()) {
    const blocks = (rest + part.value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const [name, data] = ["event", "data"].map(field => block.match(new RegExp(`^${field}: (.*)$`, "m"))?.[1]);
      if (data) yield { name, data: JSON.parse(data) };
    }
  }
}

function add(text, about, words) {
  const inView = about.getBoundingClientRect().top < innerHeight;
  about.textContent = "";
  text.append(text.textContent ? words : words.trimStart()); // some models begin with an empty line, or write no more
  if (inView) about.scrollIntoView({ block: "nearest" }); // who has scrolled up wants to read there
}

/** What is to be known of an answer that has ended. */
function inWords({ finish, backend, new_tokens: tokens, seconds, left_out: leftOut }) {
  if (finish === "stopped") return "Stopped.";
  const words = [`${backend}, ${tokens} token${tokens === 1 ? "" : "s"}, ${latency(seconds * 1000)}`];
  if (finish === "length") words.push("cut off at the longest length");
  if (finish === "time") words.push("cut off because its time was up");
  if (leftOut) words.push(`the first ${leftOut} messages were too much for the model`);
  return words.join("; ");
}

/** Show who said something; gives the places for the text, for what is to be known of it, and for buttons. */
function bubble(role, words = "") {
  const speaker = el("span", { className: "unseen" }, role === "user" ? "You: " : "Answer: ");
  const text = el("span", { className: "text" }, words), about = el("p", { className: "faint number" });
  const tools = el("div", { className: "tools" });
  const item = el("div", { className: `said ${role}` }, el("p", {}, speaker, text), about, tools);
  conversation.append(item);
  $("examples").hidden = true;
  $("again").hidden = false;
  item.scrollIntoView({ block: "nearest" });
  return (last = { item, text, about, tools });
}

/** The buttons below an answer. They are shown for the last one only. */
function offer(tools, item) {
  const [question, reply] = messages.slice(-2), answered = reply?.role === "assistant";
  const again = el("button", { type: "button", className: "plain", onclick: () => retry(item) }, "Try again");
  const opinion = el("div", { className: "row" });
  if (answered) feedback(opinion, { input: question.content, answer: reply.content, note: "Your message is kept with it." });
  tools.className = "tools rule";
  tools.replaceChildren(el("div", { className: "row" }, ...(answered ? [copyButton(() => reply.content)] : []), again), opinion);
}

function retry(item) {
  if (messages.at(-1).role === "assistant") forget();
  item.remove();
  answer();
  write();
}

function remember(role, content) {
  messages.push({ role, content });
  keep("conversation", JSON.stringify(messages));
}

function forget() {
  messages.pop();
  keep("conversation", JSON.stringify(messages));
}

function running(is) {
  $("send").hidden = is;
  $("stop").hidden = !is;
  if (!is) stopping = null;
}

/** Go on writing; not where that would open a keyboard over the answer. */
function write() {
  if (!touch) message.focus();
}

const length = () => [...message.value.trim()].length; // in code points, as the server counts

function count() {
  const many = length();
  $("count").textContent = many > LIMIT / 2 ? `${many.toLocaleString("en")} / ${LIMIT.toLocaleString("en")}` : "";
  $("count").classList.toggle("error", many > LIMIT);
  message.setAttribute("aria-invalid", many > LIMIT);
}

function send(words) {
  if (messages.at(-1)?.role === "user") { // the one before got no answer, and models want to take turns
    forget();
    [...conversation.children].slice(-2).forEach(item => item.remove());
  }
  bubble("user", words);
  remember("user", words);
  message.value = "";
  count();
  answer();
}

$("form").addEventListener("submit", event => {
  event.preventDefault();
  if (stopping) return;
  if (length() === 0) tell("Write something first.", "error");
  else if (length() > LIMIT) tell("The message is too long. Shorten it, or send it in parts.", "error");
  else send(message.value.trim());
  write();
});
message.addEventListener("keydown", event => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || touch) return;
  event.preventDefault();
  $("form").requestSubmit();
});
document.addEventListener("keydown", event => {
  if (event.key === "Escape") stopping?.abort();
});
$("stop").addEventListener("click", () => {
  stopping?.abort();
  write();
});
$("again").addEventListener("click", () => {
  addEventListener("pagehide", () => keep("conversation", null)); // when an answer can no longer be added to it
  location.reload();
});
$("examples").addEventListener("click", event => {
  if (event.target.tagName === "BUTTON") send(event.target.textContent);
});
message.addEventListener("input", count);

for (const { role, content } of messages) bubble(role, content);
if (messages.at(-1)?.role === "user") bubble("assistant").about.textContent = "There is no answer.";
if (last) offer(last.tools, last.item);
count();
backendLine();
