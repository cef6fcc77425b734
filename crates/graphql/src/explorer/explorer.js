// The explorer: an operation goes to /graphql, its answer is shown; the schema is read by introspection.
"use strict";

const at = (id) => document.getElementById(id);
const query = at("query");
const answer = at("answer");
let running = null;

query.value = localStorage.getItem("posthaste.query") || `# Ctrl+Enter runs it.
{
  deliveries(limit: 10) {
    data { id topic url status attemptCount lastError message { id createdAt } }
    nextCursor
  }
}
`;

function headers(accept) {
  const all = { "content-type": "application/json", accept };
  const key = at("key").value.trim();
  if (key) all.authorization = `Bearer ${key}`;
  return all;
}

function ask(operation, signal, accept = "application/json") {
  return fetch("/graphql", { method: "POST", headers: headers(accept), body: JSON.stringify(operation), signal });
}

function show(document) {
  answer.textContent = JSON.stringify(document, null, 2);
}

// Shows each answer of an event stream above those before it.
async function follow(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const lines = event.split("\n");
      const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n").trim();
      if (data) answer.textContent = `${JSON.stringify(JSON.parse(data), null, 2)}\n\n${answer.textContent}`.slice(0, 200000);
    }
  }
}

async function run() {
  if (running) running.abort();
  running = new AbortController();
  at("stop").disabled = false;
  answer.textContent = "";
  localStorage.setItem("posthaste.query", query.value);
  try {
    const variables = JSON.parse(at("variables").value.trim() || "{}");
    const operation = { query: query.value, variables };
    const streams = /^\s*subscription\b/m.test(query.value);
    const response = await ask(operation, running.signal, streams ? "text/event-stream" : "application/json");
    const type = response.headers.get("content-type") || "";
    if (type.startsWith("text/event-stream")) await follow(response);
    else if (type.startsWith("application/json")) show(await response.json());
    else answer.textContent = `${response.status} ${await response.text()}`;
  } catch (error) {
    if (error.name !== "AbortError") answer.textContent = String(error);
  }
  at("stop").disabled = true;
}

const REFERENCE = `query {
  __schema { types { name kind description
    fields { name description args { name type { ...T } } type { ...T } }
    inputFields { name description type { ...T } }
    enumValues { name description } } }
}
fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }`;

function typed(type) {
  if (type.kind === "NON_NULL") return `${typed(type.ofType)}!`;
  if (type.kind === "LIST") return `[${typed(type.ofType)}]`;
  return type.name;
}

function signature(field) {
  const args = (field.args || []).map((arg) => `${arg.name}: ${typed(arg.type)}`).join(", ");
  return `${field.name}${args && `(${args})`}${field.type ? `: ${typed(field.type)}` : ""}`;
}

function element(name, text) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  return made;
}

function describe(type) {
  const details = element("details");
  details.open = ["Query", "Mutation", "Subscription"].includes(type.name);
  details.append(element("summary", type.name));
  const list = element("dl");
  for (const field of type.fields || type.inputFields || type.enumValues || []) {
    list.append(element("dt", signature(field)));
    if (field.description) list.append(element("dd", field.description));
  }
  details.append(list);
  return details;
}

function filter() {
  const wanted = at("search").value.trim().toLowerCase();
  for (const type of at("schema").children) {
    type.hidden = wanted !== "" && !type.textContent.toLowerCase().includes(wanted);
  }
}

async function reference() {
  const place = at("schema");
  try {
    const read = await (await ask({ query: REFERENCE })).json();
    if (!read.data) throw new Error(read.errors[0].message);
    const types = read.data.__schema.types.filter((type) => !type.name.startsWith("__"));
    const order = (type) => ["Query", "Mutation", "Subscription"].indexOf(type.name) + 1 || 9;
    types.sort((a, b) => order(a) - order(b) || a.name.localeCompare(b.name));
    place.replaceChildren(...types.map(describe));
    filter();
  } catch (error) {
    place.textContent = String(error.message || error);
  }
}

at("run").addEventListener("click", run);
at("stop").addEventListener("click", () => running && running.abort());
at("search").addEventListener("input", filter);
at("key").addEventListener("change", reference);
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
});
reference();
