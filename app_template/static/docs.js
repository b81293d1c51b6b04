// Shows what openapi.json says, whatever the routes are, and lets each be tried.
import { $, api, attempt, backendLine, copyButton, el, kept, latency, send } from "./common.js";

const JSON_TYPE = "application/json", FORM_TYPE = "multipart/form-data";
let spec;

// ---- schemas

/** The schema itself where there is only a reference to it. */
const resolved = (schema = {}) =>
  schema.$ref ? resolved(schema.$ref.split("/").slice(1).reduce((node, key) => node[key], spec)) : schema;

const isFile = schema => schema.format === "binary" || "contentMediaType" in schema;
const choices = ({ anyOf, oneOf }) => (anyOf ?? oneOf)?.map(resolved);

/** A type in words: "list of string of 1 to 500 characters". */
function kind(schema) {
  const { type, items, enum: values, const: only, ...limits } = resolved(schema);
  if (choices(resolved(schema))) return choices(resolved(schema)).map(kind).join(" or ");
  if (only ?? values) return [only ?? values].flat().map(value => JSON.stringify(value)).join(" or ");
  if (isFile(limits)) return "file";
  return (items ? `list of ${kind(items)}` : [type ?? "anything"].flat().join(" or ")) + range(limits);
}

function range({ minLength, maxLength, minItems, maxItems, minimum, maximum }) {
  const known = [[minLength, maxLength, " characters"], [minItems, maxItems, " entries"], [minimum, maximum, ""]];
  return known.filter(([low, high]) => (low ?? high) !== undefined)
    .map(([low, high, unit]) => (high === undefined ? ` of at least ${low}${unit}` : ` of ${low ?? 0} to ${high}${unit}`)).join("");
}

/** Something to begin with: the example that the app gives, else the simplest value of the type. */
function example(given, depth = 0) {
  const schema = resolved(given);
  const [first] = schema.examples ?? [schema.example ?? schema.default ?? schema.const ?? schema.enum?.[0]];
  if (first !== undefined || depth > 5) return first ?? null;
  if (choices(schema)) return example(choices(schema)[0], depth + 1);
  if (schema.type === "array") return [example(schema.items, depth + 1)];
  if (schema.type !== "object") return SIMPLEST[schema.type] ?? null;
  const wanted = Object.entries(schema.properties ?? {}).filter(([name, field]) =>
    schema.required?.includes(name) || resolved(field).examples || resolved(field).default != null);
  return Object.fromEntries(wanted.map(([name, field]) => [name, example(field, depth + 1)]));
}
const SIMPLEST = { string: "", integer: 0, number: 0, boolean: false };

/** Words of the description, in which what stands between backticks is code. */
const prose = (words = "") => words.split("`").map((part, at) => (at % 2 ? el("code", {}, part) : part));

/** The fields of an object and of the objects in it, as rows: name, type, whether it may be missing, meaning. */
function* rows(given, before = "", depth = 0) {
  const schema = resolved(given), inner = schema.items ? resolved(schema.items) : schema;
  const prefix = schema.items ? `${before}[].` : before && `${before}.`;
  for (const [name, field] of Object.entries(inner.properties ?? {})) {
    yield [prefix + name, kind(field), !inner.required?.includes(name), field.description ?? resolved(field).description ?? ""];
    for (const part of depth < 3 ? choices(resolved(field)) ?? [field] : []) yield* rows(part, prefix + name, depth + 1);
  }
}

/** A name with places to break it, after its dots. */
const breakable = name => name.split(/(?<=\.)/).flatMap(part => [part, el("wbr")]);

/** What a message of this content type holds: a table of its fields, or a line where it has none. */
function fields([contentType, { schema }]) {
  const found = [...rows(schema)], caption = `Fields, ${contentType}`;
  if (!found.length) return el("p", { className: "faint" }, contentType, schema?.type ? `: ${kind(schema)}` : "");
  const line = ([name, type, optional, meaning]) => el("tr", {}, el("td", {}, el("code", {}, ...breakable(name))),
    el("td", {}, type, optional ? el("span", { className: "faint" }, ", may be missing") : ""), el("td", {}, ...prose(meaning)));
  const heads = ["Field", "Type", "Meaning"].map(text => el("th", { scope: "col" }, text));
  return el("div", { className: "scroll", tabIndex: 0, role: "group", ariaLabel: caption },
    el("table", { className: "fields" }, el("caption", { className: "unseen" }, caption),
      el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...found.map(line))));
}

// ---- one operation: what to send

/** The fields in which somebody fills in a request; `read()` gives what they say. */
function requestForm(operation, parameters, body) {
  const id = name => `${operation.operationId}-${name}`;
  const labelled = (name, input, words) => (input.id = id(name), [el("label", { htmlFor: id(name) }, words), input]);
  const inputs = parameters.map(({ name, required, schema }) =>
    [name, el("input", { value: String((required ? example(schema) : null) ?? ""), placeholder: schema.default ?? "", required, autocomplete: "off" })]);
  const types = Object.keys(body?.content ?? {}), type = el("select", {}, ...types.map(one => el("option", {}, one)));
  const place = el("div");
  let parts = [];

  function showBody() {
    const schema = resolved(body?.content[type.value]?.schema);
    parts = partsOf(type.value, schema);
    place.replaceChildren(...parts.flatMap(([name, input]) => labelled(name, input, name || "Body")));
  }
  if (types.length) showBody();
  type.addEventListener("change", showBody);

  return {
    elements: [...inputs.flatMap(([name, input], at) => [...labelled(`in-${name}`, input, `${name} (${parameters[at].in})`), hint(parameters[at], input)]),
      ...(types.length > 1 ? labelled("type", type, "Kind of body") : []), place],
    read: () => ({ type: type.value, parts, values: Object.fromEntries(inputs.map(([name, input]) => [name, input.value])) }),
  };
}

/** What a parameter is, below its input. */
function hint({ schema, description }, input) {
  input.setAttribute("aria-describedby", `${input.id}-hint`);
  return el("p", { id: `${input.id}-hint`, className: "faint" }, kind(schema), ...prose(description && `: ${description}`));
}

/** The inputs for a body of this content type: one for the whole, or one for each field of a form. */
function partsOf(type, schema) {
  const file = () => el("input", { type: "file" });
  if (type === JSON_TYPE) {
    const text = JSON.stringify(example(schema), null, 2);
    return [["", el("textarea", { className: "code", spellcheck: false, value: text, rows: Math.min(12, text.split("\n").length) })]];
  }
  if (!schema.properties) return [["", file()]];
  return Object.entries(schema.properties).map(([name, field]) => {
    const inner = resolved(field);
    return [name, [inner, ...(choices(inner) ?? [])].some(isFile) ? file() : el("input", { value: example(inner) ?? "", autocomplete: "off" })];
  });
}

/** What was filled in, as a request: path, headers, body, and the parts of the curl command that do the same. */
function request(method, path, parameters, { type, parts, values }) {
  const filled = path.replace(/{(\w+)}/g, (_, name) => encodeURIComponent(values[name] || name.toUpperCase()));
  const query = new URLSearchParams(parameters.filter(one => one.in === "query" && values[one.name]).map(one => [one.name, values[one.name]]));
  const address = filled.slice(1) + (query.size ? `?${query}` : "");
  const headers = Object.fromEntries(parameters.filter(one => one.in === "header" && values[one.name]).map(one => [one.name, values[one.name]]));
  const options = { method: method.toUpperCase(), headers }, words = [];
  if (type === FORM_TYPE) {
    options.body = new FormData();
    for (const [name, { files, value }] of parts) {
      if (files ? files[0] : value) options.body.append(name, files?.[0] ?? value);
      if (files || value) words.push(`-F ${quoted(files ? `${name}=@${files[0]?.name ?? "FILE"}` : `${name}=${value}`)}`);
    }
  } else if (parts.length) {
    const [[, { files, value }]] = parts;
    headers["Content-Type"] = files?.[0]?.type || type;
    options.body = files ? files[0] : value;
    words.push(files ? `--data-binary ${quoted(`@${files[0]?.name ?? "FILE"}`)}` : `-d ${quoted(compact(value))}`);
  }
  return { address, options, words };
}

const quoted = text => `'${text.replaceAll("'", `'\\''`)}'`;

function compact(text) {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return text; // not JSON yet, or on purpose
  }
}

/** The command for a terminal. The token stands there as a variable: commands are kept in a shell's history. */
function curl({ address, options, words }, streams) {
  const token = kept("token") ? ['-H "Authorization: Bearer $API_TOKEN"'] : [];
  const headers = Object.entries(options.headers).map(header => `-H ${quoted(header.join(": "))}`);
  const method = options.method === "GET" || (options.method === "POST" && words.length) ? "" : ` -X ${options.method}`;
  const start = `curl${streams ? " -N" : ""}${method} ${quoted(new URL(address, document.baseURI).href)}`;
  return [start, ...token, ...headers, ...words].join(" \\\n  ");
}

// ---- one operation: what comes back

/** Show a response in an element: text as it arrives, JSON in order when it is complete, else a file to save. */
async function showResponse(response, ms, output) {
  const type = response.headers.get("Content-Type") ?? "", head = `${response.status} ${response.statusText}`.trim();
  output.replaceChildren(el("p", { className: "faint number" }, `${head}, ${latency(ms)}${type && `, ${type}`}`));
  if (/^(text\/|application\/(.*json|.*xml|javascript)|image\/svg)/.test(type)) return showText(response, output, /json(;|$)/.test(type) && !type.includes("ndjson"));
  const blob = await response.blob();
  if (!blob.size) return;
  const href = URL.createObjectURL(blob);
  if (type.startsWith("image/")) output.append(el("img", { src: href, alt: "The picture that came back" }));
  output.append(el("p", {}, el("a", { href, download: "answer" }, `Save ${blob.size.toLocaleString("en")} bytes`)));
}

async function showText(response, output, isJson) {
  const text = el("pre", { tabIndex: 0 }), reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  output.append(text);
  for (let part = await reader.read(); !part.done; part = await reader.read()) text.append(part.value);
  if (isJson && text.textContent) text.textContent = JSON.stringify(JSON.parse(text.textContent), null, 2);
}

// ---- the page

function operation(path, method, about) {
  const parameters = (about.parameters ?? []).map(resolved), body = about.requestBody && resolved(about.requestBody);
  const form = requestForm(about, parameters, body), made = () => request(method, path, parameters, form.read());
  const streams = Object.values(about.responses).some(response => "text/event-stream" in (response.content ?? {}));
  const [first, ...rest] = (about.description ?? about.summary ?? "").split(/(?<=\.)\s+/); // sentences
  const command = el("pre", { tabIndex: 0 }), output = el("div", { role: "status" });
  const stop = el("button", { type: "button", className: "plain", hidden: true }, "Stop");
  const showCommand = () => (command.textContent = curl(made(), streams));

  const submit = event => {
    event.preventDefault();
    attempt(output, async signal => {
      const own = new AbortController(), { address, options } = made(), begun = performance.now();
      stop.onclick = () => own.abort();
      stop.hidden = false;
      try {
        const response = await send(address, { ...options, signal: AbortSignal.any([signal, own.signal]) });
        await showResponse(response, performance.now() - begun, output);
      } catch (error) {
        if (!own.signal.aborted) throw error;
        output.append(el("p", { className: "faint" }, "Stopped."));
      } finally {
        stop.hidden = true;
        showCommand(); // a token may have been asked for
      }
    });
  };
  const view = el("form", { className: "stack", oninput: showCommand, onchange: showCommand, onsubmit: submit }, ...form.elements,
    el("div", { className: "row" }, el("button", {}, "Send"), stop), output);
  showCommand();
  return el("details", { className: "card" },
    el("summary", {},
      el("h2", {}, el("code", { className: "method" }, method.toUpperCase()), " ", el("code", {}, path)), " ",
      el("span", { className: "faint" }, ...prose(first))),
    el("p", {}, ...prose(rest.join(" "))), ...contents(body ?? {}), view,
    el("div", { className: "row rule" }, el("h3", {}, "In a terminal"), copyButton(() => command.textContent)), command,
    el("h3", { className: "rule" }, "Answers"), ...answers(about.responses));
}

/** The fields of what comes back, and a line of the statuses of failures: their fields are the same everywhere. */
function answers(responses) {
  const all = Object.entries(responses).map(([status, given]) => [Number(status), resolved(given)]);
  const named = ([status, { description }]) => [el("b", {}, String(status)), " ", ...prose(description)];
  const failures = all.filter(([status]) => status >= 400).flatMap((one, at) => [at ? ", " : "", ...named(one)]);
  return [...all.filter(([status]) => status < 400).flatMap(one => [el("p", {}, ...named(one)), ...contents(one[1])]),
    el("p", { className: "faint" }, ...failures)];
}

const contents = ({ content = {} }) => Object.entries(content).map(fields);

/** The one shape of all failures. */
function failure(schema) {
  return el("section", { className: "card" }, el("h2", {}, "Failures"), el("p", {}, ...prose(schema.description)),
    fields(["application/problem+json", { schema }]));
}

attempt($("operations"), async signal => {
  backendLine();
  ({ answer: spec } = await api("openapi.json", { signal }));
  $("title").textContent = document.title = `${spec.info.title} API`;
  $("description").textContent = spec.info.description ?? "";
  const found = Object.entries(spec.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, about]) => operation(path, method, about)));
  const { Problem: problem } = spec.components.schemas;
  $("operations").replaceChildren(...found, ...(problem ? [failure(problem)] : []));
  if (found.length) found[0].open = true;
});
