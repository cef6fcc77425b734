"""Everything that an endpoint missed is sent to it: begun, stopped in the midst, begun again, and carried to its end while
nodes are killed."""

import collections
import http.client
import json
import time

from trials.fleet import in_parallel, made, wait_until

NODES = 3
COUNT = 100_000
BATCH = 500
# How often a node is killed.
EVERY = 8
# What a node may have sent without having recorded it: its exchanges in flight to one endpoint, and one flush of outcomes.
UNRECORDED = 64 + 500


def replay(fleet, receiver, options):
    count = options.count or COUNT
    identity = disabled_endpoint(fleet, receiver)
    began = time.monotonic()
    miss(fleet, count)
    print(f"{count} messages published past a disabled endpoint in {time.monotonic() - began:.0f} s")
    receiver.status = "200 OK"
    receiver.came["/replayed"].clear()
    made(fleet.ask("POST", f"/v1/endpoints/{identity}/resume"))
    started = time.monotonic()
    sent = stopped_in_the_midst(fleet, receiver, identity, count)
    if sent is None:
        return False
    second = start(fleet, identity)
    killed_until_done(fleet, receiver, second["id"], count)
    second = shown(fleet, second["id"])
    print(f"begun again: {second['state']}, {second['matched']} matched, {second['sent']} sent, {fleet.kills} kills")
    numbers = collections.Counter(int(arrival.body) for arrival in receiver.came["/replayed"])
    missing = count - len(numbers.keys() & set(range(count)))
    twice = sum(numbers.values()) - len(numbers)
    print(f"{len(numbers)} of {count} arrived in {time.monotonic() - started:.0f} s: {missing} missing, {twice} duplicates", end="")
    print(f" ({fleet.kills * UNRECORDED} may be explained by kills)")
    whole = second["state"] == "done" and sent + second["sent"] == count and second["matched"] == count
    return whole and missing == 0 and twice <= fleet.kills * UNRECORDED


def disabled_endpoint(fleet, receiver):
    """Makes an endpoint that says 410, which disables it."""
    endpoint = {"url": receiver.url("replayed"), "topics": ["missed", "first"]}
    identity = made(fleet.ask("POST", "/v1/endpoints", endpoint))["id"]
    receiver.status = "410 Gone"
    made(fleet.ask("POST", "/v1/messages", {"topic": "first", "payload": -1}))
    state = lambda: fleet.ask("GET", f"/v1/endpoints/{identity}")[1]["state"]
    if not wait_until(lambda: state() == "disabled", 30):
        raise SystemExit("the endpoint was not disabled")
    return identity


def miss(fleet, count):
    def publish(node):
        connection = http.client.HTTPConnection("127.0.0.1", fleet.ports[node], timeout=60)
        for first in range(node * BATCH, count, NODES * BATCH):
            messages = [{"topic": "missed", "payload": n} for n in range(first, min(first + BATCH, count))]
            connection.request("POST", "/v1/messages/batch", json.dumps({"messages": messages}), {"content-type": "application/json"})
            results = json.loads(connection.getresponse().read())["results"]
            assert all(result.get("deliveries") == 0 for result in results), results[0]

    in_parallel(publish, range(NODES))


def start(fleet, identity):
    return made(fleet.ask("POST", f"/v1/endpoints/{identity}/replay", {"status": "missed"}))


def shown(fleet, replay):
    return made(fleet.ask("GET", f"/v1/replays/{replay}"))


def stopped_in_the_midst(fleet, receiver, identity, count):
    """Stops a replay when it has sent a third; how many it has sent, if the count and the deliveries stopped with it."""
    first = start(fleet, identity)["id"]
    if not wait_until(lambda: shown(fleet, first)["sent"] >= count // 3, 600, 0.05):
        print(f"the replay does not go on: {shown(fleet, first)}")
        return None
    cancelled = made(fleet.ask("POST", f"/v1/replays/{first}/cancel"))
    sent = cancelled["sent"]

    def came():
        return len({arrival.body for arrival in receiver.came["/replayed"]})

    wait_until(lambda: came() >= sent, 300)
    # Longer than a step takes, and than a node looks for work.
    time.sleep(5)
    later = shown(fleet, first)
    print(f"stopped in the midst: {later['state']}, {sent} sent when the answer came, {later['sent']} afterwards; {came()} arrived")
    return sent if (later["state"], later["sent"], came()) == ("cancelled", sent, sent) else None


def killed_until_done(fleet, receiver, replay, count):
    """Kills a node every few seconds until the replay is done and all has come, or nothing comes any more."""
    seen, since, next_kill = 0, time.monotonic(), time.monotonic() + EVERY
    while time.monotonic() < since + 60:
        time.sleep(0.5)
        came = len({arrival.body for arrival in receiver.came["/replayed"]})
        done = shown(fleet, replay)
        if done["state"] != "running" and came >= count:
            break
        if (came, done["matched"]) != seen:
            seen, since = (came, done["matched"]), time.monotonic()
        if time.monotonic() >= next_kill:
            fleet.kill(fleet.kills % NODES)
            next_kill = time.monotonic() + EVERY
    # What is sent twice is sent within the time that a taking over takes.
    time.sleep(15)
