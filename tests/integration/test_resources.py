"""Each resource of the API by itself: what it takes, shows, refuses, and how it changes."""

import pytest

import pem
from process import until

# A CA that is not there: jobs for it wait, which is all that these tests need of one.
GONE = {"directory_url": "https://127.0.0.1:1/dir", "test": True}


@pytest.fixture
def api(certwright):
    api = certwright(resources={"authorities": {"gone": GONE}}, http01_listen="127.0.0.1:0",
                     commands={"hook": ["/bin/true"]}).api
    api.ok("PUT", "/accounts/main", {"authority": "gone"}, status=(202,))
    return api


def pointers(answer):
    assert answer.status == 422, answer
    return {e["pointer"] for e in answer.json()["errors"]}


# authorities

def test_authorities_are_made_changed_and_removed(api):
    made = api.put("/authorities/mine", {"directory_url": "https://ca.example/dir"})
    assert made.status == 201 and made.headers["Location"] == "/authorities/mine"
    assert made.json()["trust_bundle"] is None and made.json()["managed_by"] == "api"
    again = api.put("/authorities/mine", {"directory_url": "https://ca.example/dir"})
    assert again.status == 200 and again.json() == made.json()
    changed = api.put("/authorities/mine", {"directory_url": "https://ca.example/other",
                                            "eab_required": True})
    assert changed.status == 200 and changed.json()["eab_required"] is True
    assert api.delete("/authorities/mine").status == 204
    assert api.get("/authorities/mine").status == 404
    assert api.delete("/authorities/mine").status == 404


@pytest.mark.parametrize("name", ["letsencrypt", "gone"])
def test_what_is_built_in_or_the_configs_is_read_only(api, name):
    for answer in (api.put(f"/authorities/{name}", {"directory_url": "https://ca.example/dir"}),
                   api.delete(f"/authorities/{name}")):
        assert answer.status == 409 and answer.json()["code"] == "config.managed"


@pytest.mark.parametrize("name", ["Upper", "a%20b", "-x", "01kajx4fzz8n3c5d7f9h1k3m5p", "a" * 201])
def test_names_that_no_resource_can_have(api, name):
    refused = api.put(f"/authorities/{name}", {"directory_url": "https://ca.example"})
    assert "" in pointers(refused) and refused.json()["detail"].startswith("The name in the URL must")
    assert api.get(f"/authorities/{name}").status == 404


def test_if_match(api):
    body = {"directory_url": "https://ca.example/dir"}
    assert api.put("/authorities/mine", body, headers={"If-Match": "*"}).status == 412
    api.ok("PUT", "/authorities/mine", body)
    assert api.delete("/authorities/mine", headers={"If-Match": '"other"'}).status == 412
    tag = api.get("/authorities/mine").headers["ETag"]
    assert api.delete("/authorities/mine", headers={"If-Match": tag}).status == 204


def test_filters_that_are_none_are_refused(api):
    for query, told in (("state=broken", "queued, running, waiting, succeeded, failed, cancelled"),
                        ("kind=certificate.none", '"certificate.none"'),
                        ("status=failed", "page_size, ")):
        answer = api.get(f"/jobs?{query}")
        assert answer.status == 400 and told in answer.json()["detail"], query


def test_unknown_query_parameters_are_refused(api):
    for path in ("/authorities?colour=red", "/jobs?state=sleeping", "/jobs?page_size=1001",
                 "/jobs?certificate=a&account=b"):
        answer = api.get(path)
        assert answer.status == 400 and answer.json()["code"] == "request.malformed"


def test_a_cursor_is_good_for_its_list_alone(api):
    cursor = api.ok("GET", "/authorities?page_size=1")["next"]
    assert api.get(f"/authorities?page_size=1&cursor={cursor}").status == 200
    assert api.get(f"/solvers?cursor={cursor}").status == 400
    assert api.get(f"/authorities?cursor=x{cursor}").status == 400


# credentials and solvers

def test_secrets_go_in_and_never_come_out(api):
    body = {"type": "alibaba-cloud", "access_key_id": "id-1", "access_key_secret": "a-secret-of-1"}
    made = api.put("/credentials/ali", body)
    assert made.status == 201 and made.json()["access_key_secret"] == {"set": True}
    assert made.json()["security_token"] == {"set": False}
    assert made.json()["access_key_id"] == "id-1"
    for answer in (made, api.get("/credentials/ali"), api.get("/credentials")):
        assert "a-secret-of-1" not in answer.text
    before = made.json()["updated_at"]
    assert api.ok("PUT", "/credentials/ali", body)["updated_at"] == before
    changed = api.ok("PUT", "/credentials/ali", {**body, "security_token": "sts"})
    assert changed["security_token"] == {"set": True}


def test_what_a_solver_refers_to_has_to_be_there(api):
    alidns = {"type": "alidns", "zones": ["example.com"], "credential": "ali"}
    assert pointers(api.put("/solvers/dns", alidns)) == {"/credential"}
    api.ok("PUT", "/credentials/ali", {"type": "basic", "username": "a", "password": "b"})
    assert pointers(api.put("/solvers/dns", alidns)) == {"/credential"}  # of the wrong type
    assert pointers(api.put("/solvers/dns", {"type": "exec", "command": "other"})) == {"/command"}
    api.ok("PUT", "/credentials/ali", {"type": "alibaba-cloud", "access_key_id": "a",
                                       "access_key_secret": "b"})
    made = api.put("/solvers/dns", alidns)
    assert made.status == 201 and made.json()["propagation"] is True
    assert made.json()["ttl_seconds"] == 600 and made.json()["command"] is None
    used = api.delete("/credentials/ali")
    assert used.status == 409 and used.json()["code"] == "resource.in_use"
    assert api.delete("/solvers/dns").status == 204
    assert api.delete("/credentials/ali").status == 204


def test_each_type_of_solver(api):
    bodies = {
        "web": {"type": "http-01", "zones": ["www.example.com"]},
        "tls": {"type": "tls-alpn-01", "zones": ["mail.example.com"]},
        "hook": {"type": "exec", "command": "hook", "propagation": False},
        "post": {"type": "httpreq", "endpoint": "http://127.0.0.1:9/x"},
        "hand": {"type": "manual", "zones": ["b\u00fccher.example", "a.example"],
                 "propagation_timeout_seconds": 60},
    }
    for name, body in bodies.items():
        shown = api.ok("PUT", f"/solvers/{name}", body, status=(201,))
        assert shown["type"] == body["type"]
    assert api.ok("GET", "/solvers/hand")["zones"] == ["a.example", "xn--bcher-kva.example"]
    listed = [s["name"] for s in api.ok("GET", "/solvers")["items"]]
    assert listed == sorted([*bodies, "http-01", "tls-alpn-01"])
    assert api.delete("/solvers/http-01").status == 409
    assert api.delete("/solvers/tls-alpn-01").status == 409


def test_a_solver_in_a_challenge_is_in_use(api):
    api.ok("PUT", "/solvers/hand", {"type": "manual"})
    api.ok("POST", "/certificates", {"identifiers": ["*.a.example"], "account": "main", "name": "c",
                                     "challenge": {"type": "dns-01", "solver": "hand"}})
    assert api.delete("/solvers/hand").json()["code"] == "resource.in_use"


# accounts

def test_an_account_is_named_after_its_authority(api):
    job = api.ok("POST", "/accounts", {"authority": "gone"}, status=(202,))
    assert job["resource"] == {"type": "account", "name": "gone", "href": "/accounts/gone"}
    assert api.post("/accounts", {"authority": "gone"}).json()["code"] == "name.taken"
    account = api.ok("GET", "/accounts/gone")
    assert account["status"] == "pending" and account["url"] is None
    assert account["active_job"] == job["id"]


def test_key_and_authority_of_an_account_stay(api):
    api.ok("PUT", "/authorities/other", GONE)
    for change in ({"authority": "other"}, {"authority": "gone", "key": {"type": "rsa-2048"}}):
        answer = api.put("/accounts/main", change)
        assert answer.status == 409 and answer.json()["code"] == "state.conflict"
    assert "POST /accounts/main/rollover" in answer.json()["detail"]
    assert api.ok("GET", "/accounts/main")["authority"] == "gone"


def test_one_key_has_one_account(api):
    key = {"pem": pem.key_pem(pem.make_key())}
    api.ok("POST", "/accounts", {"authority": "gone", "name": "a", "key": key})
    assert api.post("/accounts", {"authority": "gone", "name": "b", "key": key}).status == 409
    answer = api.post("/certificates", {"identifiers": ["x.example.com"], "account": "main",
                                        "key": key})
    assert answer.status == 422 and answer.json()["code"] == "key.reused"


def test_refresh_wants_a_registered_account(api):
    answer = api.post("/accounts/main/refresh")
    assert answer.status == 409 and answer.json()["code"] == "state.conflict"
    assert api.post("/accounts/nobody/refresh").status == 404
    assert pointers(api.post("/accounts/main/refresh", {"x": 1})) == {"/x"}


# certificates

def test_what_a_certificate_refers_to_has_to_be_there(api):
    wrong = {"identifiers": ["ok.example.com", "*.x.example.com"], "account": "nobody",
             "challenge": {"type": "dns-01", "solver": "none"}, "colour": 1}
    assert pointers(api.post("/certificates", wrong)) == {"/account", "/challenge/solver",
                                                          "/colour"}
    wrong = {"identifiers": ["ok.example.com", "*.x.example.com"], "authority": "nowhere"}
    assert pointers(api.post("/certificates", wrong)) == {"/authority", "/identifiers/1"}
    wrong = {"identifiers": ["ok.example.com"], "account": "main",
             "challenge": {"type": "dns-01", "solver": "http-01"}}
    assert pointers(api.post("/certificates", wrong)) == {"/challenge/solver"}
    assert api.ok("GET", "/certificates")["items"] == []


def test_a_pending_certificate(api):
    job = api.ok("POST", "/certificates", {
        "identifiers": ["b.example.com", "A.example.com"], "account": "main",
        "labels": {"team": "web"}, "profile": "short", "preferred_chain": "Some Root",
        "key": {"type": "rsa-2048", "reuse": True}}, status=(202,))
    assert [i["value"] for i in job["identifiers"]] == ["a.example.com", "b.example.com"]
    resource = api.certificate("b.example.com")
    assert resource["identifiers"] == ["a.example.com", "b.example.com"]
    assert resource["status"] == "pending" and resource["version"] is None
    assert resource["key"] == {"type": "rsa-2048", "reuse": True, "exportable": True,
                               "spki_sha256": None}
    assert resource["trusted"] is False and resource["active_job"] == job["id"]
    for file in ("cert.pem", "chain.pem", "fullchain.pem", "privkey.pem", "combined.pem",
                 "csr.pem", "bundle", "versions/1", "versions/1/cert.pem", "versions/x"):
        assert api.get(f"/certificates/b.example.com/{file}").status == 404, file
    assert api.ok("GET", "/certificates/b.example.com/versions")["items"] == []
    revoked = api.post("/certificates/b.example.com/revoke", {})
    assert revoked.status == 409 and revoked.json()["code"] == "state.conflict"
    renewed = api.post("/certificates/b.example.com/renew")
    assert renewed.status == 202 and renewed.json()["id"] == job["id"]


def test_a_changed_spec_calls_its_job_back(api):
    body = {"identifiers": ["x.example.com"], "account": "main"}
    first = api.ok("PUT", "/certificates/x", body, status=(202,))
    assert api.ok("PUT", "/certificates/x", body, status=(202,))["id"] == first["id"]
    body["identifiers"] = ["y.example.com"]
    second = api.ok("PUT", "/certificates/x", body, status=(202,))
    assert second["id"] != first["id"]
    assert api.ended(first)["state"] == "cancelled"
    resource = api.certificate("x")
    assert resource["identifiers"] == ["y.example.com"]
    assert resource["active_job"] == second["id"]
    assert api.ok("PUT", "/certificates/x", body, status=(202,))["id"] == second["id"]


def test_removal_cancels(api):
    job = api.ok("POST", "/certificates", {"identifiers": ["x.example.com"], "account": "main"})
    assert api.delete("/certificates/x.example.com?revoke=yes").status == 400
    assert api.delete("/certificates/x.example.com?revoke=true").status == 204
    assert api.ended(job)["state"] == "cancelled"
    again = api.post("/certificates", {"identifiers": ["x.example.com"], "account": "main"})
    assert again.status == 202


def test_labels_are_checked(api):
    api.ok("POST", "/certificates", {"identifiers": ["x.example.com"], "account": "main"})
    path = "/certificates/x.example.com"
    assert pointers(api.patch(path, {"labels": {"a": 1, "b": "ok"}})) == {"/labels/a"}
    assert pointers(api.patch(path, {"identifiers": []})) == {"/identifiers", "/labels"}
    assert api.ok("PATCH", path, {"labels": {"b": "ok"}})["labels"] == {"b": "ok"}
    assert api.patch("/certificates/none", {"labels": {}}).status == 404


def at_rest(api, path):
    """An answer with an ETag that holds: what a change entails, such as a plan of the renewal, is
    over."""
    def twice():
        answer = api.get(path)
        again = api.get(path, headers={"If-None-Match": answer.headers["ETag"]})
        return again.status == 304 and answer

    return until(twice, 20, f"{path} stays as it is")


def test_what_changes_of_a_certificate_changes_its_etag(certwright, pebble, names):
    """Of its JSON; its files change with the version alone."""
    name, api = "etag", certwright(pebble).api
    api.put_account()
    # Without questions to the CA for its window, whose answers are shown, too.
    api.succeeded(api.ok("PUT", f"/certificates/{name}",
                         {"identifiers": names(), "account": "main", "renew": {"use_ari": False}},
                         status=(202,)))
    path = f"/certificates/{name}"

    def tag(what):
        return at_rest(api, what).headers["ETag"]

    def has_changed(what, former):
        answer = api.get(what, headers={"If-None-Match": former})
        assert answer.status == 200 and answer.headers["ETag"] != former
        return tag(what)

    shown, leaf = tag(path), tag(f"{path}/cert.pem")
    for change in {"labels": {"a": "b"}}, {"renew": {"enabled": False}}:
        api.ok("PATCH", path, change)
        shown = has_changed(path, shown)
        assert tag(f"{path}/cert.pem") == leaf
    api.succeeded(api.ok("POST", f"{path}/renew", {"force": True}, status=(202,)))
    shown, leaf = has_changed(path, shown), has_changed(f"{path}/cert.pem", leaf)
    api.succeeded(api.ok("POST", f"{path}/revoke", {}, status=(202,)))
    has_changed(path, shown)
    assert tag(f"{path}/cert.pem") == leaf


def test_certificates_are_known_by_their_etag(certwright, pebble, names):
    [name] = names()
    api = certwright(pebble).api
    api.put_account()
    api.succeeded(api.post_certificate(name))
    for path in (f"/certificates/{name}", f"/certificates/{name}/fullchain.pem",
                 f"/certificates/{name}/bundle"):
        first = at_rest(api, path)
        assert api.get(path, headers={"If-None-Match": '"other"'}).body == first.body
    secret = api.get(f"/certificates/{name}/privkey.pem")
    assert secret.headers["Cache-Control"] == "no-store" and "ETag" not in secret.headers
    assert api.get(f"/certificates/{name}/bundle").headers["Cache-Control"] == "no-store"
    [version] = api.ok("GET", f"/certificates/{name}/versions")["items"]
    assert api.ok("GET", f"/certificates/{name}/versions/1") == version
    assert version["identifiers"] == [name] and version["status"] == "valid"
    [order] = api.ok("GET", f"/orders?certificate={name}")["items"]
    assert api.ok("GET", f"/orders/{order['id']}") == order
    assert order["version"] == 1 and order["status"] == "valid"
    assert [a["state"] for a in order["authorizations"]] == ["valid"]


# jobs

def test_jobs_are_listed_by_what_they_are_for(api):
    api.ok("POST", "/certificates", {"identifiers": ["x.example.com"], "account": "main"})
    kinds = {job["kind"] for job in api.ok("GET", "/jobs")["items"]}
    assert {"account.create", "certificate.issue"} <= kinds
    [job] = api.ok("GET", "/jobs?certificate=x.example.com")["items"]
    assert job["kind"] == "certificate.issue"
    assert api.ok("GET", "/jobs?kind=account.create&account=main")["items"]
    assert api.ok("GET", "/jobs?state=succeeded")["items"] == []


def test_a_job_is_cancelled_once(api):
    [job] = api.ok("GET", "/jobs?account=main")["items"]
    api.ok("POST", f"/jobs/{job['id']}/cancel", status=(202,))
    assert api.ended(job)["state"] == "cancelled"
    answer = api.post(f"/jobs/{job['id']}/cancel")
    assert answer.status == 409 and answer.json()["code"] == "state.conflict"
    again = api.ok("POST", f"/jobs/{job['id']}/retry", status=(202,))
    assert again["id"] != job["id"] and again["kind"] == "account.create"
    assert api.post(f"/jobs/{again['id']}/continue").status == 409


@pytest.mark.parametrize("path", ["/jobs/01KAJX4FZZ8N3C5D7F9H1K3M5P", "/jobs/nonsense",
                                  "/orders/01KAJX4FZZ8N3C5D7F9H1K3M5P", "/orders/nonsense"])
def test_what_is_not_there(api, path):
    answer = api.get(path)
    assert answer.status == 404 and answer.json()["code"] == "not_found"
    if path.startswith("/jobs"):
        assert api.post(path + "/cancel").status == 404


def test_a_repeated_post_is_answered_with_its_job(api):
    key = {"Idempotency-Key": "k"}
    body = {"identifiers": ["x.example.com"], "account": "main"}
    first = api.ok("POST", "/certificates", body, headers=key, status=(202,))
    assert api.ok("POST", "/certificates", body, headers=key)["id"] == first["id"]
    other = api.post("/certificates", {**body, "name": "other"}, headers=key)
    assert other.status == 422
    # The key is of this path alone, and a refusal does not use it up.
    path = "/certificates/x.example.com/renew"
    assert api.ok("POST", path, headers=key)["id"] == first["id"]
    refused = {"Idempotency-Key": "later"}
    assert api.post("/accounts", {"name": "main", "authority": "gone"},
                    headers=refused).status == 409
    assert api.post("/accounts", {"name": "main", "authority": "gone"},
                    headers=refused).status == 409
    assert api.post("/certificates", body, headers={"Idempotency-Key": "x" * 256}).status == 400
