"""Tokens: made, narrowed, revoked; and scopes: what each of them opens, and nothing else."""

import json
import socket
import sqlite3
import threading
import zlib
from contextlib import closing
from datetime import datetime, timedelta, timezone

import pytest

import pem
from api import Api, at_once
from own_ca import OwnCa
from process import until
from sse import Stream

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def make_token(service, name, scopes, *, by=None, **restrictions):
    """An Api with a new token of its own."""
    api = by or service.api
    made = api.ok("POST", "/tokens", {"name": name, "scopes": scopes, **restrictions},
                  status=(201,))
    return Api(service.contract, service.port, made["token"])


def refused(answer, status, code):
    assert answer.status == status, answer
    assert answer.json()["code"] == code, answer
    return answer.json()


def from_now(**delta):
    return (datetime.now(timezone.utc) + timedelta(**delta)).isoformat()


def test_a_token_is_made_used_and_revoked(certwright):
    service = certwright()
    answer = service.api.post("/tokens", {"name": "ci", "scopes": ["jobs:read", "jobs:read"]})
    assert answer.status == 201
    assert answer.headers["Location"] == "/tokens/ci"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["ETag"] is None  # would be a hash of the secret
    made = answer.json()
    secret = made.pop("token")
    check = zlib.crc32(secret[3:46].encode())
    assert sum(DIGITS.index(c) * 62 ** i for i, c in enumerate(reversed(secret[46:]))) == check
    assert made["scopes"] == ["jobs:read"] and made["created_by"] == "token:admin"
    assert made == {**made, "identifiers": None, "labels": None, "addresses": None,
                    "not_before": None, "expires_at": None, "last_used_at": None}
    ci = Api(service.contract, service.port, secret)
    assert ci.ok("GET", "/jobs")["items"] == []
    refused(ci.get("/certificates"), 403, "auth.forbidden")
    refused(ci.get("/jobs", token=secret[:-1]), 401, "auth.required")
    assert "damaged" in ci.get("/jobs", token=secret[:-1]).json()["detail"]
    until(lambda: service.api.ok("GET", "/tokens/ci")["last_used_at"], 10, "the use is written")
    listed = service.api.ok("GET", "/tokens")["items"]
    assert [token["name"] for token in listed] == ["admin", "ci"]
    assert listed[0]["scopes"] == ["admin"] and listed[0]["last_used_at"]
    assert secret not in json.dumps(listed)
    assert service.api.delete("/tokens/ci").status == 204
    refused(ci.get("/jobs"), 401, "auth.required")
    refused(service.api.get("/tokens/ci"), 404, "not_found")
    refused(service.api.delete("/tokens/ci"), 404, "not_found")
    # The name is free again, and the old secret is no part of it.
    again = make_token(service, "ci", ["jobs:read"])
    assert again.token != secret and again.get("/jobs").status == 200
    refused(ci.get("/jobs"), 401, "auth.required")


def test_tokens_survive_a_restart_and_are_kept_as_hashes(certwright):
    service = certwright()
    kept = make_token(service, "kept", ["jobs:read"], addresses=["127.0.0.0/8"])
    gone = make_token(service, "gone", ["jobs:read"])
    assert service.api.delete("/tokens/gone").status == 204
    service.restart()
    assert kept.get("/jobs").status == 200
    refused(kept.get("/accounts"), 403, "auth.forbidden")
    refused(gone.get("/jobs"), 401, "auth.required")
    service.stop()
    for path in service.data.iterdir():
        assert path.is_dir() or kept.token.encode() not in path.read_bytes(), path
    assert kept.token not in service.process.log()


@pytest.mark.parametrize("body, pointers", [
    ({}, {"/name", "/scopes"}),
    ({"name": "Upper", "scopes": ["nothing:read", "jobs:read"], "more": 1},
     {"/name", "/scopes/0", "/more"}),
    ({"name": "a", "scopes": []}, {"/scopes"}),
    ({"name": "a", "scopes": ["jobs:read"], "identifiers": [], "addresses": [], "labels": {}},
     {"/identifiers", "/addresses", "/labels"}),
    ({"name": "a", "scopes": ["jobs:read"], "identifiers": ["*", "=a.example.com"],
      "addresses": ["10.0.0.1/8", "localhost"], "labels": {"team": 1}},
     {"/identifiers/0", "/identifiers/1", "/addresses/0", "/addresses/1", "/labels/team"}),
    ({"name": "a", "scopes": ["jobs:read"], "expires_at": "2020-01-01T00:00:00Z",
      "not_before": "soon"}, {"/expires_at", "/not_before"}),
    ({"name": "a", "scopes": ["jobs:read"], "expires_at": "2098-01-01T00:00:00Z",
      "not_before": "2099-01-01T00:00:00Z"}, {"/expires_at"}),
    # What is for some certificates only cannot be more than that.
    ({"name": "a", "scopes": ["admin"], "identifiers": ["a.example.com"]}, {"/scopes"}),
    ({"name": "a", "scopes": ["tokens:write"], "labels": {"team": "web"}}, {"/scopes"}),
    ({"name": "a", "scopes": ["metrics:read"], "labels": {"team": "web"}}, {"/scopes"}),
])
def test_bodies_that_are_none(certwright, body, pointers):
    api = certwright().api
    problem = refused(api.post("/tokens", body), 422, "request.invalid")
    assert {error["pointer"] for error in problem["errors"]} == pointers
    assert len(api.ok("GET", "/tokens")["items"]) == 1


def test_all_scopes_are_not_those_of_later_versions(certwright):
    service = certwright()
    names = service.contract.components["schemas"]["Scope"]["enum"][1:]
    make_token(service, "all", names[::-1])
    make_token(service, "both", ["admin", "jobs:read"])
    assert service.api.ok("GET", "/tokens/all")["scopes"] == names
    assert service.api.ok("GET", "/tokens/both")["scopes"] == ["admin"]


def test_names_are_taken_once_and_the_admin_stays(certwright):
    api = certwright().api
    refused(api.post("/tokens", {"name": "admin", "scopes": ["jobs:read"]}), 409, "name.taken")
    refused(api.delete("/tokens/admin"), 409, "config.managed")
    assert api.get("/tokens").status == 200


def test_nobody_gives_what_he_has_not(certwright):
    service = certwright()
    maker = make_token(service, "maker", ["tokens:write", "jobs:read"],
                       addresses=["127.0.0.0/8", "unix"], expires_at="2099-01-01T00:00:00Z")
    fitting = {"name": "x", "scopes": ["jobs:read"], "addresses": ["127.0.0.1"],
               "expires_at": "2098-01-01T00:00:00Z"}
    for wider in ({"scopes": ["admin"]}, {"scopes": ["jobs:read", "keys:read"]},
                  {"addresses": ["0.0.0.0/0"]}, {"expires_at": "2100-01-01T00:00:00Z"}):
        refused(maker.post("/tokens", {**fitting, **wider}), 403, "auth.forbidden")
    for left_out in ("addresses", "expires_at"):
        body = {key: value for key, value in fitting.items() if key != left_out}
        refused(maker.post("/tokens", body), 403, "auth.forbidden")
    made = make_token(service, "x", ["jobs:read"], by=maker, addresses=["127.0.0.1"],
                      expires_at="2098-01-01T00:00:00Z")
    assert made.get("/jobs").status == 200
    assert service.api.ok("GET", "/tokens/x")["created_by"] == "token:maker"
    # Nor does he end what is more than he is.
    make_token(service, "strong", ["keys:read"])
    refused(maker.delete("/tokens/strong"), 403, "auth.forbidden")
    assert maker.delete("/tokens/x").status == 204


def test_addresses(certwright):
    service = certwright()
    elsewhere = make_token(service, "elsewhere", ["jobs:read"],
                           addresses=["192.0.2.0/24", "::1", "unix"])
    problem = refused(elsewhere.get("/jobs"), 401, "auth.required")
    assert "127.0.0.1" in problem["detail"]
    elsewhere.unix = service.socket
    assert elsewhere.get("/jobs").status == 200
    local = make_token(service, "local", ["jobs:read"], addresses=["127.0.0.1"])
    assert local.get("/jobs").status == 200
    local.unix = service.socket
    refused(local.get("/jobs"), 401, "auth.required")
    # Who shows no token there is the service's own user, and may all.
    local.token = None
    assert local.ok("GET", "/tokens/local")["created_by"] == "token:admin"
    assert local.ok("POST", "/tokens", {"name": "by-uid", "scopes": ["admin"]})[
        "created_by"].startswith("uid:")


def test_times(certwright):
    service = certwright()
    later = make_token(service, "later", ["jobs:read"], not_before=from_now(hours=1))
    assert "not good yet" in refused(later.get("/jobs"), 401, "auth.required")["detail"]
    brief = make_token(service, "brief", ["jobs:read"], expires_at=from_now(seconds=20))
    assert brief.get("/jobs").status == 200
    until(lambda: brief.get("/jobs").status == 401, 60, "the token has expired")
    assert "expired" in refused(brief.get("/jobs"), 401, "auth.required")["detail"]


def test_revocation_reaches_those_who_wait(certwright, fake):
    """A request that waits for a job's end is answered 401 once its token is gone."""
    service = certwright(fake)
    fake.hold("/dir")
    waiter = make_token(service, "waiter", ["jobs:read"])
    job = service.api.ok("POST", "/authorities/pebble/refresh", status=(202,))
    answers = []
    thread = threading.Thread(target=lambda: answers.append(
        waiter.get(f"/jobs/{job['id']}", headers={"Prefer": "wait=30"})))
    thread.start()
    try:
        until(lambda: service.api.ok("GET", "/tokens/waiter")["last_used_at"], 10,
              "the waiter has come in")
        assert service.api.delete("/tokens/waiter").status == 204
        thread.join(25)
        assert not thread.is_alive(), "it waited on"
        assert "revoked" in refused(answers[0], 401, "auth.required")["detail"]
        assert service.api.job(job)["state"] not in ("succeeded", "failed")
    finally:
        fake.release("/dir")
    service.api.succeeded(job)


def test_revocation_ends_streams(certwright):
    service = certwright()
    listener = make_token(service, "listener", ["jobs:read"])
    stream = Stream(listener, "/events").open()
    assert stream.status == 200
    assert service.api.delete("/tokens/listener").status == 204
    while stream.receive():
        pass  # until it ends; the socket has a time-out
    assert Stream(listener, "/events").open().status == 401


def test_revocation_reaches_those_whose_body_is_late(certwright):
    service = certwright()
    late = make_token(service, "late", ["tokens:write", "jobs:read"])
    body = json.dumps({"name": "made", "scopes": ["jobs:read"]}).encode()
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(b"POST /tokens HTTP/1.1\r\nHost: localhost\r\n"
                           b"Content-Type: application/json\r\nAuthorization: Bearer "
                           + late.token.encode()
                           + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:10])
        until(lambda: service.api.ok("GET", "/tokens/late")["last_used_at"], 10,
              "the header has been read")
        assert service.api.delete("/tokens/late").status == 204
        connection.sendall(body[10:])
        assert connection.recv(100).startswith(b"HTTP/1.1 401 ")
    refused(service.api.get("/tokens/made"), 404, "not_found")


# ---- made by one another ----

def test_what_a_token_has_made_ends_with_it(certwright, fake):
    """However many makers lie between, and whatever it is doing just then."""
    service = certwright(fake)
    rights = ["tokens:write", "jobs:read"]
    first = make_token(service, "first", rights)
    second = make_token(service, "second", rights, by=first)
    third = make_token(service, "third", ["jobs:read"], by=second)
    beside = make_token(service, "beside", ["jobs:read"])
    service.restart()
    listed = {token["name"]: token["created_by"] for token in service.api.ok("GET", "/tokens")["items"]}
    assert listed == {"admin": None, "first": "token:admin", "second": "token:first",
                      "third": "token:second", "beside": "token:admin"}
    fake.hold("/dir")
    job = service.api.ok("POST", "/authorities/pebble/refresh", status=(202,))
    answers = []
    thread = threading.Thread(target=lambda: answers.append(
        third.get(f"/jobs/{job['id']}", headers={"Prefer": "wait=30"})))
    thread.start()
    stream = Stream(second, "/events").open()
    try:
        until(lambda: service.api.ok("GET", "/tokens/third")["last_used_at"], 10,
              "the waiter has come in")
        assert service.api.delete("/tokens/first").status == 204
        thread.join(25)
        assert not thread.is_alive(), "it waited on"
        assert "revoked" in refused(answers[0], 401, "auth.required")["detail"]
        while stream.receive():
            pass  # until it ends; the socket has a time-out
    finally:
        fake.release("/dir")
    for ended in (first, second, third):
        refused(ended.get("/jobs"), 401, "auth.required")
    assert beside.get("/jobs").status == 200
    told = [entry["resource"] for entry in service.api.ok("GET", "/audit")["items"]
            if entry["method"] == "DELETE"]
    assert sorted(told) == ["/tokens/first", "/tokens/second", "/tokens/third"]
    # Nor does it come back with the name.
    again = make_token(service, "second", ["jobs:read"])
    assert again.get("/jobs").status == 200
    service.restart()
    for ended in (second, third):
        refused(ended.get("/jobs"), 401, "auth.required")
    assert [token["name"] for token in service.api.ok("GET", "/tokens")["items"]] \
        == ["admin", "beside", "second"]


def test_what_the_admin_token_has_made_outlives_its_secret(certwright):
    service = certwright()
    made = make_token(service, "made", ["jobs:read"])
    former = Api(service.contract, service.port, service.api.token)
    service.stop()
    (service.data / "admin.token").write_text("another-admin-token-of-36-characters")
    service.start()
    assert made.get("/jobs").status == 200
    refused(former.get("/jobs"), 401, "auth.required")


def test_no_token_is_made_by_one_that_ends_meanwhile(certwright):
    """Both may come to the database in one transaction; whichever is first, none is left over."""
    service = certwright()
    for n in range(10):
        makers = [make_token(service, f"maker-{i}", ["tokens:write", "jobs:read"])
                  for i in range(4)]
        answers = at_once(
            [lambda i=i, k=k: makers[i].post("/tokens", {"name": f"made-{n}-{i}-{k}",
                                                         "scopes": ["jobs:read"]})
             for i in range(4) for k in range(3)]
            + [lambda i=i: service.api.delete(f"/tokens/maker-{i}") for i in range(4)]
            + [lambda i=i: service.api.post("/tokens", {"name": f"maker-{i}",
                                                        "scopes": ["jobs:read"]})
               for i in range(4)])
        for answer in answers:
            assert answer.status in (201, 204, 401, 409), answer
            if answer.status == 201 and answer.json()["name"].startswith("made"):
                made = Api(service.contract, service.port, answer.json()["token"])
                refused(made.get("/jobs"), 401, "auth.required")
        for token in service.api.ok("GET", "/tokens")["items"]:
            assert token["created_by"] in (None, "token:admin"), token
            if token["name"] != "admin":
                service.api.ok("DELETE", f"/tokens/{token['name']}")


# ---- for some certificates only ----

ALL_OF_CERTIFICATES = ["certificates:read", "certificates:issue", "certificates:revoke",
                       "certificates:delete", "keys:read", "jobs:read", "jobs:write"]


@pytest.fixture
def house(certwright, pebble):
    """A service with three certificates; narrow may have those of team web below ci."""
    service = certwright(pebble)
    service.api.put_account()
    for name, labels in (("a.ci.example.com", {"team": "web", "x": "y"}),
                         ("b.ci.example.com", {"team": "db"}),
                         ("a.prod.example.com", {"team": "web"})):
        service.api.succeeded(service.api.post_certificate(name, labels=labels))
    service.narrow = make_token(service, "narrow", ALL_OF_CERTIFICATES,
                                identifiers=["*.ci.example.com"], labels={"team": "web"})
    return service


def certificate_paths(name):
    yield from (f"/certificates/{name}{end}" for end in (
        "", "/cert.pem", "/chain.pem", "/fullchain.pem", "/privkey.pem", "/combined.pem",
        "/csr.pem", "/bundle", "/versions", "/versions/1", "/versions/1/privkey.pem"))


def items_of(api, path, size=2):
    """A whole list, a few at a time."""
    items, cursor = [], ""
    while cursor is not None:
        sign = "&" if "?" in path else "?"
        page = api.ok("GET", f"{path}{sign}page_size={size}" + (f"&cursor={cursor}" if cursor else ""))
        items, cursor = items + page["items"], page["next"]
    return items


def test_a_narrow_token_reads_its_own_alone(house):
    narrow, admin = house.narrow, house.api
    for path in certificate_paths("a.ci.example.com"):
        assert narrow.get(path).status == 200, path
    for hidden in ("b.ci.example.com", "a.prod.example.com"):
        for path in certificate_paths(hidden):
            gone = refused(narrow.get(path), 404, "not_found")
            never = refused(narrow.get(path.replace(hidden, "never.example.com")), 404, "not_found")
            assert gone["detail"].replace(hidden, "never.example.com") == never["detail"]
            assert admin.get(path).status == 200
        refused(narrow.post(f"/certificates/{hidden}/pkcs12", {"password": "x" * 20}), 404,
                "not_found")
    [seen] = items_of(narrow, "/certificates")
    assert seen["name"] == "a.ci.example.com"
    assert narrow.ok("GET", "/certificates?page_size=1")["next"] is None
    everything = {"/jobs": "id", "/orders": "id"}
    for path, key in everything.items():
        mine = {item[key] for item in items_of(narrow, path)}
        named = {item[key] for item in items_of(admin, path + "?certificate=a.ci.example.com")}
        assert mine == named and mine
        for item in items_of(admin, path):
            answer = narrow.get(f"{path}/{item[key]}")
            assert answer.status == (200 if item[key] in mine else 404), (path, item)
        assert items_of(narrow, path + "?certificate=b.ci.example.com") == []


def test_a_narrow_list_goes_on_behind_what_it_leaves_out(house):
    """Thousands of newer jobs that are not to be seen lie before its own."""
    before = [job["id"] for job in items_of(house.narrow, "/jobs")]
    house.stop()
    with closing(sqlite3.connect(house.data / "certwright.db")) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(job)")]
        values = ", ".join({"n": "NULL", "id": "printf('0AAAAAAAAAAAAAAAAAAAA%05d', i)",
                            "kind": "'authority.refresh'", "resource_type": "'authority'",
                            "resource_name": "'pebble'"}.get(column, column)
                           for column in columns)
        db.execute("WITH RECURSIVE count (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM count"
                   f" WHERE i < 5000) INSERT INTO job SELECT {values} FROM count,"
                   " (SELECT * FROM job WHERE kind = 'account.create' LIMIT 1)")
        db.commit()
    house.start()
    assert len(items_of(house.api, "/jobs?kind=authority.refresh", 1000)) == 5000
    assert [job["id"] for job in items_of(house.narrow, "/jobs")] == before
    # To look at all of them for one page would keep others waiting.
    page = house.narrow.ok("GET", "/jobs")
    assert page["items"] == [] and page["next"]


def test_a_narrow_token_has_nothing_of_former_names(house):
    """A certificate that comes to be for other names keeps the versions, and keys, of before."""
    narrow, admin = house.narrow, house.api
    path, labels = "/certificates/moved", {"team": "web"}
    before, now = ({"identifiers": [f"moved.{part}.example.com"], "account": "main",
                    "labels": labels} for part in ("prod", "ci"))
    admin.succeeded(admin.ok("PUT", path, before, status=(202,)))
    admin.ok("PUT", "/solvers/hand", {"type": "manual", "zones": ["nowhere.example"]})
    admin.ok("PUT", path, {**now, "challenge": {"type": "dns-01", "solver": "hand"}},
             status=(202,))
    assert narrow.ok("GET", path)["version"] == 1

    def has_nothing(place):
        for file in ("privkey.pem", "combined.pem", "fullchain.pem", "csr.pem"):
            refused(narrow.get(f"{place}/{file}"), 403, "auth.forbidden")

    has_nothing(path)
    refused(narrow.get(path + "/bundle"), 403, "auth.forbidden")
    assert items_of(narrow, path + "/versions") == []
    # Nor can it have the key put elsewhere, or revoke what is in use.
    for method, end, body in (("PATCH", "", {"targets": []}), ("PUT", "", now),
                              ("POST", "/deploy", None), ("POST", "/revoke", None),
                              ("DELETE", "?revoke=true", None)):
        refused(narrow.call(method, path + end, body), 403, "auth.forbidden")
    assert admin.certificate("moved")["status"] == "valid"
    admin.succeeded(admin.ok("PUT", path, now, status=(202,)))
    has_nothing(path + "/versions/1")
    refused(narrow.get(path + "/versions/1"), 403, "auth.forbidden")
    password = {"password": "x" * 20}
    refused(narrow.post(path + "/pkcs12", {**password, "version": 1}), 403, "auth.forbidden")
    refused(narrow.post(path + "/revoke", {"version": 1}), 403, "auth.forbidden")
    assert [one["version"] for one in items_of(narrow, path + "/versions")] \
        == [admin.certificate("moved")["version"]]
    assert narrow.get(path + "/bundle").json()["privkey_pem"]
    assert narrow.post(path + "/pkcs12", password).status == 200
    assert admin.get(path + "/versions/1/privkey.pem").status == 200


def test_a_narrow_token_does_not_see_what_was_done_for_former_names(certwright, pebble_with):
    """Jobs, orders, events and errors of before tell of names that are not for it."""
    house = certwright(pebble_with(config={"domainBlocklist": ["blocked.example.com"]}))
    admin = house.api
    admin.put_account()
    narrow = make_token(house, "narrow", ALL_OF_CERTIFICATES, identifiers=["*.ci.example.com"],
                        labels={"team": "web"})
    before, now = ({"identifiers": [f"{part}.example.com"], "account": "main",
                    "labels": {"team": "web"}} for part in ("w.prod", "w.ci"))
    admin.ok("PUT", "/solvers/hand", {"type": "manual", "zones": ["nowhere.example"]})
    # One that came to its end; one without an order yet, called back; one that has failed.
    admin.succeeded(admin.ok("PUT", "/certificates/done", before, status=(202,)))
    by_hand = {**before, "challenge": {"type": "dns-01", "solver": "hand"}}
    admin.ok("PUT", "/certificates/halted", by_hand, status=(202,))
    failing = {**before, "identifiers": ["w.prod.example.com", "blocked.example.com"]}
    admin.failed(admin.ok("PUT", "/certificates/failed", failing, status=(202,)))
    assert "blocked" in json.dumps(admin.certificate("failed")["last_error"])
    names = ("done", "halted", "failed")
    former = {name: items_of(admin, f"/jobs?certificate={name}&kind=certificate.issue")
              for name in names}
    orders = {name: items_of(admin, f"/orders?certificate={name}") for name in names}
    for name in names:
        refused(narrow.get(f"/certificates/{name}"), 404, "not_found")
        admin.succeeded(admin.ok("PUT", f"/certificates/{name}", now, status=(202,)))
        path = f"/certificates/{name}"
        assert narrow.ok("GET", path)["last_error"] is None
        [job] = former[name]
        for hidden in [f"/jobs/{job['id']}", f"/jobs/{job['id']}/events",
                       *(f"/orders/{order['id']}" for order in orders[name])]:
            refused(narrow.get(hidden), 404, "not_found")
        refused(narrow.post(f"/jobs/{job['id']}/retry"), 404, "not_found")
        seen = items_of(narrow, f"/jobs?certificate={name}&kind=certificate.issue")
        assert [one["identifiers"][0]["value"] for one in seen] == ["w.ci.example.com"]
        assert len(items_of(narrow, f"/orders?certificate={name}")) == 1
        shown = admin.ok("GET", f"/jobs/{job['id']}")["identifiers"]
        assert "w.prod.example.com" in [one["value"] for one in shown]
        assert "w.ci.example.com" not in [one["value"] for one in shown]
    assert orders["done"] and orders["failed"]
    assert "w.prod" not in json.dumps([items_of(narrow, path) for path in ("/jobs", "/orders",
                                                                           "/events")])
    events = [event for name in names for event in items_of(narrow, f"/events?certificate={name}")]
    former_ids = {job["id"] for jobs in former.values() for job in jobs}
    assert events and not former_ids & {event["job"] for event in events}
    stream = Stream(narrow, "/events?certificate=done&after=0").open()
    [first] = stream.until(lambda event: True)
    stream.close()
    assert first["job"] not in former_ids
    # Nor has it anything once the names are again what they were.
    admin.succeeded(admin.ok("PUT", "/certificates/done", before, status=(202,)))
    assert items_of(narrow, "/jobs?certificate=done") == []
    assert items_of(narrow, "/events?certificate=done") == []


def test_a_narrow_token_changes_its_own_alone(house):
    narrow, admin = house.narrow, house.api
    before = [admin.certificate(name) for name in ("b.ci.example.com", "a.prod.example.com")]
    for hidden in ("b.ci.example.com", "a.prod.example.com"):
        path = f"/certificates/{hidden}"
        for method, end, body in (("PATCH", "", {"labels": {"team": "web"}}),
                                  ("DELETE", "", None), ("DELETE", "?revoke=true", None),
                                  ("POST", "/renew", {"force": True}), ("POST", "/revoke", None),
                                  ("POST", "/deploy", None)):
            refused(narrow.call(method, path + end, body), 404, "not_found")
        # That a name is taken cannot be hidden from one who could take it.
        refused(narrow.put(path, {"identifiers": ["c.ci.example.com"], "account": "main",
                                  "labels": {"team": "web"}}), 403, "auth.forbidden")
    [job] = [job for job in items_of(admin, "/jobs?certificate=b.ci.example.com")
             if job["kind"] == "certificate.renew"]
    for end in ("cancel", "retry", "continue"):
        refused(narrow.post(f"/jobs/{job['id']}/{end}"), 404, "not_found")
    assert before == [admin.certificate(one["name"]) for one in before]
    # Its own it may change, but not so that it is its own no more.
    path = "/certificates/a.ci.example.com"
    problem = refused(narrow.patch(path, {"labels": {"team": "db"}}), 403, "auth.forbidden")
    assert [error["pointer"] for error in problem["errors"]] == ["/labels"]
    assert narrow.ok("PATCH", path, {"labels": {"team": "web", "new": "1"}})["labels"]["new"] == "1"
    refused(narrow.put(path, {"identifiers": ["a.ci.example.com", "a.prod.example.com"],
                              "account": "main", "labels": {"team": "web"}}), 403,
            "auth.forbidden")
    assert admin.certificate("a.ci.example.com")["identifiers"] == ["a.ci.example.com"]
    narrow.succeeded(narrow.ok("POST", path + "/renew", {"force": True}, status=(202,)))
    # The job that ends it is its own to the end.
    job = narrow.ok("DELETE", path + "?revoke=true", status=(202,))
    narrow.succeeded(job)
    refused(narrow.get(path), 404, "not_found")


@pytest.mark.parametrize("identifiers, labels, wrong", [
    (["c.ci.example.com"], {}, ["/labels"]),
    (["c.ci.example.com"], {"team": "db"}, ["/labels"]),
    (["ci.example.com"], {"team": "web"}, ["/identifiers"]),
    (["*.ci.example.com"], {"team": "web"}, ["/identifiers"]),
    (["a.b.ci.example.com"], {"team": "web"}, ["/identifiers"]),
    (["c.ci.example.com", "c.prod.example.com", "127.0.0.1"], {"team": "web"},
     ["/identifiers", "/identifiers"]),
])
def test_a_narrow_token_makes_its_own_alone(house, identifiers, labels, wrong):
    body = {"identifiers": identifiers, "account": "main", "labels": labels}
    if "*" in identifiers[0]:
        house.api.ok("PUT", "/solvers/hand", {"type": "manual", "zones": ["nowhere.example"]})
        body["challenge"] = {"type": "dns-01", "solver": "hand"}
    for answer in (house.narrow.post("/certificates", {**body, "name": "new"}),
                   house.narrow.put("/certificates/new", body)):
        problem = refused(answer, 403, "auth.forbidden")
        assert [error["pointer"] for error in problem["errors"]] == wrong
    refused(house.api.get("/certificates/new"), 404, "not_found")


def test_names_are_compared_as_they_are_stored(house):
    unicode = make_token(house, "unicode", ["certificates:issue", "jobs:read"],
                         identifiers=["*.b\u00fccher.example"])
    job = unicode.ok("POST", "/certificates", {"identifiers": ["WWW.B\u00dcCHER.example."],
                                               "account": "main"}, status=(202,))
    assert job["resource"]["name"] == "www.xn--bcher-kva.example"
    unicode.succeeded(job)


def test_a_csr_and_an_import_are_no_way_around(house):
    csr = house.api.pem("a.prod.example.com", "csr.pem")
    labels = {"team": "web"}
    refused(house.narrow.post("/certificates", {"csr": csr, "account": "main", "name": "new",
                                                "labels": labels}), 403, "auth.forbidden")
    for name, status in (("a.prod.example.com", 403), ("a.ci.example.com", 201)):
        body = {"name": "imported", "labels": labels,
                "certificate": house.api.pem(name, "fullchain.pem"),
                "private_key": house.api.pem(name, "privkey.pem")}
        answer = house.narrow.post("/imports", body)
        assert answer.status == status, answer
    refused(house.narrow.post("/imports", {**body, "name": "a.prod.example.com"}), 409,
            "name.taken")


def test_a_narrow_token_takes_no_folder_of_others(certwright, pebble, tmp_path):
    """A folder that nobody has yet would else be another service's, with a certificate not its."""
    service = certwright(pebble, file_roots=[str(tmp_path)])
    admin = service.api
    admin.put_account()
    certs = tmp_path / "certs"
    admin.ok("PUT", "/targets/web", {"type": "files", "directory": str(certs)})
    admin.ok("PUT", "/targets/fixed", {"type": "files", "directory": str(tmp_path / "b"),
                                       "path": "."})
    narrow = make_token(service, "narrow", ALL_OF_CERTIFICATES,
                        identifiers=["*.ci.example.com", "=*.ci.example.com"])
    spec = {"identifiers": ["a.ci.example.com", "c.ci.example.com"], "account": "main"}
    key = pem.make_key()
    imported = {"certificate": OwnCa().leaf(key, "a.ci.example.com"),
                "private_key": pem.key_pem(key)}

    def not_there(answer):
        problem = refused(answer, 403, "auth.forbidden")
        assert [error["pointer"] for error in problem["errors"]] == ["/targets/0"]

    for name, item in (("b.prod.example.com", "web"), ("b", "web"), ("a.ci.example.com", "fixed"),
                       *(("a.ci.example.com", {"target": "web", "path": path})
                         for path in ("b.prod.example.com", "b/a.ci.example.com", ".")),
                       ("d.ci.example.com", "web")):
        body = {**spec, "targets": [item]}
        not_there(narrow.post("/certificates", {**body, "name": name}))
        not_there(narrow.put(f"/certificates/{name}", body))
        not_there(narrow.post("/imports", {**imported, "name": name, "targets": [item]}))
        refused(admin.get(f"/certificates/{name}"), 404, "not_found")
    # Folders of its own names it may have, by the certificate's name or by path.
    path = "/certificates/a.ci.example.com"
    own = ["web", {"target": "web", "path": "c.ci.example.com"}]
    narrow.succeeded(narrow.ok("POST", "/certificates", {**spec, "targets": own}, status=(202,)))
    for name in ("a.ci.example.com", "c.ci.example.com"):
        until((certs / name / "privkey.pem").exists, 30, "it is installed")
    not_there(narrow.patch(path, {"targets": [{"target": "web", "path": "b"}]}))
    assert narrow.ok("GET", path)["targets"] == admin.ok("GET", path)["targets"]
    # What somebody else has put there stays, and is kept up to date by it.
    theirs = [{"target": "web", "path": "shop"}]
    admin.ok("PATCH", path, {"targets": theirs})
    until((certs / "shop" / "privkey.pem").exists, 30, "it is installed")
    assert narrow.ok("PATCH", path, {"targets": [*theirs, "web"]})["targets"][0]["path"] == "shop"
    # Nor is he told whose it is, if it is somebody's.
    admin.ok("PUT", "/certificates/hidden.prod", {
        "identifiers": ["b.prod.example.com"], "account": "main",
        "targets": [{"target": "web", "path": "e.ci.example.com"}]}, status=(202,))
    taken = {**spec, "identifiers": ["e.ci.example.com"], "targets": ["web"]}
    answer = narrow.post("/certificates", taken)
    assert refused(answer, 422, "request.invalid")["errors"][0]["pointer"] == "/targets/0"
    assert b"hidden.prod" not in answer.body
    assert b"hidden.prod" in admin.post("/certificates", taken).body
    narrow.succeeded(narrow.ok("POST", path + "/renew", {"force": True}, status=(202,)))
    # A wildcard's folder is called as its certificate is.
    hand = {"identifiers": ["*.ci.example.com"], "account": "main",
            "challenge": {"type": "dns-01", "solver": "hand"}, "targets": ["web"]}
    admin.ok("PUT", "/solvers/hand", {"type": "manual", "zones": ["nowhere.example"]})
    job = narrow.ok("POST", "/certificates", hand, status=(202,))
    assert job["resource"]["name"] == "wildcard.ci.example.com"


def test_what_is_of_no_certificate_is_not_for_a_narrow_token(house):
    job = house.api.ok("POST", "/authorities/pebble/refresh", status=(202,))
    refused(house.narrow.get(f"/jobs/{job['id']}"), 404, "not_found")
    refused(house.narrow.get(f"/jobs/{job['id']}/events"), 404, "not_found")
    for path in ("/accounts", "/tokens", "/metrics", "/credentials"):
        refused(house.narrow.get(path), 403, "auth.forbidden")


@pytest.mark.parametrize("kind, args, scopes", [
    ("certificate.revoke", {"version": 1, "then_delete": 1},
     ["certificates:revoke", "certificates:delete"]),
    ("certificate.revoke", {"version": 1}, ["certificates:revoke"]),
    ("certificate.issue", {}, ["certificates:issue"]),
    ("account.deactivate", {}, ["accounts:write"]),
    ("authority.refresh", {}, ["authorities:write"]),
])
def test_a_retry_is_no_way_to_what_one_may_not_ask_for(house, kind, args, scopes):
    """A job that was called back is not begun again by who could not have begun it."""
    resource = kind.split(".")[0]
    name = {"certificate": "a.ci.example.com", "account": "main", "authority": "pebble"}[resource]
    house.stop()
    with closing(sqlite3.connect(house.data / "certwright.db")) as db:
        [(job, number)] = db.execute("SELECT job.id, account_id FROM job JOIN certificate c"
                                     " ON c.id = resource_id WHERE kind = 'certificate.issue'"
                                     " AND c.name = 'a.ci.example.com'")
        db.execute("UPDATE job SET kind = ?, args = ?, state = 'cancelled', resource_type = ?,"
                   " resource_name = ? WHERE id = ?",
                   (kind, json.dumps(args), resource, name, job))
        if resource == "account":
            db.execute("UPDATE job SET resource_id = ? WHERE id = ?", (number, job))
        db.commit()
    house.start()
    for n in range(len(scopes)):
        lacking = [scope for scope in scopes if scope != scopes[n]]
        caller = make_token(house, f"lacking-{n}", ["jobs:read", "jobs:write", *lacking])
        problem = refused(caller.post(f"/jobs/{job}/retry"), 403, "auth.forbidden")
        assert scopes[n] in problem["detail"]
    caller = make_token(house, "able", ["jobs:read", "jobs:write", *scopes])
    caller.succeeded(caller.ok("POST", f"/jobs/{job}/retry", status=(202,)))


def test_an_idempotency_key_gives_no_job_of_another(house):
    """A token of the same name inherits the keys of the one before, but not what it may see."""
    key = {"Idempotency-Key": "one"}
    body = {"identifiers": ["c.ci.example.com"], "account": "main", "labels": {"team": "web"}}
    job = house.narrow.ok("POST", "/certificates", body, headers=key, status=(202,))
    assert house.narrow.ok("POST", "/certificates", body, headers=key)["id"] == job["id"]
    assert house.api.delete("/tokens/narrow").status == 204
    other = make_token(house, "narrow", ["certificates:issue"], identifiers=["d.example.com"])
    refused(other.post("/certificates", body, headers=key), 403, "auth.forbidden")


def test_keys_are_a_scope_of_their_own(house):
    reader = make_token(house, "reader", ["certificates:read"])
    path = "/certificates/a.ci.example.com"
    for file in ("privkey.pem", "combined.pem", "versions/1/privkey.pem",
                 "versions/1/combined.pem"):
        refused(reader.get(f"{path}/{file}"), 403, "auth.forbidden")
    refused(reader.post(path + "/pkcs12", {"password": "x" * 20}), 403, "auth.forbidden")
    bundle = reader.get(path + "/bundle")
    assert bundle.json()["privkey_pem"] is None
    # What it has got is not what one with the key has got.
    keyed = house.narrow.get(path + "/bundle",
                             headers={"If-None-Match": bundle.headers["ETag"]})
    assert keyed.status == 200 and keyed.json()["privkey_pem"]
    deleter = make_token(house, "deleter", ["certificates:delete"])
    refused(deleter.delete(path + "?revoke=true"), 403, "auth.forbidden")
    assert deleter.delete(path).status == 204


# ---- keys that nobody gets ----

def test_a_key_that_is_not_exportable_stays_so(certwright, pebble, tmp_path):
    service = certwright(pebble, file_roots=[str(tmp_path)])
    api = service.api
    api.put_account()
    api.ok("PUT", "/targets/web", {"type": "files", "directory": str(tmp_path / "certs")})
    spec = {"identifiers": ["kept.example.com"], "account": "main", "targets": ["web"]}
    api.succeeded(api.ok("POST", "/certificates", {**spec, "key": {"exportable": False}},
                         status=(202,)))
    path = "/certificates/kept.example.com"
    assert api.certificate("kept.example.com")["key"]["exportable"] is False

    def is_kept():
        for file in ("privkey.pem", "combined.pem", "versions/1/privkey.pem",
                     "versions/1/combined.pem"):
            answer = api.get(f"{path}/{file}")
            refused(answer, 409, "state.conflict")
            assert "PRIVATE KEY" not in answer.text
        refused(api.post(path + "/pkcs12", {"password": "x" * 20}), 409, "state.conflict")
        bundle = api.ok("GET", path + "/bundle")
        assert bundle["privkey_pem"] is None and bundle["cert_pem"]

    is_kept()
    # A target gets it nevertheless.
    written = tmp_path / "certs" / "kept.example.com" / "privkey.pem"
    until(written.exists, 30, "the certificate is installed")
    assert "PRIVATE KEY" in written.read_text()
    refused(api.patch(path, {"key": {"exportable": True}}), 422, "request.invalid")
    refused(api.put(path, {**spec, "key": {"exportable": True}}), 409, "state.conflict")
    assert api.ok("PUT", path, spec, status=(200,))["key"]["exportable"] is False
    # Nor does another spec, which makes a new version, take it back.
    api.succeeded(api.ok("PUT", path, {**spec, "key": {"type": "ec-p384"}}, status=(202,)))
    assert api.certificate("kept.example.com")["version"] == 2
    is_kept()


def test_a_patch_keeps_a_key_from_now_on(house):
    path = "/certificates/a.ci.example.com"
    assert house.narrow.get(path + "/privkey.pem").status == 200
    before = house.api.get(path).headers["ETag"]
    changed = house.narrow.ok("PATCH", path, {"key": {"exportable": False}}, status=(200,))
    assert changed["key"]["exportable"] is False and changed["version"] == 1
    assert house.api.get(path).headers["ETag"] != before
    refused(house.narrow.get(path + "/privkey.pem"), 409, "state.conflict")


def test_an_accounts_key(house):
    answer = house.api.get("/accounts/main/key")
    assert answer.status == 200 and answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["ETag"] is None
    account = house.api.ok("GET", "/accounts/main")
    key = pem.load_key(answer.text)
    assert pem.public_pem(key.public_key()) == account["key"]["public_pem"]
    refused(house.api.get("/accounts/never/key"), 404, "not_found")
    for scope in ("accounts:read", "keys:read"):
        half = make_token(house, scope.replace(":", "-"), [scope])
        refused(half.get("/accounts/main/key"), 403, "auth.forbidden")
    both = make_token(house, "both", ["accounts:read", "keys:read"])
    assert both.get("/accounts/main/key").text == answer.text
    refused(house.narrow.get("/accounts/main/key"), 403, "auth.forbidden")
