// JavaScript's libraries against a running server: `check.cjs http://127.0.0.1:PORT`.
"use strict";

const assert = require("node:assert/strict");
const crypto = require("node:crypto");
const http = require("node:http");
const { CloudEvent, HTTP } = require("cloudevents");
const { Webhook, WebhookVerificationError } = require("standardwebhooks");

const SERVER = process.argv[2];
const TOPIC = "sdk.javascript";
const PATIENCE = 30_000;

async function call(method, path, body, headers = {}) {
  const text = typeof body === "string" || body === undefined ? body : JSON.stringify(body);
  const init = { method, body: text, headers: { "content-type": "application/json", ...headers } };
  const answer = await fetch(SERVER + path, { ...init, signal: AbortSignal.timeout(PATIENCE) });
  const said = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${said}`);
  return JSON.parse(said);
}

/** Requests as they come; `next` waits for one. */
function receiver() {
  const came = [];
  let wake = () => {};
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      response.writeHead(204).end();
      came.push({ form: request.url.slice(1), headers: request.headers, body: Buffer.concat(chunks) });
      wake();
    });
  });
  const next = async () => {
    while (came.length === 0) {
      await new Promise((resolve) => (wake = resolve));
    }
    return came.shift();
  };
  return { server, next };
}

function event(number) {
  return new CloudEvent({
    id: `event-${number}`,
    source: "/sdk/javascript",
    type: TOPIC,
    // Nothing that a header has to escape: this library does not undo the escapes that the specification asks for.
    subject: "one-two",
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    datacontenttype: "application/json",
    data: { number, text: "größe" },
  });
}

/** One in structured mode, one in binary mode, the others in a batch. */
async function publish(events) {
  for (const message of [HTTP.structured(events[0]), HTTP.binary(events[1])]) {
    await call("POST", "/v1/events", message.body, message.headers);
    const again = await call("POST", "/v1/events", message.body, message.headers);
    assert.equal(again.duplicate, true);
  }
  const batch = JSON.stringify(events.slice(2));
  const { results } = await call("POST", "/v1/events", batch, { "content-type": "application/cloudevents-batch+json" });
  assert.equal(results.filter((result) => result.id).length, 2, JSON.stringify(results));
}

/** By the library what it knows (v1), and v1a by Node's own Ed25519. */
function verify({ headers, body }, { secret, public_key }) {
  new Webhook(secret).verify(body.toString(), headers, { jsonParse: false });
  const other = new Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  assert.throws(() => other.verify(body.toString(), headers, { jsonParse: false }), WebhookVerificationError);
  const prefix = Buffer.from("302a300506032b6570032100", "hex");
  const der = Buffer.concat([prefix, Buffer.from(public_key.replace(/^whpk_/, ""), "base64")]);
  const key = crypto.createPublicKey({ key: der, format: "der", type: "spki" });
  const signed = Buffer.concat([Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`), body]);
  const signatures = headers["webhook-signature"].split(" ").filter((one) => one.startsWith("v1a,"));
  assert.equal(signatures.length, 1, headers["webhook-signature"]);
  assert.ok(crypto.verify(null, signed, key, Buffer.from(signatures[0].slice(4), "base64")));
}

async function main() {
  const { server, next } = receiver();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const keys = {};
  for (const form of ["raw", "cloudevents", "cloudevents_binary"]) {
    const url = `http://127.0.0.1:${server.address().port}/${form}`;
    const styles = ["standard", "standard_ed25519"];
    const draft = { url, topics: [TOPIC], body_format: form, signature_styles: styles };
    const endpoint = await call("POST", "/v1/endpoints", draft);
    keys[form] = await call("GET", `/v1/endpoints/${endpoint.id}/secret`);
  }
  const events = [0, 1, 2, 3].map(event);
  await publish(events);
  const awaited = new Map();
  for (const form of Object.keys(keys)) {
    events.forEach((one) => awaited.set(`${form} ${one.id}`, one));
  }
  while (awaited.size > 0) {
    const request = await next();
    const { form, headers, body } = request;
    verify(request, keys[form]);
    if (form === "raw") {
      const data = JSON.parse(body);
      const key = `raw event-${data.number}`;
      assert.deepEqual(data, awaited.get(key).data);
      awaited.delete(key);
      continue;
    }
    assert.equal("ce-id" in headers, form === "cloudevents_binary");
    const got = HTTP.toEvent({ headers, body: body.toString() });
    const key = `${form} ${got.id}`;
    const sent = awaited.get(key);
    for (const name of ["id", "source", "type", "subject", "traceparent", "time", "datacontenttype"]) {
      assert.equal(got[name], sent[name], `${form}: ${name}`);
    }
    assert.deepEqual(got.data, sent.data);
    awaited.delete(key);
  }
  server.closeAllConnections();
  server.close();
  console.log("JavaScript: v1 and v1a verify; events arrive as they were made, structured, binary and in a batch");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
