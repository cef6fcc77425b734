"""Python's libraries against a running server: `check.py http://127.0.0.1:PORT`."""

import json
import queue
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cloudevents.core.bindings import http as binding
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SERVER = sys.argv[1]
TOPIC = "sdk.python"
PATIENCE = 30
received = queue.Queue()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        received.put((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def call(method, path, body=None, headers=None):
    if not isinstance(body, (bytes, type(None))):
        body = json.dumps(body).encode()
    headers = {"content-type": "application/json"} | (headers or {})
    request = urllib.request.Request(SERVER + path, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.loads(answer.read() or b"null")


def event(number):
    attributes = {
        "id": f"event-{number}",
        "source": "/sdk/python",
        "type": TOPIC,
        "subject": "größe €",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "datacontenttype": "application/json",
    }
    return CloudEvent(attributes=attributes, data={"number": number, "text": "größe"})


def publish(events):
    """One in structured mode, one in binary mode, the others in a batch."""
    structured, binary = binding.to_structured_event(events[0]), binding.to_binary_event(events[1])
    for message in (structured, binary):
        call("POST", "/v1/events", message.body, dict(message.headers))
        again = call("POST", "/v1/events", message.body, dict(message.headers))
        assert again["duplicate"] is True, again
    batch = b"[" + b",".join(JSONFormat().write(one) for one in events[2:]) + b"]"
    results = call("POST", "/v1/events", batch, {"content-type": "application/cloudevents-batch+json"})["results"]
    assert len(results) == 2 and all("id" in result for result in results), results


def verify(headers, body, secrets):
    """Each secret signs; another one does not."""
    for secret in secrets:
        Webhook(secret).verify(body, headers, json_parse=False)
    try:
        Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").verify(body, headers, json_parse=False)
    except WebhookVerificationError:
        return
    raise AssertionError("a secret that signed nothing verifies")


def main():
    listener = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    secrets = {}
    for form in ("raw", "cloudevents", "cloudevents_binary"):
        url = f"http://127.0.0.1:{listener.server_port}/{form}"
        styles = ["standard", "standard_ed25519"]
        endpoint = call("POST", "/v1/endpoints", {"url": url, "topics": [TOPIC], "body_format": form, "signature_styles": styles})
        secrets[form] = [endpoint["secret"]]
    rotated = call("POST", f"/v1/endpoints/{endpoint['id']}/rotate-secret", {})
    secrets[form].append(rotated["secret"])
    assert secrets[form][0] != secrets[form][1]

    events = [event(number) for number in range(4)]
    publish(events)
    awaited = {(form, one.get_id()): one for form in secrets for one in events}
    while awaited:
        path, headers, body = received.get(timeout=PATIENCE)
        form = path.strip("/")
        verify(headers, body, secrets[form])
        if form == "raw":
            got = json.loads(body)
            sent = awaited.pop((form, f"event-{got['number']}"))
            assert got == sent.get_data(), got
            continue
        is_binary = "ce-id" in headers
        assert is_binary == (form == "cloudevents_binary"), headers
        got = binding.from_http_event(binding.HTTPMessage(headers, body))
        sent = awaited.pop((form, got.get_id()))
        for name, value in sent.get_attributes().items():
            assert got.get_attributes().get(name) == value, (form, name, got.get_attributes(), value)
        assert got.get_data() == sent.get_data(), got.get_data()
    print("Python: signatures of two secrets verify; events arrive as they were made, structured, binary and in a batch")


main()
