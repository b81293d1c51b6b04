import { api, attempt, el } from "./common.js";

/** Ask in an element whether an answer was right, and send what is said. `note` says what is kept of the input. */
export function feedback(element, { input, answer, note = "" }) {
  const say = right => element.ariaBusy || attempt(element, async signal => { // a second click is not a second opinion
    await api("feedback", { json: { input, answer, right }, signal });
    const { answer: all } = await api("feedback", { signal });
    const thanks = el("p", { tabIndex: -1 }, `Thank you. Right so far: ${all.right} of ${all.right + all.wrong}.`);
    element.replaceChildren(thanks);
    thanks.focus(); // the button that had it is gone
  });
  const button = (words, right) => el("button", { type: "button", className: "plain", onclick: () => say(right) }, words);
  element.replaceChildren(el("span", {}, "Is this right?"), button("Yes", true), button("No", false),
    el("span", { className: "faint" }, note));
}
