// Renders /openapi.json: every operation with its parameters, schemas and a form to try it. Text only ever becomes
// text nodes, so that nothing in the description is markup.
"use strict";

let description;

/** An element with attributes and children; texts are children too. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null));
  return element;
}

/** Follows a reference within the document. */
function resolve(schema) {
  if (!schema || !schema.$ref) return schema || {};
  return schema.$ref.split("/").slice(1).reduce((at, part) => at[part.replace(/~1/g, "/").replace(/~0/g, "~")], description);
}

function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const parts = schema.oneOf || schema.anyOf;
  if (parts) return parts.map(typeOf).join(" | ");
  if (schema.allOf) return "object";
  const type = Array.isArray(schema.type) ? schema.type.join(" | ") : schema.type || "any";
  if (schema.items && schema.items !== false) return `${typeOf(schema.items)}[]`;
  return schema.format ? `${type} (${schema.format})` : type;
}

function limits(schema) {
  const words = { minimum: "≥", maximum: "≤", minLength: "length ≥", maxLength: "length ≤", minItems: "items ≥", maxItems: "items ≤" };
  const found = Object.entries(words).filter(([key]) => schema[key] !== undefined).map(([key, word]) => `${word} ${schema[key]}`);
  if (schema.default !== undefined) found.push(`default ${JSON.stringify(schema.default)}`);
  if (schema.pattern) found.push(schema.pattern);
  return found.join(", ");
}

/** All members of an object, those of its parts too. */
function members(schema) {
  schema = resolve(schema);
  const own = Object.entries(schema.properties || {}).map(([name, of]) => [name, of, (schema.required || []).includes(name)]);
  return (schema.allOf || []).flatMap(members).concat(own);
}

/** Schemas whose members are worth opening, within this one. */
function inner(schema) {
  const whole = resolve(schema);
  if (members(whole).length) return whole;
  if (whole.items) return inner(whole.items);
  const parts = (whole.oneOf || whole.anyOf || []).map(inner).filter(Boolean);
  return parts[0];
}

function showSchema(schema, depth = 0) {
  const rows = members(inner(schema) || {}).map(([name, of, needed]) => {
    const target = resolve(of);
    const more = depth < 4 && inner(of) ? make("details", {}, make("summary", { class: "type" }, "members"), showSchema(of, depth + 1)) : undefined;
    const about = of.description || target.description || "";
    return make("li", {},
      make("code", { class: needed ? "needed" : "" }, name), " ",
      make("span", { class: "type" }, [typeOf(of), limits({ ...target, ...of })].filter(Boolean).join(", ")),
      about ? make("div", {}, about) : undefined, more);
  });
  return rows.length ? make("ul", { class: "schema" }, rows) : make("code", { class: "type" }, typeOf(schema));
}

/** An example body with the members that are needed. */
function example(schema, depth = 0) {
  const target = resolve(schema);
  if (target.example !== undefined) return target.example;
  if (target.enum) return target.enum[0];
  if (members(target).length && depth < 4) {
    const needed = members(target).filter(([, , needed]) => needed);
    return Object.fromEntries(needed.map(([name, of]) => [name, example(of, depth + 1)]));
  }
  const type = Array.isArray(target.type) ? target.type[0] : target.type;
  if (type === "array") return [];
  if (type === "number" || type === "integer") return target.default ?? 0;
  if (type === "boolean") return false;
  return type === "string" ? "" : {};
}

function parameterTable(parameters, inputs) {
  const rows = parameters.map((parameter) => {
    const input = make("input", { "aria-label": parameter.name, autocomplete: "off" });
    inputs.push([parameter, input]);
    const schema = { ...resolve(parameter.schema), ...parameter.schema };
    return make("tr", {},
      make("td", {}, make("code", { class: parameter.required ? "needed" : "" }, parameter.name), make("div", { class: "type" }, parameter.in)),
      make("td", {}, parameter.description || schema.description || "", make("div", { class: "type" }, [typeOf(parameter.schema || {}), limits(schema)].filter(Boolean).join(", "))),
      make("td", {}, input));
  });
  return make("table", {}, make("tbody", {}, rows));
}

async function send(method, path, inputs, body, mediaType, output) {
  let target = path;
  const query = new URLSearchParams();
  const headers = {};
  for (const [parameter, input] of inputs) {
    if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value === "") continue;
    else if (parameter.in === "query") query.set(parameter.name, input.value);
    else headers[parameter.name] = input.value;
  }
  const key = document.getElementById("key").value;
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body && body.value.trim()) headers["Content-Type"] = mediaType;
  if (query.size) target += `?${query}`;
  output.hidden = false;
  output.textContent = "…";
  try {
    const started = performance.now();
    const response = await fetch(target, { method: method.toUpperCase(), headers, body: body && body.value.trim() ? body.value : undefined });
    const text = await response.text();
    const took = Math.round(performance.now() - started);
    const shown = ["location", "etag", "retry-after", "allow", "x-request-id"].filter((name) => response.headers.get(name)).map((name) => `${name}: ${response.headers.get(name)}`);
    output.textContent = [`${response.status} ${response.statusText} (${took} ms)`, ...shown, "", pretty(text)].join("\n");
  } catch (error) {
    output.textContent = String(error);
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function showOperation(method, path, operation) {
  const inputs = [];
  const content = Object.entries(operation.requestBody?.content || {})[0];
  const schema = content && content[1].schema;
  const body = schema && make("textarea", { "aria-label": "Body", spellcheck: "false" });
  if (body) body.value = JSON.stringify(example(inner(schema) || schema), null, 2);
  const output = make("pre", { hidden: "", "aria-live": "polite" });
  const responses = Object.entries(operation.responses || {}).map(([status, response]) => {
    const of = Object.values(response.content || {})[0]?.schema;
    return make("div", {}, make("b", {}, status), " ", response.description || "", of && status !== "default" ? showSchema(of) : undefined);
  });
  const parameters = operation.parameters || [];
  const id = operation.operationId;
  return make("details", { class: "operation", id },
    make("summary", {}, make("span", { class: `method ${method}` }, method.toUpperCase()), make("code", {}, path), make("span", {}, operation.summary || "")),
    make("div", {},
      operation.description ? make("p", {}, operation.description) : undefined,
      parameters.length ? make("h3", {}, "Parameters") : undefined,
      parameters.length ? parameterTable(parameters, inputs) : undefined,
      schema ? make("h3", {}, `Body: ${content[0]}`) : undefined,
      schema ? showSchema(schema) : undefined,
      make("h3", {}, "Answers"), responses,
      make("h3", {}, "Try it"), body,
      make("div", {}, make("button", { type: "button", onclick: () => send(method, path, inputs, body, content && content[0], output) }, "Send")),
      output));
}

function find(text) {
  const wanted = text.toLowerCase();
  for (const link of document.querySelectorAll("#index a")) {
    const hit = link.dataset.words.includes(wanted);
    link.hidden = !hit;
    document.getElementById(link.hash.slice(1)).hidden = !hit;
  }
}

function open() {
  const target = document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") {
    target.open = true;
    target.scrollIntoView();
  }
}

async function start() {
  const operations = document.getElementById("operations");
  try {
    description = await (await fetch("/openapi.json")).json();
  } catch (error) {
    operations.textContent = `The description could not be read: ${error}`;
    return;
  }
  document.getElementById("about").textContent = description.info.description || "";
  const byTag = new Map();
  for (const [path, item] of Object.entries(description.paths)) {
    for (const method of ["get", "post", "put", "patch", "delete"]) {
      if (!item[method]) continue;
      const tag = (item[method].tags || ["other"])[0];
      if (!byTag.has(tag)) byTag.set(tag, []);
      byTag.get(tag).push([method, path, item[method]]);
    }
  }
  const index = document.getElementById("index");
  operations.textContent = "";
  operations.removeAttribute("aria-busy");
  for (const [tag, list] of byTag) {
    index.append(make("h2", {}, tag));
    operations.append(make("h2", {}, tag));
    for (const [method, path, operation] of list) {
      const words = `${method} ${path} ${operation.summary || ""}`.toLowerCase();
      index.append(make("a", { href: `#${operation.operationId}`, "data-words": words }, operation.summary || path));
      operations.append(showOperation(method, path, operation));
    }
  }
  document.getElementById("find").addEventListener("input", (event) => find(event.target.value));
  addEventListener("hashchange", open);
  open();
}

start();
