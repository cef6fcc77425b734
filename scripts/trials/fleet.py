"""What every trial has: nodes on one database, somebody to kill them, and a receiver that keeps what came."""

import asyncio
import collections
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVER = os.environ.get("POSTHASTE", str(ROOT / "target/release/posthaste"))
LEASE = 5

Arrival = collections.namedtuple("Arrival", "at message body")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Receiver:
    """Answers `status` to everything and keeps what came, by path: when, which message, and the body."""

    def __init__(self):
        self.port = free_port()
        self.status = "200 OK"
        self.came = collections.defaultdict(list)
        threading.Thread(target=self.run, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}/{path}"

    def run(self):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", self.port))
        loop.run_forever()

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = [line.partition(b":") for line in head.lower().split(b"\r\n")]
                fields = {name: value.strip() for name, _, value in lines}
                body = await reader.readexactly(int(fields.get(b"content-length", 0)))
                path = head.split(b" ", 2)[1].decode()
                self.came[path].append(Arrival(time.monotonic(), fields.get(b"webhook-id", b"").decode(), body))
                writer.write(f"HTTP/1.1 {self.status}\r\ncontent-length: 0\r\n\r\n".encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


class Fleet:
    def __init__(self, database, folder, nodes):
        self.database, self.folder = database, folder
        self.ports = [free_port() for _ in range(nodes)]
        self.processes = [None] * nodes
        self.kills = 0

    def begin(self):
        for node in range(len(self.ports)):
            self.start(node)
        for port in self.ports:
            self.wait_for(port)

    def start(self, node):
        command = [SERVER, "serve", "--listen", f"127.0.0.1:{self.ports[node]}", "--database-url", self.database]
        command += ["--allow-net", "127.0.0.0/8", "--auto-topics", "--lease-seconds", str(LEASE)]
        command += ["--log-format", "json", "--log-attempts", "none"]
        environment = dict(os.environ, POSTHASTE_SECRET_KEY="a key for a trial, no more")
        with open(self.log(node), "a") as log:
            self.processes[node] = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )

    def log(self, node):
        return pathlib.Path(self.folder, f"node{node}.log")

    def wait_for(self, port):
        for _ in range(300):
            try:
                if call(port, "GET", "/readyz")[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.1)
        logs = "\n".join("\n".join(self.log(node).read_text().splitlines()[-5:]) for node in range(len(self.ports)))
        sys.exit(f"a node did not start:\n{logs}")

    def kill(self, node):
        """Kills it without notice, and starts it again."""
        self.processes[node].send_signal(signal.SIGKILL)
        self.processes[node].wait()
        self.kills += 1
        self.start(node)

    def stop(self):
        for process in self.processes:
            if process is not None:
                process.kill()
                process.wait()

    def leader(self):
        """Which of the processes leads; `None` while none that lives does."""
        try:
            status, stats = self.ask("GET", "/v1/stats")
        except OSError:
            return None
        leading = [node["id"] for node in stats["nodes"] if node["leader"]] if status == 200 else []
        return next((node for node in range(len(self.ports)) if leading and self.membership(node) == leading[0]), None)

    def membership(self, node):
        """The id under which this process joined last: it says so in its log."""
        joined = None
        for line in self.log(node).read_text().splitlines():
            entry = json.loads(line) if line.startswith("{") else {}
            if entry.get("message") == "joined":
                joined = entry["node"]
        return joined

    def ask(self, method, path, body=None):
        """Asks whichever node answers; what is asked has to be safe to repeat."""
        until = time.monotonic() + 60
        while True:
            for port in self.ports:
                try:
                    status, answer = call(port, method, path, body)
                    if status < 500:
                        return status, answer
                except (OSError, http.client.HTTPException):
                    pass
            if time.monotonic() > until:
                raise OSError(f"no node answers {method} {path}")
            time.sleep(0.1)


def call(port, method, path, body=None, timeout=20):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text[:1] == b"{" else text
    finally:
        connection.close()


def made(answer):
    """What a create answered; anything else ends the trial."""
    status, body = answer
    if status not in (200, 201, 202):
        sys.exit(f"refused: {status} {body}")
    return body


def endpoints(fleet, receiver, count, members):
    for number in range(count):
        endpoint = {"url": receiver.url(number), "topics": [f"t{number}"], **members}
        made(call(fleet.ports[0], "POST", "/v1/endpoints", endpoint))


def in_parallel(work, items):
    threads = [threading.Thread(target=work, args=(item,)) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def wait_until(test, seconds, pause=0.2):
    """Whether the test came true in time."""
    until = time.monotonic() + seconds
    while not (true := test()) and time.monotonic() < until:
        time.sleep(pause)
    return bool(true)
