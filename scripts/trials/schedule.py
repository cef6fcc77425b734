"""One schedule that fires every second, over two nodes, while the one that leads is killed again and again."""

import collections
import datetime
import time

from trials.fleet import LEASE, made, wait_until

NODES = 2
SECONDS = 300
KILLS = 5
# Silence is at most two leases, and a second because that is how often it fires.
SILENCE = 2 * LEASE + 1


def schedule(fleet, receiver, options):
    seconds = options.seconds or SECONDS
    # A short trial has fewer kills: between two of them there has to be a leader again, for a while.
    kills = max(1, min(KILLS, seconds // (2 * SILENCE)))
    made(fleet.ask("POST", "/v1/endpoints", {"url": receiver.url("tick"), "topics": ["tick"]}))
    settings = {"name": "tick", "cron": "* * * * * *", "topic": "tick", "payload": 1, "missed": "fire_all"}
    identity = made(fleet.ask("POST", "/v1/schedules", settings))["id"]
    if not wait_until(lambda: receiver.came["/tick"], 30):
        print("nothing was fired")
        return False
    began = time.monotonic()
    for number in range(kills):
        time.sleep(max(0, began + (number + 1) * seconds / (kills + 1) - time.monotonic()))
        if not wait_until(lambda: fleet.leader() is not None, 30, 0.1):
            print("nobody leads")
            return False
        leader = fleet.leader()
        fleet.kill(leader)
        print(f"{time.monotonic() - began:.0f} s: node {leader} led and was killed")
    time.sleep(max(0, began + seconds - time.monotonic()))
    return weigh(fleet, receiver, identity, seconds, kills)


def weigh(fleet, receiver, identity, seconds, kills):
    """Waits until the last due time of the trial has come, and compares due times, messages and arrivals."""
    first = min(fired(fleet, identity))
    due = [first + datetime.timedelta(seconds=second) for second in range(seconds)]
    messages = {}

    def all_came():
        messages.update(fired(fleet, identity))
        came = {arrival.message for arrival in receiver.came["/tick"]}
        return all(at in messages and came.issuperset(messages[at]) for at in due)

    wait_until(all_came, 4 * LEASE, 1)
    fleet.ask("PATCH", f"/v1/schedules/{identity}", {"enabled": False})
    messages = {at: ids for at, ids in fired(fleet, identity).items() if first <= at <= due[-1]}
    ids = [one for same in messages.values() for one in same]
    arrivals = [arrival for arrival in receiver.came["/tick"] if arrival.message in set(ids)]
    times = collections.Counter(arrival.message for arrival in arrivals)
    gaps = [after.at - before.at for before, after in zip(arrivals, arrivals[1:])]
    print(f"{kills} leaders killed, {len(due)} due times: {len(ids)} messages with {len(messages)} distinct fire_at")
    print(f"{len(times)} arrived, {sum(times.values()) - len(times)} of them again; the longest silence was {max(gaps):.1f} s")
    once = sorted(messages) == due and len(ids) == len(due)
    return fleet.kills == kills and once and len(times) == len(due) and max(gaps) <= SILENCE


def fired(fleet, identity):
    """The messages of the schedule's firings, by their due times."""
    found, cursor = collections.defaultdict(list), ""
    while cursor is not None:
        status, page = fleet.ask("GET", f"/v1/messages?topic=tick&limit=250{cursor}")
        assert status == 200, page
        for message in page["data"]:
            if message["origin"].get("schedule_id") == identity:
                at = datetime.datetime.fromisoformat(message["origin"]["fire_at"].replace("Z", "+00:00"))
                found[at].append(message["id"])
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    return found
