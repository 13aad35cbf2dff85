"""ETags over the whole contract: what can be read is known again, what can be changed is guarded."""

import pytest

# What holds a secret is not to be kept, nor told by a hash of it.
SECRET = {"/accounts/{name}/key", "/certificates/{name}/privkey.pem",
          "/certificates/{name}/combined.pem"}
# Answered anew each time: they tell of this moment, or are nothing that one would poll.
MOMENT = {"/livez", "/readyz", "/metrics", "/.well-known/acme-challenge/{token}"}


@pytest.fixture
def house(certwright, pebble, names, tmp_path):
    """An Api, and for each path of the contract one where something is; all of it stands still."""
    api = certwright(pebble, file_roots=[str(tmp_path)]).api
    api.put_account()
    [name] = names()
    job = api.succeeded(api.post_certificate(name))
    mine = {**pebble.authority(), "test": True}
    api.ok("PUT", "/authorities/mine", mine)
    api.succeeded(api.ok("POST", "/authorities/mine/refresh", {}))
    api.ok("PUT", "/credentials/mine", {"type": "password", "password": "of no great worth"})
    api.ok("PUT", "/solvers/mine", {"type": "http-01", "zones": ["example.org"]})
    api.ok("PUT", "/targets/mine", {"type": "files", "directory": str(tmp_path)})
    api.ok("POST", "/tokens", {"name": "mine", "scopes": ["jobs:read"]})
    [order] = api.ok("GET", f"/orders?certificate={name}")["items"]
    named = {"accounts": "main", "certificates": name}

    def path_of(template):
        kind = template.split("/")[1]
        return template.format(
            name=named.get(kind, "mine"), version=1, file="cert.pem", token="none",
            id=order["id"] if kind == "orders" else job["id"])

    api.path_of = path_of
    return api


def twice(api, template):
    """The second answer. What tells of uses and of plans may change in between, though not often."""
    path = api.path_of(template)
    for _ in range(5):
        answer = api.get(path)
        assert answer.status == 200, (template, answer)
        tag = answer.headers["ETag"]
        assert tag, f"{template} has no ETag"
        again = api.get(path, headers={"If-None-Match": f'"x", W/{tag}'})
        if again.status == 304:
            assert again.headers["ETag"] == tag, template
            break
        assert again.body != answer.body, template
    return again


def test_what_is_read_is_known_again(house, contract):
    for template, item in contract.spec["paths"].items():
        if "get" not in item or template in SECRET | MOMENT:
            continue
        path = house.path_of(template)
        again = twice(house, template)
        assert again.status == 304 and not again.body, (template, again)
        assert house.get(path, headers={"If-None-Match": '"x"'}).status == 200, template
        responses = item["get"]["responses"]
        assert "304" in responses, f"{template}: 304 is not in the contract"
        assert "ETag" in contract.resolve(responses["200"]).get("headers", {}), template


def test_what_is_secret_has_no_tag(house, contract):
    for template in SECRET:
        answer = house.get(house.path_of(template))
        assert answer.status == 200 and "PRIVATE KEY" in answer.text, (template, answer)
        assert "ETag" not in answer.headers, template
        assert answer.headers["Cache-Control"] == "no-store", template


BODIES = {
    "/authorities": {"directory_url": "https://ca.example/other"},
    "/accounts": {"authority": "pebble", "contacts": ["mailto:other@example.com"],
                  "terms_of_service_agreed": True},
    "/certificates": {"identifiers": ["other.example.com"], "account": "main"},
    "/credentials": {"type": "password", "password": "another one"},
    "/solvers": {"type": "http-01", "zones": ["example.net"]},
    "/targets": {"type": "webhook", "url": "https://hook.example/"},
}
PATCHES = {"/accounts": {"contacts": ["mailto:other@example.com"]},
           "/certificates": {"labels": {"changed": "yes"}}}


def test_what_is_changed_is_guarded(house, contract):
    """By each operation that changes or ends a resource of a name, in one spelling of it."""
    guarded = 0
    for template, item in contract.spec["paths"].items():
        kind = "/" + template.split("/")[1]
        path = house.path_of(template)
        for method, bodies in (("PUT", BODIES), ("PATCH", PATCHES), ("DELETE", {})):
            if method.lower() not in item:
                continue
            before = house.get(path)
            for condition in ({"If-Match": '"x"'}, {"If-Match": f'W/{before.headers["ETag"]}'}):
                answer = house.call(method, path, bodies.get(kind), headers=condition)
                assert answer.status == 412, (method, template, answer)
                assert answer.json()["code"] == "precondition.failed", answer
            assert house.get(path).body == before.body, (method, template)
            assert "412" in item[method.lower()]["responses"], (method, template)
            guarded += 1
    assert guarded >= 15
    # With the tag that it has, the change is made.
    for path, body in (("/tokens/mine", None), ("/targets/mine", None), ("/credentials/mine", None)):
        tag = house.get(path).headers["ETag"]
        assert house.call("DELETE", path, body, headers={"If-Match": tag}).status == 204
