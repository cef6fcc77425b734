"""Drives /docs and /graphiql in Chromium over its debugging protocol.

    browser.py BROWSER ADDRESS PROFILE    the program, the server's URL, a folder for the browser's files
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.request

import websocket

PATIENCE = 60


class Page:
    """One page of a browser, with every request and every complaint of it."""

    def __init__(self, url):
        # The browser refuses connections that name an origin, as a page would.
        self.socket = websocket.create_connection(url, timeout=PATIENCE, suppress_origin=True)
        self.count, self.requested, self.complaints = 0, [], []
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": params}))
        while True:
            said = json.loads(self.socket.recv())
            self.note(said)
            if said.get("id") == self.count:
                if "error" in said:
                    sys.exit(f"{method}: {said['error']}")
                return said["result"]

    def note(self, said):
        params = said.get("params", {})
        if said.get("method") == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])
        elif said.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"]["text"])
        elif said.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")

    def value(self, script):
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            sys.exit(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def go(self, url):
        self.call("Page.navigate", url=url)

    def until(self, script, what):
        ended = time.monotonic() + PATIENCE
        while not self.value(f"Boolean({script})"):
            if time.monotonic() > ended:
                sys.exit(f"{what}: waited {PATIENCE} s; the page says {self.value('document.body.innerText')[:2000]}")
            time.sleep(0.1)
        print(f"ok: {what}")

    def write(self, element, text):
        self.value(
            f"(() => {{ const e = document.querySelector({json.dumps(element)}); e.value = {json.dumps(text)};"
            " e.dispatchEvent(new Event('input', {bubbles: true})); })()"
        )


def docs(page, address):
    page.go(f"{address}/docs")
    page.until("document.querySelectorAll('details.operation').length > 50", "/docs lists the operations")
    visible = "[...document.querySelectorAll('#index a')].filter((a) => !a.hidden).map((a) => a.textContent)"
    page.write("#find", "/v1/stats")
    page.until(f"{visible}.join() === 'Show the state of the system'", "/docs finds an operation by its path")
    page.write("#find", "")
    page.value("[...document.querySelectorAll('#index a')].find((a) => a.textContent === 'Create a topic').click()")
    opened = "document.querySelector('details.operation[open]')"
    page.until(f"{opened} && {opened}.innerText.includes('/v1/topics')", "/docs opens the operation that was clicked")
    page.write("details.operation[open] textarea", '{"name": "made.in.a.browser"}')
    page.value(f"{opened}.querySelector('button').click()")
    page.until(f"{opened}.querySelector('pre').textContent.startsWith('201 ')", "/docs sends what was written there")


def graphiql(page, address):
    page.go(f"{address}/graphiql")
    page.until("document.querySelectorAll('#schema details').length > 50", "/graphiql shows the schema")
    answer = "document.querySelector('#answer').textContent"
    run = "document.querySelector('#run').click()"
    page.write("#query", "{ topics { data { name } } }")
    page.value(run)
    page.until(f"{answer}.includes('made.in.a.browser')", "/graphiql answers a query")
    page.write("#query", "mutation M($m: MessageInput!) { publish(input: $m) { id } }")
    page.write("#variables", '{"m": {"topic": "made.in.a.browser", "payload": {"id": 1}}}')
    page.value(run)
    page.until(f"{answer}.includes('\"id\": \"msg_')", "/graphiql runs a mutation with variables")
    page.write("#query", "{ nothing }")
    page.value(run)
    page.until(f"{answer}.includes('errors')", "/graphiql shows an error")
    page.write("#search", "deliveryChanged")
    shown = "[...document.querySelectorAll('#schema details')].filter((d) => !d.hidden).length"
    page.until(f"{shown} === 1", "/graphiql finds a field")


def main():
    browser, address, profile = sys.argv[1:]
    command = [browser, "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    # Its sandbox needs what containers and root do not have; the only pages here are our own.
    command += ["--no-sandbox", "--disable-dev-shm-usage", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
    command += ["about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        port_file, ended = pathlib.Path(profile, "DevToolsActivePort"), time.monotonic() + PATIENCE
        while not (port_file.exists() and port_file.read_text().count("\n")):
            if time.monotonic() > ended or process.poll() is not None:
                sys.exit("the browser did not start")
            time.sleep(0.1)
        port = port_file.read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as pages:
            page = Page(next(p["webSocketDebuggerUrl"] for p in json.load(pages) if p["type"] == "page"))
        docs(page, address)
        graphiql(page, address)
        # What the browser makes of itself is not asked of anybody.
        asked = [url for url in page.requested if not url.startswith(("chrome:", "about:", "data:"))]
        strangers = [url for url in asked if not url.startswith(f"{address}/")]
        assert not strangers, f"asked elsewhere: {strangers}"
        assert asked, "no request was seen"
        print(f"ok: {len(asked)} requests, all to the server itself")
        assert not page.complaints, f"the browser complains: {page.complaints}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


main()
