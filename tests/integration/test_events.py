"""/events and /jobs/{id}/events: pages, streams, and what they promise to one who comes again."""

import random
import threading

import pytest

from seed import SEED
from sse import Stream


def all_events(api, query=""):
    """Every event, page by page."""
    events, cursor = [], ""
    while True:
        page = api.ok("GET", f"/events?page_size=7{query}{cursor}")
        events += page["items"]
        if page["next"] is None:
            return events
        cursor = f"&cursor={page['next']}"


def refresh(api):
    """A job that is small: three events at least."""
    return api.ok("POST", "/authorities/pebble/refresh", status=(202,))


@pytest.fixture
def service(certwright, pebble):
    return certwright(pebble)


def test_a_page_has_all_in_order(service, names):
    api = service.api
    api.put_account()
    job = api.succeeded(api.post_certificate(*names()))
    page = api.ok("GET", "/events?page_size=1000")
    events = all_events(api)  # what was committed since comes after it: the renewal's job, planned
    assert [e["seq"] for e in events] == sorted(e["seq"] for e in events)
    assert len({e["seq"] for e in events}) == len(events)
    assert page["items"] == events[:len(page["items"])] and page["complete_after"] == 0
    assert page["last_seq"] == page["items"][-1]["seq"]

    own = [e for e in events if e["job"] == job["id"]]
    assert own[0]["type"] == "job.queued" and own[-1]["type"] == "job.succeeded"
    assert all(e["kind"] == "certificate.issue" for e in own)
    assert own == api.ok("GET", f"/jobs/{job['id']}/events")["items"]
    assert own == all_events(api, f"&job={job['id']}")
    slim = [{k: e[k] for k in ("seq", "at", "type", "step", "identifier", "message")} for e in own]
    assert slim == api.job(job)["events"]


def test_filters_and_positions(service, names):
    api = service.api
    api.put_account()
    [name] = names()
    api.succeeded(api.post_certificate(name))
    events = all_events(api)
    of_name = [e for e in events if e["resource"] == {
        "type": "certificate", "name": name, "href": f"/certificates/{name}"}]
    assert all_events(api, f"&certificate={name}") == of_name != []
    assert all_events(api, "&certificate=nobody") == []
    ended = [e for e in events if e["type"] == "job.succeeded"]
    assert all_events(api, "&type=job.succeeded") == ended != []
    issued = [e for e in of_name if e["kind"] == "certificate.issue"]
    assert all_events(api, "&kind=certificate.issue") == issued != []
    assert all_events(api, f"&certificate={name}&kind=certificate.issue&type=job.succeeded") == [
        e for e in issued if e["type"] == "job.succeeded"]
    middle = events[len(events) // 2]["seq"]
    assert all_events(api, f"&after={middle}") == [e for e in events if e["seq"] > middle]
    own = [e["seq"] for e in issued]
    [rest] = api.ok("GET", f"/jobs/{issued[0]['job']}/events?after={own[-2]}")["items"]
    assert rest["seq"] == own[-1]


@pytest.mark.parametrize("query", [
    "after=-1", "after=x", "after=", "after=9999999999999999999", "job=nothing", "kind=none",
    "type=job.none", "state=queued", "cursor=none",
])
@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_a_wrong_question_is_refused(service, query, accept):
    answer = service.api.get(f"/events?{query}", headers={"Accept": accept})
    assert answer.status == 400 and answer.json()["code"] == "request.malformed"


def test_what_there_is_is_told(service, contract):
    kinds = contract.spec["components"]["schemas"]["JobKind"]["enum"]
    for path in ("/events", "/jobs"):
        told = service.api.get(f"{path}?kind=none").json()["detail"]
        assert all(kind in told for kind in kinds), told
    assert "job.succeeded" in service.api.get("/events?type=none").json()["detail"]


def test_a_wrong_position_is_refused(service):
    for last in ("x", "-1", "1 2", "9" * 30):
        answer = service.api.get("/events", headers={"Accept": "text/event-stream",
                                                     "Last-Event-ID": last})
        assert answer.status == 400, last


def test_what_is_not_there(service):
    api = service.api
    for job in ("nothing", "01KAJX4FZZ8N3C5D7F9H1K3M5P"):
        for accept in ("application/json", "text/event-stream"):
            assert api.get(f"/jobs/{job}/events", headers={"Accept": accept}).status == 404
    assert api.get("/events", headers={"Accept": "text/html"}).status == 406
    # JSON where both would do, as for every client that takes anything.
    for accept in ("*/*", "text/event-stream, application/json", "text/*;q=0.5, application/json"):
        answer = api.get("/events", headers={"Accept": accept})
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["vary"] == "Accept"
    assert api.call("GET", "/events", token=False).status == 401


def test_a_job_is_followed_to_its_end(service, names):
    api = service.api
    api.put_account()
    job = api.post_certificate(*names())
    stream = Stream(api, f"/jobs/{job['id']}/events").open()
    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.headers["cache-control"] == "no-store"
    events = list(stream)
    assert stream.retry == 2000
    assert events[-1]["type"] == "job.succeeded"
    assert events == api.ok("GET", f"/jobs/{job['id']}/events")["items"]

    # The same afterwards, by a filter too; the rest of it; and nothing.
    assert list(Stream(api, f"/jobs/{job['id']}/events").open()) == events
    assert list(Stream(api, f"/events?after=0&job={job['id']}").open()) == events
    assert list(Stream(api, f"/jobs/{job['id']}/events", events[0]["seq"]).open()) == events[1:]
    gone = api.get(f"/jobs/{job['id']}/events", headers={
        "Accept": "text/event-stream", "Last-Event-ID": str(events[-1]["seq"])})
    assert gone.status == 204


def test_head_and_http_1_0(service, names):
    api = service.api
    job = api.ended(refresh(api))
    head = api.call("HEAD", "/events", headers={"Accept": "text/event-stream"})
    assert head.status == 200 and head.headers["content-type"] == "text/event-stream"
    assert not head.body
    old = Stream(api, f"/jobs/{job['id']}/events", version="1.0").open()
    assert old.status == 200 and not old.chunked
    events = list(old)
    assert events == api.ok("GET", f"/jobs/{job['id']}/events")["items"]

    # Live, too.
    old = Stream(api, "/events", version="1.0").open()
    job = api.ended(refresh(api))
    told = old.until(lambda e: e["job"] == job["id"] and e["type"] == "job.succeeded")
    assert told[0]["type"] == "job.queued"
    old.close()


def test_a_stream_begins_with_what_comes_next(service):
    api = service.api
    before = api.ended(refresh(api))
    stream = Stream(api, "/events").open()
    # Its beginning is decided before its header is sent.
    job = api.ended(refresh(api))
    events = stream.until(lambda e: e["type"] == "job.succeeded")
    assert {e["job"] for e in events} == {job["id"]} != {before["id"]}
    stream.close()


def test_streams_see_what_they_ask_for(service, names):
    api = service.api
    api.put_account()
    first, second = names(2)
    streams = {
        f"certificate={first}": lambda e: e["resource"]["name"] == first,
        f"certificate={second}": lambda e: e["resource"]["name"] == second,
        "kind=certificate.issue": lambda e: e["kind"] == "certificate.issue",
        "type=job.succeeded": lambda e: e["type"] == "job.succeeded",
    }
    opened = {query: Stream(api, f"/events?{query}").open() for query in streams}
    start = api.ok("GET", "/events")["last_seq"]
    for name in (first, second):
        api.succeeded(api.post_certificate(name))
    events = all_events(api, f"&after={start}")
    for query, fits in streams.items():
        wanted = [e for e in events if fits(e)]
        last = wanted[-1]["seq"]
        assert opened[query].until(lambda e: e["seq"] >= last) == wanted, query
        opened[query].close()


def test_nothing_is_lost_or_doubled(service):
    """Clients come and go at random while jobs run; each has every event once, in order."""
    api = service.api
    start = api.ok("GET", "/events")["last_seq"]
    done = threading.Event()
    got, failures = {}, []

    def follow(n):
        draw = random.Random(SEED + n)
        seen, last = got.setdefault(n, []), start
        try:
            while not (done.is_set() and last >= end[0]):
                stream = Stream(api, "/events", last).open()
                for event in stream:
                    seen.append(event["seq"])
                    last = stream.last
                    if draw.random() < 0.1 or (done.is_set() and last >= end[0]):
                        break
                stream.close()
        except Exception as e:  # told by the test's own thread
            failures.append(e)

    end = [0]
    clients = [threading.Thread(target=follow, args=(n,)) for n in range(8)]
    for client in clients:
        client.start()
    jobs = [refresh(api) for _ in range(40)]
    for job in jobs:
        api.ended(job)
    final = api.ended(refresh(api))
    events = all_events(api, f"&after={start}")
    # Those who have all but the last wait for it: the job's end is the last event of all.
    assert events[-1]["job"] == final["id"]
    end[0] = events[-1]["seq"]
    done.set()
    wake = api.ended(refresh(api))  # who had it already needs one more to see that it is over
    assert wake
    for client in clients:
        client.join(60)
        assert not client.is_alive()
    assert not failures, failures
    wanted = [e["seq"] for e in events]
    for n, seen in got.items():
        assert [s for s in seen if s <= end[0]] == wanted, n
        assert seen == sorted(set(seen)), n


def test_a_client_goes_on_after_a_kill(service):
    api = service.api
    stream = Stream(api, "/events?after=0").open()
    job = api.ended(refresh(api))
    first = stream.until(lambda e: e["job"] == job["id"] and e["type"] == "job.succeeded")
    pending = refresh(api)
    service.kill()
    stream.close()
    service.start()
    api.ended(pending)
    again = Stream(api, "/events?after=0", stream.last).open()
    rest = again.until(lambda e: e["job"] == pending["id"] and e["type"] == "job.succeeded")
    assert first + rest == all_events(api)[:len(first + rest)]
    again.close()


def test_another_database_is_told(service):
    api = service.api
    last = api.ok("GET", "/events")["last_seq"]
    stream = Stream(api, "/events", last + 1000).open()
    [gap] = stream.until(lambda e: True)
    assert gap == {"type": "gap", "after": last + 1000, "until": last}
    assert stream.last == last
    job = refresh(api)
    assert stream.until(lambda e: True)[0]["job"] == job["id"]
    stream.close()


def test_streams_end_with_the_service(service):
    api = service.api
    streams = [Stream(api, "/events").open() for _ in range(50)]
    pending = Stream(api, "/events?after=0").open()
    service.stop()
    for stream in [*streams, pending]:
        assert list(stream) == []
        assert stream.comments[-1] == "the service is stopping"
    service.start()
    job = api.ended(refresh(api))
    again = Stream(api, "/events", streams[0].last or 0).open()
    assert again.until(lambda e: e["type"] == "job.succeeded")[-1]["job"] == job["id"]
    again.close()


def test_a_token_that_ends_takes_its_streams_along(service):
    api = service.api
    made = api.ok("POST", "/tokens", {"name": "eyes", "scopes": ["jobs:read"]}, status=(201,))
    admin, api.token = api.token, made["token"]
    stream = Stream(api, "/events").open()
    job = Stream(api, "/events?kind=certificate.issue").open()
    api.token = admin
    assert stream.status == job.status == 200
    api.ok("DELETE", "/tokens/eyes", status=(204,))
    assert list(stream) == [] and list(job) == []


def test_a_token_for_some_certificates_sees_only_theirs(service, names):
    api = service.api
    api.put_account()
    own, other = names(2)
    made = api.ok("POST", "/tokens", {"name": "one", "scopes": ["jobs:read"],
                                      "identifiers": [own]}, status=(201,))
    jobs = {name: api.succeeded(api.post_certificate(name)) for name in (other, own)}
    events = all_events(api)
    admin, api.token = api.token, made["token"]
    seen = all_events(api)
    assert seen == [e for e in events if e["resource"]["name"] == own] != []
    for accept in ("application/json", "text/event-stream"):
        hidden = api.get(f"/jobs/{jobs[other]['id']}/events", headers={"Accept": accept})
        assert hidden.status == 404
    stream = Stream(api, "/events?after=0").open()
    got = stream.until(lambda e: e["seq"] == seen[-1]["seq"])
    assert got == seen
    stream.close()
    assert list(Stream(api, f"/jobs/{jobs[own]['id']}/events").open())[-1]["type"] == "job.succeeded"
    api.token = admin


def test_a_job_tells_what_was_asked_of_the_ca(service, names):
    api = service.api
    api.put_account()
    name, other = names(2)
    job = api.succeeded(api.post_certificate(name, other))
    asked = job["requests"]
    assert job["requests_omitted"] == 0
    assert {r["step"] for r in asked} >= {"order", "authorize", "respond", "validate", "finalize",
                                          "download"}
    assert all(r["method"] in ("HEAD", "GET", "POST") and r["path"].startswith("/") and
               r["count"] >= 1 and r["duration_ms"] >= 0 for r in asked)
    # Pebble refuses nonces now and then, which is a request like any other.
    assert {200, 201} <= {r["status"] for r in asked if r["status"] != 400}
    assert {r["identifier"] for r in asked if r["step"] == "respond"} - {None} == {name, other}
    assert {r["identifier"] for r in asked if r["step"] == "validate"} - {None} == {name, other}
    times = [r["at"] for r in asked]
    assert times == sorted(times)
