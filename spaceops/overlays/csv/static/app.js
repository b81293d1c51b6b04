import { $, ask, attempt, backendLine, el } from "./common.js";
import { fileField } from "./files.js";
import { follower } from "./jobs.js";

const LIMIT = 50_000_000; // bytes, as in main.py
let shown = null; // the id of the job whose report is on the page

const jobs = follower($("job"), async (_result, id) => {
  const { response } = await ask(`jobs/${id}/report.html`);
  const html = (await response.text()).replace(/<style>[^]*<\/style>/, ""); // the page has its own; texts are escaped
  const page = new DOMParser().parseFromString(html, "text/html");
  $("report").replaceChildren(...page.querySelector("main").children);
  $("result").hidden = false;
  shown = id;
  const title = $("report").querySelector("h1");
  title.tabIndex = -1;
  title.focus({ preventScroll: true }); // there the report begins, also for who listens to it
  $("result").scrollIntoView({ block: "start" });
});

function analyze(file) {
  const body = new FormData();
  body.append("file", file);
  $("result").hidden = true;
  jobs.start({ body });
}

/** Save what the app answers; a plain link could not carry a token. */
function download(name) {
  attempt($("downloads"), async signal => {
    const { response } = await ask(`jobs/${shown}/${name}`, { signal });
    const link = el("a", { href: URL.createObjectURL(await response.blob()), download: name === "result" ? "report.json" : name });
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

fileField($("drop"), { most: LIMIT, taken: analyze });
$("example").addEventListener("click", () => attempt($("job"), async signal => {
  const { response } = await ask("static/example.csv", { signal });
  analyze(new File([await response.blob()], "coffee shop.csv"));
}));
$("downloads").addEventListener("click", event => event.target.value && download(event.target.value));
backendLine();
jobs.resume();
