import { $, api, attempt, backendLine, el, latency, percent, Problem, tell } from "./common.js";
import { feedback } from "./feedback.js";

const TYPES = ["image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp"]; // as in images.py
const SIDE = 1024; // pixels; a model looks at fewer
const SMALL = 2 ** 20; // bytes
const EARLIER = 5; // answers
const preview = $("preview");
let last = null;

/** Classify what `source()` gives: something to draw, and the file it came from if it came from one. */
function classify(source) {
  attempt($("result"), async signal => {
    const { drawable, file } = await source();
    signal.throwIfAborted(); // another picture came while this one was decoded
    const whole = draw(drawable) && file?.size < SMALL && TYPES.includes(file.type);
    const body = whole ? file : await drawn(file ? "image/jpeg" : "image/png");
    const headers = { "Content-Type": body.type };
    const { answer, ms } = await api("classify", { method: "POST", body, headers, signal }).catch(withdraw);
    if (last) remember(last);
    last = { best: answer.labels[0], thumbnail: thumbnail() };
    show(answer, ms);
  });
}

/** Hide the labels before, which would seem to be those of this picture. */
function withdraw(problem) {
  $("result").hidden = true;
  throw problem;
}

/** Show it on the page, upright, on white and not too large; say whether all its pixels are there. */
function draw(drawable) {
  const width = drawable.naturalWidth ?? drawable.width, height = drawable.naturalHeight ?? drawable.height;
  const scale = Math.min(1, SIDE / Math.max(width, height));
  preview.width = Math.max(1, width * scale);
  preview.height = Math.max(1, height * scale);
  const pen = preview.getContext("2d");
  pen.fillStyle = "white";
  pen.fillRect(0, 0, preview.width, preview.height);
  pen.drawImage(drawable, 0, 0, preview.width, preview.height);
  preview.hidden = false;
  return scale === 1;
}

const drawn = type => new Promise(resolve => preview.toBlob(resolve, type, .9));

function thumbnail() {
  const canvas = el("canvas", { width: 96, height: 96 }), side = Math.min(preview.width, preview.height);
  canvas.getContext("2d").drawImage(preview, (preview.width - side) / 2, (preview.height - side) / 2, side, side, 0, 0, 96, 96);
  return canvas.toDataURL("image/jpeg");
}

async function read(file) {
  const drawable = await createImageBitmap(file).catch(() => null); // turns it as EXIF says
  if (!drawable) throw new Problem("Your browser cannot show this file. Take a JPEG, PNG, WebP or GIF.");
  return { drawable, file };
}

function show({ labels, backend, sha256 }, ms) {
  $("result").hidden = false;
  $("labels").replaceChildren(...labels.map(({ label, score }) => {
    const bar = el("div");
    bar.style.width = percent(score);
    return el("li", {},
      el("div", { className: "row" }, el("span", {}, label), el("span", { className: "number" }, percent(score))),
      el("div", { className: "bar", ariaHidden: "true" }, bar));
  }));
  $("facts").textContent = `${backend}, ${latency(ms)}`;
  const note = "Sends a fingerprint of the picture, not the picture.";
  feedback($("feedback"), { input: sha256, answer: labels[0].label, note });
  $("result").scrollIntoView({ block: "nearest" });
}

function remember({ best, thumbnail }) {
  $("earlier").prepend(el("li", {},
    el("img", { src: thumbnail, alt: "", width: 48, height: 48 }),
    el("b", {}, percent(best.score)),
    el("span", {}, best.label)));
  while ($("earlier").children.length > EARLIER) $("earlier").lastChild.remove();
  $("history").hidden = false;
}

/** Classify the first file, if there is one; say whether there is. */
function take(files) {
  if (files.length) classify(() => read(files[0]));
  if (files.length > 1) tell(`One picture at a time: this is the first of ${files.length}.`);
  return files.length > 0;
}

$("choose").addEventListener("click", () => {
  $("file").removeAttribute("capture");
  $("file").click();
});
$("camera").addEventListener("click", () => {
  $("file").setAttribute("capture", "environment");
  $("file").click();
});
$("file").addEventListener("change", () => {
  take($("file").files);
  $("file").value = ""; // so that the same file can be chosen again
});
document.addEventListener("paste", event => {
  if (take(event.clipboardData.files)) event.preventDefault();
});
document.addEventListener("dragover", event => {
  event.preventDefault(); // or the browser would leave the page for the picture
  $("drop").classList.add("over");
});
document.addEventListener("dragleave", event => {
  if (!event.relatedTarget) $("drop").classList.remove("over");
});
document.addEventListener("drop", event => {
  event.preventDefault();
  $("drop").classList.remove("over");
  if (take(event.dataTransfer.files)) return;
  tell("That came without its file. Copy the picture and paste it here, or save it and choose the file.", "error");
});
$("examples").addEventListener("click", event => {
  const picture = event.target.closest("button")?.querySelector("img");
  if (picture) classify(async () => ({ drawable: picture }));
});
backendLine();
