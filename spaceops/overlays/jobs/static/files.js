import { tell } from "./common.js";

/**
 * A field for one file, which also takes a file that is dropped on the page or pasted.
 *
 *   <div id="drop" class="drop"><label for="file">A picture</label><input id="file" type="file" accept="image/*"></div>
 *   fileField($("drop"), { most: 10_000_000, taken: file => … });   // most: bytes
 */
export function fileField(zone, { most, taken }) {
  const input = zone.querySelector("input[type=file]");

  function refuse(reason) {
    input.value = "";
    tell(reason, "error");
  }

  input.addEventListener("click", () => (input.value = "")); // or the same file could not be chosen again
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file) return;
    if (file.size > most) refuse(`${file.name} has ${size(file.size)}; the most is ${size(most)}.`);
    else if (await readable(file)) taken(file);
    else refuse(`${file.name} cannot be read. If it is a file, and no folder, choose it again: it has changed.`);
  });

  function take(event, { files }) {
    if (!files.length) return;
    event.preventDefault();
    input.files = files;
    input.dispatchEvent(new Event("change"));
  }

  document.addEventListener("paste", event => take(event, event.clipboardData));
  document.addEventListener("dragover", event => {
    event.preventDefault(); // else the browser leaves the page to show the file
    zone.classList.add("over");
  });
  document.addEventListener("dragleave", event => event.relatedTarget ?? zone.classList.remove("over"));
  document.addEventListener("drop", event => {
    event.preventDefault();
    zone.classList.remove("over");
    take(event, event.dataTransfer);
  });
}

/** Whether a file is one, and as it was when it was chosen. */
const readable = file => file.slice(0, 1).arrayBuffer().then(() => true, () => false);

/** Bytes as people say them: "12 kB", "3.4 MB". */
export const size = bytes => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
