import { api, attempt, delay, el, keep, kept, Problem, Stopped, tell, Unreachable } from "./common.js";

/**
 * Jobs of the page, one at a time: submitted, followed, cancelled, and found again after a reload.
 *
 *   const jobs = follower($("job"), (result, id) => { … });   // $("job") is <section id="job" class="card" hidden>
 *   form.onsubmit = … jobs.start({ json: { text } })          // or { body: new FormData(form) }
 *   jobs.resume();
 */
export function follower(element, done) {
  const step = el("p", { role: "status" }), facts = el("span", { className: "faint number" });
  const bar = el("progress", { max: 1, ariaLabel: "Progress" });
  const cancel = el("button", { type: "button", className: "plain end" }, "Cancel");
  element.replaceChildren(step, bar, el("div", { className: "row" }, facts, cancel));

  async function follow(id, signal) {
    cancel.disabled = false;
    cancel.onclick = () => attempt(cancel, () => stop(id));
    let state = await stateOf(id, signal);
    for (; state.status === "queued" || state.status === "running"; state = await stateOf(id, signal)) draw(state);
    if (state.status === "failed") throw new Problem(state.error);
    if (state.status === "cancelled") throw new Stopped("Cancelled.");
    const { answer } = await api(`jobs/${id}/result`, { signal });
    await done(answer, id);
  }

  function draw({ status, step: words, position, progress, created }) {
    const text = status === "queued" ? `Waiting: number ${position} in the queue` : words || "Working…";
    if (step.textContent !== text) step.textContent = text; // written only when new, for it is read aloud
    if (status === "running") bar.value = progress;
    const seconds = Math.max(0, Math.round((Date.now() - new Date(created)) / 1000));
    facts.textContent = `${status === "running" ? `${Math.round(progress * 100)}%, ` : ""}${seconds} s`;
  }

  const watch = (words, work) => attempt(bar, async signal => {
    element.hidden = false;
    cancel.disabled = true;
    bar.removeAttribute("value"); // moves until there is a number to show
    facts.textContent = "";
    step.textContent = words;
    element.scrollIntoView({ block: "nearest" });
    try {
      await work(signal);
    } catch (problem) {
      if (!signal.aborted) keep("job", null);
      throw problem;
    } finally {
      if (!signal.aborted) element.hidden = true;
    }
  });

  return {
    /** Submit a job; `request` is what api() takes. The one before is cancelled: nobody would see its result. */
    start: request => watch("Sending…", async signal => {
      if (kept("job")) stop(kept("job")).catch(() => {}); // it may have ended long ago
      keep("job", null);
      const { answer } = await api("jobs", { ...request, signal });
      keep("job", answer.id);
      await follow(answer.id, signal);
    }),
    /** Follow the job that this tab submitted before it was reloaded, if there is one. */
    resume: () => kept("job") && watch("Asking for your job…", signal => follow(kept("job"), signal)),
  };
}

const stop = id => api(`jobs/${id}`, { method: "DELETE" });

/** The state after a second, or as soon as the job ends. While nobody answers it is asked for again: the job is there. */
async function stateOf(id, signal) {
  for (let lost = false; ; lost = true) {
    try {
      const { answer } = await api(`jobs/${id}?wait=1`, { signal });
      if (lost) tell("");
      return answer;
    } catch (problem) {
      if (!(problem instanceof Unreachable)) throw problem;
      tell(`${problem.message} This page goes on asking for your job.`);
      await delay(2000, signal);
    }
  }
}
