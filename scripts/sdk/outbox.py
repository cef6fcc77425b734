"""Python's psycopg against `posthaste.publish`: `outbox.py http://127.0.0.1:PORT postgres://…`.

All that is published is published by a role that has the rights of docs/sql.md and no other.
"""

import datetime
import json
import pathlib
import queue
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg
from psycopg.types.json import Jsonb

SERVER, DATABASE = sys.argv[1], sys.argv[2]
PATIENCE = 30
TOPIC = "order.created"
received = queue.Queue()
# What came, by the number that each payload has.
came = {}


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        received.put((time.time(), self.headers["webhook-id"], body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def call(method, path, body=None):
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(SERVER + path, None if body is None else json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.loads(answer.read() or b"null")


def connect(user=None):
    return psycopg.connect(DATABASE, autocommit=True, options="-c statement_timeout=20s", **({"user": user} if user else {}))


def publish(connection, payload, topic=TOPIC, **arguments):
    named = "".join(f", {name} => %({name})s" for name in arguments)
    sql = f"select posthaste.publish(topic => %(topic)s, payload => %(payload)s{named})"
    return connection.execute(sql, {"topic": topic, "payload": Jsonb(payload), **arguments}).fetchone()[0]


def delivered(number):
    """Waits for the delivery of the payload with this number; whatever else comes meanwhile is kept."""
    while number not in came:
        at, message, body = received.get(timeout=PATIENCE)
        came.setdefault(json.loads(body)["n"], []).append((at, message, body))
    return came[number][0]


def refused(error, act):
    try:
        act()
    except error:
        return
    raise AssertionError(f"no {error.__name__}")


def make_roles():
    text = (pathlib.Path(__file__).resolve().parents[2] / "docs/sql.md").read_text()
    grants = [line.replace(" TO app;", " TO shop;") for line in text.splitlines() if line.startswith("GRANT ")]
    assert len(grants) == 2, grants
    with connect() as owner:
        for sql in ["CREATE ROLE shop LOGIN", "CREATE ROLE stranger LOGIN", *grants]:
            owner.execute(sql)
        owner.execute("CREATE TABLE orders (id int PRIMARY KEY); GRANT ALL ON orders TO shop, stranger")


def only_those_who_may(shop):
    with connect("stranger") as stranger:
        refused(psycopg.errors.InsufficientPrivilege, lambda: publish(stranger, {"n": 1}))
    for table in ("outbox", "message", "endpoint"):
        refused(psycopg.errors.InsufficientPrivilege, lambda: shop.execute(f"select * from posthaste.{table}"))


def if_and_only_if_it_commits(shop):
    """The rolled back ones never come: what is asked for at the end shows it."""
    try:
        with shop.transaction():
            shop.execute("insert into orders values (10)")
            publish(shop, {"n": 10})
            raise psycopg.Rollback
    except psycopg.Rollback:
        pass
    payload = {"text": "größe € 😀 \u0001", "null": None, "large": 2**70, "list": [1, 1.5, {}], "n": 11}
    with shop.transaction():
        shop.execute("insert into orders values (11)")
        first = publish(shop, payload, metadata=Jsonb({"from": "python"}))
        with shop.transaction() as inner:
            publish(shop, {"n": 12})
            raise psycopg.Rollback(inner)
    committed = time.time()
    at, message, body = delivered(11)
    written = shop.execute("select %s::jsonb::text", [Jsonb(payload)]).fetchone()[0].encode()
    assert (message, body, json.loads(body)) == (first, written, payload), body
    shown = call("GET", f"/v1/messages/{first}")
    assert shown["origin"] == {"kind": "outbox"} and shown["metadata"] == {"from": "python"}, shown
    assert shop.execute("select array_agg(id) from orders").fetchone()[0] == [11]
    return at - committed


def whatever_commits_first(shop):
    """The first takes its place first and commits last, after the second was delivered."""
    with connect("shop") as slow:
        with slow.transaction():
            publish(slow, {"n": 20})
            with shop.transaction():
                publish(shop, {"n": 21})
            delivered(21)
        assert 20 not in came, "it came before its transaction committed"
        committed = time.time()
    return delivered(20)[0] - committed


def once_for_each_key(shop):
    first = publish(shop, {"n": 30}, idempotency_key="k")
    assert publish(shop, {"n": 30}, idempotency_key="k") == first
    delivered(30)
    assert publish(shop, {"n": 30}, idempotency_key="k") == first, "known after the delivery, too"
    refused(psycopg.errors.UniqueViolation, lambda: publish(shop, {"n": 31}, idempotency_key="k"))
    # One that was undone is no message, and leaves its key to the next.
    undone, answers = None, queue.Queue()
    with connect("shop") as other:
        waiting = threading.Thread(target=lambda: answers.put(publish(shop, {"n": 32}, idempotency_key="l")))
        with other.transaction() as transaction:
            undone = publish(other, {"n": 32}, idempotency_key="l")
            waiting.start()
            raise psycopg.Rollback(transaction)
    taken = answers.get(timeout=PATIENCE)
    waiting.join()
    assert taken != undone and delivered(32)[1] == taken


def kept_if_refused(shop):
    with shop.transaction():
        shop.execute("insert into orders values (40)")
        unknown = publish(shop, {"n": 40}, topic="order.creatde")
        invalid = publish(shop, {"n": 41}, topic="strict")
        never = publish(shop, {"n": 42}, deliver_at="infinity")
    until = time.monotonic() + PATIENCE
    for message, word in ((unknown, "order.creatde"), (never, "/deliver_at"), (invalid, "total")):
        while (shown := call("GET", f"/v1/messages/{message}"))["rejection"] is None:
            assert time.monotonic() < until, shown
            time.sleep(0.05)
        assert word in json.dumps(shown["rejection"]) and shown["deliveries"] == 0, shown
    assert shown["payload"] == {"n": 41}, shown
    listed = [message["id"] for message in call("GET", "/v1/messages?rejected=true")["data"]]
    assert sorted(listed) == sorted([unknown, never, invalid]), listed
    assert shop.execute("select id from orders where id = 40").fetchone(), "the application's own row stays"


def not_before_its_time(shop):
    due = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    later = publish(shop, {"n": 50}, deliver_at=due)
    publish(shop, {"n": 51})
    delivered(51)
    assert 50 not in came
    at, message, _ = delivered(50)
    assert message == later and at >= due.timestamp(), (at, due.timestamp())


def main():
    listener = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    call("POST", "/v1/topics", {"name": TOPIC})
    call("POST", "/v1/topics", {"name": "strict", "schema": {"type": "object", "required": ["total"]}})
    url = f"http://127.0.0.1:{listener.server_port}/"
    call("POST", "/v1/endpoints", {"url": url, "topics": [TOPIC, "strict"]})
    make_roles()
    with connect("shop") as shop:
        only_those_who_may(shop)
        waits = [if_and_only_if_it_commits(shop), whatever_commits_first(shop)]
        once_for_each_key(shop)
        kept_if_refused(shop)
        not_before_its_time(shop)
        # Behind it all.
        publish(shop, {"n": 99})
        delivered(99)
    assert sorted(came) == [11, 20, 21, 30, 32, 50, 51, 99], sorted(came)
    assert all(len(times) == 1 for times in came.values()), came
    took = ", ".join(f"{wait * 1000:.0f} ms" for wait in waits)
    print(f"psycopg {psycopg.__version__}: what commits is delivered once ({took} after its commit), what rolls back is not")


main()
