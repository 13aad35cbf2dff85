"""After the first issue: renewal, revocation, removal, labels."""

import pytest

import pem


def issued(certwright, pebble, name, **body):
    api = certwright(pebble).api
    api.put_account()
    api.succeeded(api.post_certificate(name, **body))
    return api


def renew(api, name):
    return api.succeeded(api.ok("POST", f"/certificates/{name}/renew", {"force": True},
                                status=(202,)))


@pytest.mark.parametrize("reuse", [False, True])
def test_renewal_is_a_new_version(certwright, pebble, names, reuse):
    [name] = names()
    api = issued(certwright, pebble, name, key={"type": "ec-p256", "reuse": reuse})
    first, first_key = api.pem(name, "cert.pem"), api.pem(name, "privkey.pem")
    renew(api, name)
    second, second_key = api.pem(name, "cert.pem"), api.pem(name, "privkey.pem")
    assert api.certificate(name)["version"] == 2
    assert pem.load(first).serial_number != pem.load(second).serial_number
    assert (first_key == second_key) is reuse
    versions = api.ok("GET", f"/certificates/{name}/versions")["items"]
    assert [(v["version"], v["current"]) for v in versions] == [(2, True), (1, False)]
    assert api.get(f"/certificates/{name}/versions/1/cert.pem").text == first
    assert api.get(f"/certificates/{name}/versions/1/privkey.pem").text == first_key


def test_a_reused_key_does_not_come_along_to_other_names(certwright, pebble, names):
    """Who may have the key for the names of today may not have it for those of before."""
    both = sorted(names(2))
    api = certwright(pebble).api
    api.put_account()

    def of_spec(*identifiers, **more):
        api.succeeded(api.ok("PUT", "/certificates/site", {
            "identifiers": identifiers, "account": "main", **more,
            "key": {"type": "ec-p256", "reuse": True}}, status=(202,)))
        return api.pem("site", "privkey.pem")

    keys = [of_spec(*both), of_spec(both[0]), of_spec(*both)]
    assert len(set(keys)) == 3
    # It stays where the names do, whatever else is another.
    renew(api, "site")
    assert api.pem("site", "privkey.pem") == keys[2]
    assert of_spec(*both[::-1], preferred_chain="Pebble Root CA") == keys[2]


def test_renewal_of_a_given_csr_uses_it_again(certwright, pebble, names):
    key = pem.make_key()
    api = certwright(pebble).api
    api.put_account()
    job = api.succeeded(api.ok("POST", "/certificates", {
        "account": "main", "csr": pem.make_csr(key, names())}))
    name = job["resource"]["name"]
    renew(api, name)
    assert api.certificate(name)["version"] == 2
    leaf = pem.load(api.pem(name, "cert.pem"))
    assert pem.public_pem(leaf.public_key()) == pem.public_pem(key.public_key())


def test_renewal_right_after_issue_wants_force(certwright, pebble, names):
    [name] = names()
    api = issued(certwright, pebble, name)
    answer = api.post(f"/certificates/{name}/renew", {})
    assert answer.status == 409 and answer.json()["code"] == "state.conflict"
    assert api.certificate(name)["version"] == 1


@pytest.mark.parametrize("reason, number", [("superseded", 4), (1, 1), (None, 0)])
def test_revocation_with_a_reason(certwright, pebble, names, reason, number):
    [name] = names()
    api = issued(certwright, pebble, name)
    serial = api.certificate(name)["serial"]
    assert pebble.certificate_status(serial)["Status"] == "Valid"
    body = {} if reason is None else {"reason": reason}
    api.succeeded(api.ok("POST", f"/certificates/{name}/revoke", body, status=(202,)))
    status = pebble.certificate_status(serial)
    assert status["Status"] == "Revoked" and status.get("Reason", 0) == number
    assert api.certificate(name)["status"] == "revoked"
    [version] = api.ok("GET", f"/certificates/{name}/versions")["items"]
    assert version["revoked_at"] is not None


def test_revocation_of_an_older_version(certwright, pebble, names):
    [name] = names()
    api = issued(certwright, pebble, name)
    first = api.certificate(name)["serial"]
    renew(api, name)
    second = api.certificate(name)["serial"]
    api.succeeded(api.ok("POST", f"/certificates/{name}/revoke",
                         {"reason": "superseded", "version": 1}, status=(202,)))
    assert pebble.certificate_status(first)["Status"] == "Revoked"
    assert pebble.certificate_status(second)["Status"] == "Valid"
    assert api.certificate(name)["status"] == "valid"


def test_a_reason_that_is_none_is_refused_at_once(certwright, pebble, names):
    [name] = names()
    api = issued(certwright, pebble, name)
    for reason in ("because", 7, 99):
        answer = api.post(f"/certificates/{name}/revoke", {"reason": reason})
        assert answer.status == 422
        assert answer.json()["errors"][0]["pointer"] == "/reason"


def test_removal_does_not_revoke(certwright, pebble, names):
    [name] = names()
    api = issued(certwright, pebble, name)
    serial = api.certificate(name)["serial"]
    assert api.delete(f"/certificates/{name}").status == 204
    assert api.get(f"/certificates/{name}").status == 404
    assert api.get(f"/certificates/{name}/privkey.pem").status == 404
    assert pebble.certificate_status(serial)["Status"] == "Valid"


def test_removal_with_revocation(certwright, pebble, names):
    [name] = names()
    api = issued(certwright, pebble, name)
    serial = api.certificate(name)["serial"]
    answer = api.delete(f"/certificates/{name}?revoke=true")
    assert answer.status == 202
    api.succeeded(answer.json())
    assert api.get(f"/certificates/{name}").status == 404
    assert pebble.certificate_status(serial)["Status"] == "Revoked"


def test_labels_change_without_an_order(certwright, pebble, names):
    [name] = names()
    api = issued(certwright, pebble, name, labels={"team": "web"})
    before = len(pebble.requests())
    api.ok("PATCH", f"/certificates/{name}", {"labels": {"team": "api", "tier": "front"}})
    resource = api.certificate(name)
    assert resource["labels"] == {"team": "api", "tier": "front"} and resource["version"] == 1
    assert len(pebble.requests()) == before
