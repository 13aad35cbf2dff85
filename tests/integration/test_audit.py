"""Who did what: written with what it tells of, never changed, and bounded."""

import hashlib
import json
import sqlite3

import pytest

from process import until
from wall_clock import WallClock

HASHED = ("previous_hash", "n", "at", "request_id", "principal", "address", "method", "route",
          "resource", "job", "status", "code", "count")
WEBHOOK = {"type": "webhook-secret", "secret": "a-secret-of-24-characters-or-more"}


def entries(api, query=""):
    """All of them, oldest first."""
    found, cursor = [], ""
    while cursor is not None:
        page = api.ok("GET", f"/audit?page_size=1000{query}{cursor}")
        found += page["items"]
        cursor = page["next"] and f"&cursor={page['next']}"
    return found[::-1]


def hash_of(entry):
    text = "".join(f"{'' if entry[name] is None else entry[name]}\n" for name in HASHED)
    return hashlib.sha256(text.encode()).hexdigest()


def check_chain(found):
    for i, entry in enumerate(found):
        assert entry["hash"] == hash_of(entry), entry
        if i:
            assert entry["n"] == found[i - 1]["n"] + 1
            assert entry["previous_hash"] == found[i - 1]["hash"], entry


def told(entry):
    return entry["method"], entry["resource"], entry["status"]


def test_each_write_is_told_of(certwright):
    service = certwright()
    api = service.api
    done = api.put("/credentials/hook", WEBHOOK)
    api.ok("PUT", "/credentials/hook", WEBHOOK)
    api.ok("GET", "/credentials/hook")
    api.ok("DELETE", "/credentials/hook")
    found = entries(api)
    assert [told(entry) for entry in found] == [
        ("PUT", "/credentials/hook", 201), ("PUT", "/credentials/hook", 200),
        ("DELETE", "/credentials/hook", 204)]
    first = found[0]
    assert first["principal"] == "token:admin" and first["address"] == "127.0.0.1"
    assert first["route"] == "/credentials/{name}" and first["code"] is None
    assert first["request_id"] == done.headers["Request-Id"]
    check_chain(found)
    api.unix, port = service.socket, api.port
    api.ok("PUT", "/credentials/hook", WEBHOOK, token=False)
    api.unix, api.port = None, port
    last = entries(api)[-1]
    assert last["principal"].startswith("uid:") and last["address"] == "unix"


def test_jobs_and_their_resources(certwright, pebble, names):
    api = certwright(pebble).api
    api.put_account()
    job = api.post_certificate(*names())
    api.succeeded(job)
    account, certificate = entries(api)
    assert told(account) == ("PUT", "/accounts/main", 202)
    assert told(certificate) == ("POST", job["resource"]["href"], 202)
    assert certificate["job"] == job["id"]


SECRETS = ("privkey.pem", "combined.pem", "bundle", "versions/1/privkey.pem",
           "versions/1/combined.pem")
PUBLIC = ("cert.pem", "fullchain.pem", "csr.pem", "versions/1/cert.pem", "")


def test_reading_a_private_key_is_told_of(certwright, pebble, names):
    service = certwright(pebble)
    api = service.api
    [name] = names()
    api.put_account()
    api.succeeded(api.post_certificate(name))
    before = len(entries(api))
    for file in SECRETS:
        answer = api.get(f"/certificates/{name}/{file}")
        assert answer.status == 200 and "PRIVATE KEY" in answer.text
    for file in PUBLIC:
        assert api.get(f"/certificates/{name}/{file}".rstrip("/")).status == 200
    assert api.post(f"/certificates/{name}/pkcs12", {"password": "correct horse"}).status == 200
    assert "PRIVATE KEY" in api.get("/accounts/main/key").text
    found = entries(api)[before:]
    assert [told(entry) for entry in found] == [
        *(("GET", f"/certificates/{name}/{file}", 200) for file in SECRETS),
        ("POST", f"/certificates/{name}/pkcs12", 200), ("GET", "/accounts/main/key", 200)]
    # Who has it already gets nothing.
    etag = api.get(f"/certificates/{name}/bundle").headers["ETag"]
    before = len(entries(api))
    assert api.get(f"/certificates/{name}/bundle", headers={"If-None-Match": etag}).status == 304
    assert len(entries(api)) == before
    # It is on disk before the answer: a kill right after that loses nothing.
    api.get(f"/certificates/{name}/privkey.pem")
    service.kill()
    found = entries(service.start().api)
    assert told(found[-1]) == ("GET", f"/certificates/{name}/privkey.pem", 200)
    check_chain(found)


def test_a_key_that_cannot_be_told_of_is_not_given(certwright, pebble, names):
    service = certwright(pebble)
    api = service.api
    [name] = names()
    api.put_account()
    api.succeeded(api.post_certificate(name))
    # A database that refuses to take the entry.
    with sqlite3.connect(service.data / "certwright.db") as db:
        db.execute("CREATE TRIGGER broken BEFORE INSERT ON audit"
                   " BEGIN SELECT RAISE (ABORT, 'broken'); END")
    for path in ("privkey.pem", "bundle"):
        answer = api.get(f"/certificates/{name}/{path}")
        assert answer.status >= 500 and "PRIVATE" not in answer.text, answer
        assert "ETag" not in answer.headers
    answer = api.post(f"/certificates/{name}/pkcs12", {"password": "correct horse"})
    assert answer.status >= 500 and "Content-Disposition" not in answer.headers
    assert api.put("/credentials/hook", WEBHOOK).status >= 500
    assert api.get("/credentials/hook").status == 404
    assert api.get(f"/certificates/{name}/fullchain.pem").status == 200


def test_what_is_refused_is_folded(certwright):
    service = certwright()
    api = service.api
    for _ in range(20):
        assert api.get("/certificates", token=False).status == 401
        assert api.get("/certificates", token="certwright_guessed").status == 401
    assert api.put("/credentials/hook", {"type": "nonsense"}).status == 422
    # Reads that find nothing are nobody's business.
    assert api.get("/certificates/none").status == 404

    def refused():
        return [entry for entry in entries(api) if entry["code"]]

    until(lambda: len(refused()) >= 2, 20, "the refusals are written")
    service.restart()
    found = refused()
    turned_away = [entry for entry in found if entry["status"] == 401]
    assert sum(entry["count"] for entry in turned_away) == 40
    assert len(turned_away) <= 2
    for entry in turned_away:
        assert entry["principal"] is None and entry["address"] == "127.0.0.1"
        assert entry["route"] == "/certificates" and entry["code"] == "auth.required"
        assert entry["resource"] == "/certificates"
    [invalid] = [entry for entry in found if entry["status"] == 422]
    assert invalid["principal"] == "token:admin" and invalid["resource"] == "/credentials/hook"
    assert "guessed" not in json.dumps(found)
    check_chain(entries(api))


def test_what_is_refused_names_what_was_asked_for(certwright):
    service = certwright()
    api = service.api
    job = "01KAJX4FZZ8N3C5D7F9H1K3M5P"
    asked = {"/certificates/a.example.com/privkey.pem": "/certificates/a.example.com",
             "/certificates/a.example.com/versions/3": "/certificates/a.example.com/versions/3",
             f"/jobs/{job}": f"/jobs/{job}", "/tokens": "/tokens",
             # What is no name may be anything, a secret too.
             f"/tokens/{api.token}": "/tokens/{name}", "/solvers/a%20b": "/solvers/{name}",
             "/targets/" + "x" * 300: "/targets/{name}"}
    for path in asked:
        assert api.get(path, token=False).status == 401
    assert api.delete("/credentials/gone").status == 404
    service.restart()
    found = entries(api)
    assert sorted(entry["resource"] for entry in found if entry["status"] == 401) \
        == sorted(asked.values())
    [gone] = [entry for entry in found if entry["status"] == 404]
    assert told(gone) == ("DELETE", "/credentials/gone", 404)
    assert [entry["status"] for entry in entries(api, "&resource=/certificates/a.example.com")] \
        == [401, 401]
    assert api.token not in json.dumps(found)
    check_chain(found)


def test_who_tries_names_takes_no_others_place(certwright):
    """Some names are told, the rest is counted; what others are refused is told as ever."""
    service = certwright()
    api = service.api
    for n in range(100):
        assert api.get(f"/certificates/n{n}.example.com", token=False).status == 401
    assert api.delete("/credentials/gone").status == 404
    service.restart()
    found = [entry for entry in entries(api) if entry["status"] == 401]
    assert sum(entry["count"] for entry in found) == 100
    assert {entry["address"] for entry in found} == {"127.0.0.1"}
    # The first that were noted, which is done behind their answers' backs.
    names = {entry["resource"] for entry in found} - {None}
    assert len(names) == 4 and names < {f"/certificates/n{n}.example.com" for n in range(100)}
    assert len(found) <= 6
    assert [told(entry) for entry in entries(api, "&resource=/credentials/gone")] \
        == [("DELETE", "/credentials/gone", 404)]


def test_strangers_cannot_fill_the_trail(certwright):
    service = certwright()
    api = service.api
    routes = [path for path, item in api.contract.spec["paths"].items() if "get" in item]
    for path in routes:
        for method in ("GET", "DELETE", "POST", "PUT", "PATCH"):
            for n in range(3):
                api.call(method, path.replace("{", "").replace("}", str(n)), token=False)
    service.restart()
    found = entries(api)
    assert 10 < len(found) <= 2 * 64
    assert sum(entry["count"] for entry in found if not entry["address"]) > 10
    check_chain(found)


def test_pages_filters_and_lines(certwright):
    api = certwright().api
    for i in range(5):
        api.ok("PUT", f"/credentials/hook-{i}", WEBHOOK)
    found = entries(api)
    paged, page = [], api.ok("GET", "/audit?page_size=2")
    while True:
        paged += page["items"]
        if not page["next"]:
            break
        page = api.ok("GET", f"/audit?page_size=2&cursor={page['next']}")
    assert paged[::-1] == found
    assert entries(api, "&resource=/credentials/hook-3") == [found[3]]
    assert entries(api, "&principal=token:admin") == found
    assert entries(api, "&principal=token:other") == []
    assert entries(api, f"&since={found[4]['at']}") == [
        entry for entry in found if entry["at"] >= found[4]["at"]]
    for query in ("since=yesterday", "until=2026-01-01T00:00:00Z", "cursor=none"):
        assert api.get(f"/audit?{query}").status == 400
    assert api.get("/audit", token=False).status == 401
    # The export.
    lines, path = [], "/audit?page_size=2&principal=token:admin"
    while path:
        answer = api.get(path, headers={"Accept": "application/jsonl"})
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/jsonl"
        lines += [json.loads(line) for line in answer.text.splitlines()]
        link = answer.headers.get("Link")
        path = link and link.partition("<")[2].partition(">")[0]
        assert not link or link.endswith('>; rel="next"')
    assert lines[::-1] == found


@pytest.mark.parametrize("sql", [
    "UPDATE audit SET principal = 'token:other' WHERE n = 2",
    "DELETE FROM audit WHERE n = 2"])
def test_the_chain_shows_what_was_tampered_with(certwright, sql):
    service = certwright()
    api = service.api
    for i in range(4):
        api.ok("PUT", f"/credentials/hook-{i}", WEBHOOK)
    check_chain(entries(api))
    with sqlite3.connect(service.data / "certwright.db") as db:
        with pytest.raises(sqlite3.IntegrityError):
            db.execute(sql)
        db.execute("DROP TRIGGER audit_stays")
        db.execute("DROP TRIGGER audit_is_kept")
        db.execute(sql)
    with pytest.raises(AssertionError):
        check_chain(entries(api))


def test_what_is_too_old_goes(certwright, tmp_path):
    clock = WallClock(tmp_path)
    service = certwright(env=clock.env, audit_retention_seconds=5 * 24 * 3600)
    api = service.api
    api.ok("PUT", "/credentials/hook", WEBHOOK)
    service.stop()
    for days, left in ((4, 1), (6, 0)):
        clock.set(days * 24 * 3600)
        service.start()
        until(lambda: len(entries(api)) == left, 20, f"{left} entries after {days} days")
        service.stop()
    service.start()
    api.ok("DELETE", "/credentials/hook")
    [entry] = entries(api)
    assert entry["n"] == 2
    check_chain([entry])


def test_a_refused_write_leaves_no_success(certwright):
    api = certwright().api
    api.ok("PUT", "/credentials/hook", WEBHOOK)
    etag = api.get("/credentials/hook").headers["ETag"]
    assert api.put("/credentials/hook", {**WEBHOOK, "secret": "b" * 30},
                   headers={"If-Match": '"other"'}).status == 412
    assert etag
    assert [told(entry) for entry in entries(api) if not entry["code"]] == [
        ("PUT", "/credentials/hook", 201)]


def test_nothing_as_lines_is_nothing(certwright):
    api = certwright().api
    answer = api.get("/audit?resource=/nothing", headers={"Accept": "application/jsonl"})
    assert answer.status == 200 and answer.body == b""
