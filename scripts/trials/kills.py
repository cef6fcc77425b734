"""Twenty endpoints that want order, or nothing twice, while a node is killed every ten seconds."""

import http.client
import threading
import time

from trials.fleet import call, endpoints, wait_until

NODES = 3


def killed(fleet, receiver, options, members, settled):
    """Publishes numbers to twenty endpoints, one after the other each, and kills a node every ten seconds."""
    endpoints(fleet, receiver, 20, members)
    until, accepted = time.monotonic() + (options.seconds or 50), [0] * 20

    def publish(number):
        node = 0
        while time.monotonic() < until:
            key = f"{number}-{accepted[number]}"
            message = {"topic": f"t{number}", "payload": accepted[number], "idempotency_key": key}
            try:
                if call(fleet.ports[node], "POST", "/v1/messages", message, 10)[0] == 202:
                    accepted[number] += 1
                    time.sleep(0.02)
                    continue
            except (OSError, http.client.HTTPException):
                pass
            # With its key the same message is safe to repeat anywhere.
            node = (node + 1) % NODES
            time.sleep(0.05)

    publishers = [threading.Thread(target=publish, args=(number,)) for number in range(20)]
    for publisher in publishers:
        publisher.start()
    while time.monotonic() < until - 5:
        time.sleep(10)
        fleet.kill(fleet.kills % NODES)
    for publisher in publishers:
        publisher.join()
    wait_until(lambda: settled(accepted), 60, 0.5)
    missing = inversions = duplicates = 0
    for number in range(20):
        first, seen = [], set()
        for arrival in receiver.came[f"/{number}"]:
            value = int(arrival.body)
            duplicates += value in seen
            if value not in seen:
                first.append(value)
                seen.add(value)
        inversions += sum(1 for before, after in zip(first, first[1:]) if after < before)
        missing += accepted[number] - len(seen & set(range(accepted[number])))
    print(f"{fleet.kills} kills, {sum(accepted)} accepted: {missing} missing, {inversions} inversions, {duplicates} duplicates")
    return missing, inversions, duplicates


def fifo(fleet, receiver, options):
    def settled(accepted):
        return all(len({one.body for one in receiver.came[f"/{n}"]}) >= count for n, count in enumerate(accepted))

    missing, inversions, _ = killed(fleet, receiver, options, {"ordering": "fifo"}, settled)
    return missing == 0 and inversions == 0


def at_most_once(fleet, receiver, options):
    def listed(status):
        return fleet.ask("GET", f"/v1/deliveries?status={status}&limit=250")[1]["data"]

    members = {"guarantee": "at_most_once"}
    missing, _, duplicates = killed(fleet, receiver, options, members, lambda _: not listed("pending"))
    unknown = [delivery for delivery in listed("failed") if delivery["reason"] == "unknown_outcome"]
    print(f"{len(unknown)} are shown as failed with an unknown outcome")
    return duplicates == 0 and missing <= len(unknown)
