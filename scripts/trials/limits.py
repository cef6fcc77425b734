"""Ten endpoints limited to 50/s, 5,000 messages/s offered for a minute."""

import http.client
import json
import time

from trials.fleet import endpoints, in_parallel

NODES = 3
LIMIT, BURST = 50, 10


def rate(fleet, receiver, options):
    endpoints(fleet, receiver, 10, {"rate_limit": {"per_second": LIMIT, "burst": BURST}})
    seconds, batch, offered = options.seconds or 60, 100, [0] * NODES
    began = time.monotonic()

    def offer(node):
        connection = http.client.HTTPConnection("127.0.0.1", fleet.ports[node], timeout=30)
        body = json.dumps({"messages": [{"topic": f"t{n % 10}", "payload": n} for n in range(batch)]})
        due = began
        while time.monotonic() < began + seconds:
            connection.request("POST", "/v1/messages/batch", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            offered[node] += batch if answer.status == 202 else 0
            due += batch * NODES / 5_000
            time.sleep(max(0, due - time.monotonic()))

    in_parallel(offer, range(NODES))
    ended = time.monotonic()
    held = True
    print(f"offered {sum(offered) / (ended - began):.0f}/s")
    for number in range(10):
        times = [arrival.at for arrival in receiver.came[f"/{number}"] if arrival.at <= ended]
        worst, oldest = 0, 0
        for newest, at in enumerate(times):
            while times[oldest] <= at - 1:
                oldest += 1
            worst = max(worst, newest - oldest + 1)
        used = len(times) / (LIMIT * (ended - times[0])) if times else 0
        held &= worst <= LIMIT + BURST and used >= 0.95
        print(f"endpoint {number}: {len(times)} received, {used:.3f} of the limit used, at most {worst} in a second")
    return held
