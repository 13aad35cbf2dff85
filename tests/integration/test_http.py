"""The outside of the API: tokens, Host rule, methods, waiting, ETags, idempotency."""

import http.client
import json
import socket
import time

import pytest

from api import Api, at_once
from contract import METHODS


@pytest.mark.smoke
def test_routes_and_contract_are_the_same_set(certwright, pebble, contract):
    api = certwright(pebble).api
    fill = {"name": "nobody", "id": "01KAJX4FZZ8N3C5D7F9H1K3M5P", "version": "1",
            "file": "cert.pem", "token": "none"}
    for template, item in contract.spec["paths"].items():
        path = template.format(**fill)
        answer = api.call("OPTIONS", path)
        assert answer.status == 204, template
        allowed = {m.strip().lower() for m in answer.headers["Allow"].split(",")}
        documented = {m for m in METHODS if m in item}
        documented |= {"options"} | ({"head"} if "get" in item else set())
        assert allowed == documented, template
        for method in ("get", "put", "post", "patch", "delete"):
            if method not in item:
                refused = api.call(method.upper(), path, {} if method != "get" else None)
                assert refused.status == 405, (method, template)
                assert refused.headers["Allow"] == answer.headers["Allow"]


def test_openapi_json_is_the_contract(certwright, contract):
    served = certwright().api.ok("GET", "/openapi.json", token=False)
    assert served == json.loads(json.dumps(contract.spec))


def test_an_unknown_path(certwright):
    api = certwright().api
    answer = api.get("/nothing/here")
    assert answer.status == 404 and answer.json()["code"] == "not_found"


@pytest.mark.parametrize("token", [False, "wrong", "", "x" * 4000])
def test_without_the_token_nothing_is_told(certwright, token):
    api = certwright().api
    for path in ("/certificates", "/certificates/x/privkey.pem", "/jobs", "/nothing/here"):
        answer = api.get(path, token=token)
        assert answer.status in (401, 404), path
        if path != "/nothing/here":
            assert answer.status == 401 and answer.json()["code"] == "auth.required"
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_what_is_open_to_all(certwright):
    service = certwright()
    for path in ("/livez", "/readyz", "/openapi.json", "/docs"):
        assert service.api.get(path, token=False).status == 200
    assert service.api.get("/.well-known/acme-challenge/none", token=False).status == 404


def test_the_ops_listener_serves_only_its_three(certwright):
    service = certwright()
    assert service.ops("/livez")[0] == 200
    assert service.ops("/readyz")[0] == 200
    status, metrics = service.ops("/metrics")
    assert status == 200 and "certwright_" in metrics
    assert service.ops("/certificates")[0] == 404
    assert service.ops("/openapi.json")[0] == 404


def test_the_ops_listener_answers_without_waiting_for_a_tick(certwright):
    """What the acceptor's thread looks at four times a second would take 100 seconds here."""
    service = certwright()
    connection = http.client.HTTPConnection("127.0.0.1", service.ops_port, timeout=10)
    begun = time.monotonic()
    for _ in range(400):
        connection.request("GET", "/readyz")
        reply = connection.getresponse()
        assert (reply.status, reply.will_close) == (200, False) and reply.read()
    connection.close()
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize("host, status", [
    ("evil.example.com", 421), ("127.0.0.1.evil.example.com", 421), ("trusted.example.com", 200),
    ("localhost", 200),
])
def test_the_host_rule(certwright, host, status):
    service = certwright(allowed_hosts=["trusted.example.com"])
    answer = service.api.get("/certificates", headers={"Host": f"{host}:{service.port}"})
    if status == 200:
        assert answer.status == 200
    else:
        assert answer.status in (403, 421)
        assert answer.json()["code"] == "request.host_refused"


def test_the_challenge_path_knows_no_host_rule(certwright):
    api = certwright().api
    answer = api.get("/.well-known/acme-challenge/none", token=False,
                     headers={"Host": "www.example.com"})
    assert answer.status == 404


def test_unix_socket_needs_no_token_of_our_own_user(certwright):
    service = certwright()
    api = type(service.api)(service.contract, unix=service.socket)
    assert api.get("/certificates", headers={"Host": "localhost"}).status == 200


@pytest.mark.parametrize("raw, content_type, status", [
    ("{", "application/json", 400),
    ('{"identifiers": ["a.example.com"]} trailing', "application/json", 400),
    ('{"identifiers": ["a.example.com"], "identifiers": ["b.example.com"]}', "application/json",
     400),
    ("[" * 40 + "]" * 40, "application/json", 400),
    ("[]", "application/json", 422),
    ('{"identifiers": ["a.example.com"]}', "text/plain", 415),
    ('{"identifiers": ["a.example.com"]}', None, 415),
    pytest.param('"' + "x" * (1 << 20) + '"', "application/json", 413, id="too-large"),
    (b'{"identifiers": ["\xff.example.com"]}', "application/json", 400),
])
def test_bodies_that_are_none(certwright, raw, content_type, status):
    api = certwright().api
    headers = {"Content-Type": content_type} if content_type else {}
    answer = api.call("POST", "/certificates", raw=raw, headers=headers)
    assert answer.status == status, answer
    assert api.ok("GET", "/certificates")["items"] == []


def test_prefer_wait_answers_at_the_end(certwright, pebble, names):
    api = certwright(pebble).api
    answer = api.post("/accounts", {"name": "main", "authority": "pebble",
                                    "terms_of_service_agreed": True},
                      headers={"Prefer": "wait=30"})
    assert answer.status == 202 and answer.json()["state"] == "succeeded"
    assert answer.headers["Preference-Applied"] == "wait=30"
    job = api.post_certificate(*names())
    waited = api.get(f"/jobs/{job['id']}", headers={"Prefer": "wait=30"})
    assert waited.json()["state"] == "succeeded"


def test_prefer_wait_ends_in_time(certwright, names):
    gone = {"directory_url": "https://127.0.0.1:1/dir", "test": True}
    api = certwright(resources={"authorities": {"gone": gone}}).api
    answer = api.post("/accounts", {"name": "main", "authority": "gone"},
                      headers={"Prefer": "wait=1"})
    assert answer.status == 202 and answer.json()["state"] in ("queued", "running", "waiting")
    assert answer.headers["Location"] == f"/jobs/{answer.json()['id']}"
    assert int(answer.headers["Retry-After"]) >= 1


def test_waiters_do_not_hold_up_the_end(certwright):
    """SIGTERM answers who waits and ends in under 10 seconds."""
    gone = {"directory_url": "https://127.0.0.1:1/dir", "test": True}
    service = certwright(resources={"authorities": {"gone": gone}})
    job = service.api.ok("POST", "/accounts", {"name": "main", "authority": "gone"})
    request = (f"GET /jobs/{job['id']} HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\n"
               f"Authorization: Bearer {service.api.token}\r\nPrefer: wait=30\r\n\r\n")
    waiters = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(8)]
    for waiter in waiters:
        waiter.sendall(request.encode())
    time.sleep(0.5)
    service.stop()
    for waiter in waiters:
        waiter.settimeout(5)
        assert waiter.recv(12) in (b"HTTP/1.1 200", b"HTTP/1.1 503")
        waiter.close()


def test_etag(certwright, pebble):
    api = certwright(pebble).api
    first = api.get("/authorities/pebble")
    tag = first.headers["ETag"]
    assert api.get("/authorities/pebble", headers={"If-None-Match": tag}).status == 304
    body = pebble.authority()
    made = api.put("/authorities/mine", body)
    assert made.status == 201 and made.headers["Location"] == "/authorities/mine"
    tag = made.headers["ETag"]
    assert api.get("/authorities/mine", headers={"If-None-Match": tag}).status == 304
    refused = api.put("/authorities/mine", {**body, "test": False}, headers={"If-Match": '"x"'})
    assert refused.status == 412
    assert api.ok("GET", "/authorities/mine")["test"] is True
    assert api.put("/authorities/mine", {**body, "test": False},
                   headers={"If-None-Match": "*"}).status == 412
    assert api.put("/authorities/other", body, headers={"If-None-Match": "*"}).status == 201
    changed = api.put("/authorities/mine", {**body, "test": False}, headers={"If-Match": tag})
    assert changed.status == 200 and changed.headers["ETag"] != tag
    assert api.get("/authorities/mine", headers={"If-None-Match": tag}).status == 200
    tag = changed.headers["ETag"]
    assert api.get("/authorities/mine", headers={"If-None-Match": tag}).status == 304


def test_head_is_get_without_its_body(certwright):
    api = certwright().api
    answer = api.call("HEAD", "/authorities/letsencrypt")
    assert answer.status == 200 and answer.body == b""
    assert answer.headers["Content-Length"] == api.get(
        "/authorities/letsencrypt").headers["Content-Length"]


def test_idempotency_key(certwright, pebble, names, contract):
    service = certwright(pebble)
    api = service.api
    api.put_account()
    a, b = names(2)
    key = {"Idempotency-Key": "only-once"}
    first = api.ok("POST", "/certificates", {"identifiers": [a], "account": "main"}, headers=key)
    again = api.ok("POST", "/certificates", {"identifiers": [a], "account": "main"}, headers=key)
    assert first["id"] == again["id"]
    other = api.post("/certificates", {"identifiers": [b], "account": "main"}, headers=key)
    assert other.status == 422
    assert api.get(f"/certificates/{b}").status == 404
    # Who comes over the socket is another client, whose keys are its own.
    local = Api(contract, unix=service.socket)
    assert local.post("/certificates", {"identifiers": [a], "account": "main"},
                      headers=key).status == 409


@pytest.mark.smoke
def test_fifty_identical_posts_are_one_job(certwright, pebble, names):
    api = certwright(pebble).api
    api.put_account()
    keyed, bare = names(2)

    def post(name, headers=None):
        return lambda: api.post("/certificates", {"identifiers": [name], "account": "main"},
                                headers=headers)

    answers = at_once(50 * [post(keyed, {"Idempotency-Key": "one of fifty"})])
    assert {answer.status for answer in answers} == {202}
    [job] = {answer.json()["id"] for answer in answers}
    # Without a key the name is taken once it is taken.
    assert sorted(answer.status for answer in at_once(50 * [post(bare)])) == [202] + 49 * [409]
    api.succeeded(job)
    # A job of the kind that is under way is answered with itself, as long as it is.
    renewals = at_once(50 * [lambda: api.post(f"/certificates/{keyed}/renew", {"force": True},
                                              headers={"Idempotency-Key": "again"})])
    [renewal] = {answer.json()["id"] for answer in renewals}
    api.succeeded(renewal)
    issues = api.ok("GET", f"/jobs?certificate={keyed}&kind=certificate.issue")["items"]
    assert {issue["id"] for issue in issues} == {job, renewal}
    assert api.certificate(keyed)["version"] == 2


def test_pages(certwright):
    api = certwright().api
    everything = [a["name"] for a in api.ok("GET", "/authorities")["items"]]
    assert everything == sorted(everything) and "letsencrypt" in everything
    seen, path = [], "/authorities?page_size=2"
    while path:
        page = api.ok("GET", path)
        assert len(page["items"]) <= 2
        seen += [a["name"] for a in page["items"]]
        path = page["next"] and f"/authorities?page_size=2&cursor={page['next']}"
    assert seen == everything
    assert api.get("/authorities?page_size=0").status in (400, 422)
    assert api.get("/authorities?cursor=nonsense").status in (400, 422)


def test_what_is_used_is_not_removed(certwright, pebble):
    api = certwright().api
    api.put("/authorities/mine", pebble.authority())
    api.put_account(authority="mine")
    answer = api.delete("/authorities/mine")
    assert answer.status == 409 and answer.json()["code"] == "resource.in_use"
    assert api.delete("/authorities/letsencrypt").status == 409
    assert api.get("/authorities/mine").status == 200


@pytest.mark.parametrize("method, path, body", [
    ("DELETE", "/certificates/x?revok=true", None), ("DELETE", "/solvers/x?revoke=true", None),
    ("POST", "/certificates?name=x", {"identifiers": ["a.example.com"]}),
    ("GET", "/certificates/x?version=1", None), ("GET", "/jobs?state=failed&sort=name", None),
    ("GET", "/audit?principal=" + "a" * 256, None), ("GET", "/audit?resource=/" + "a" * 1024, None),
    ("GET", "/certificates?label=a=" + "b" * 318, None), ("GET", "/jobs?account=Main", None), ("GET", "/events?certificate=" + "a" * 201, None),
])
def test_a_query_that_is_none(certwright, method, path, body):
    answer = certwright().api.call(method, path, body)
    assert answer.status == 400 and answer.json()["code"] == "request.malformed", answer


def test_what_is_open_takes_any_query(certwright):
    api = certwright().api
    for path in ("/livez?verbose", "/readyz?probe=1", "/openapi.json?v=2"):
        assert api.get(path, token=False).status == 200
