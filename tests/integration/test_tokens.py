"""Tokens: made, narrowed, revoked; and scopes: what each of them opens, and nothing else."""

import json
import socket
import threading
import zlib
from datetime import datetime, timedelta, timezone

import pytest

from api import Api
from process import until

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
