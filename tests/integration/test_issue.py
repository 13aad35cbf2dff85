"""The main job: a certificate, whatever its names, key and challenge."""

import pytest

import pem


def issue(api, *names, **body):
    """Posts a certificate, waits for its end and returns (certificate resource, leaf)."""
    job = api.succeeded(api.post_certificate(*names, **body))
    resource = api.certificate(job["resource"]["name"])
    return resource, pem.load(api.pem(resource["name"], "fullchain.pem"))


@pytest.mark.smoke
def test_one_name_over_http01(certwright, pebble, names, tmp_path):
    api = certwright(pebble).api
    api.put_account()
    [name] = names()
    resource, leaf = issue(api, name)

    assert resource["name"] == name and resource["identifiers"] == [name]
    assert resource["status"] == "valid" and resource["version"] == 1
    assert resource["trusted"] is False  # the authority is one for tests
    assert int(resource["serial"], 16) == leaf.serial_number
    assert pem.names_of(leaf) == [name]
    pem.verify(tmp_path, pebble.root(), api.pem(name, "fullchain.pem"))


def test_files_of_a_certificate_belong_together(certwright, pebble, names):
    api = certwright(pebble).api
    api.put_account()
    [name] = names()
    resource, leaf = issue(api, name)

    cert, chain = api.pem(name, "cert.pem"), api.pem(name, "chain.pem")
    key, fullchain = api.pem(name, "privkey.pem"), api.pem(name, "fullchain.pem")
    assert cert + chain == fullchain
    assert api.pem(name, "combined.pem") == key + fullchain
    assert pem.public_pem(pem.load_key(key).public_key()) == pem.public_pem(leaf.public_key())
    csr = pem.load_csr(api.pem(name, "csr.pem"))
    assert csr.is_signature_valid and pem.names_of(csr) == [name]
    assert len(csr.subject) == 0

    bundle = api.ok("GET", f"/certificates/{name}/bundle")
    assert bundle["cert_pem"] == cert and bundle["chain_pem"] == chain
    assert bundle["privkey_pem"] == key and bundle["version"] == 1
    [version] = api.ok("GET", f"/certificates/{name}/versions")["items"]
    assert version["serial"] == resource["serial"] and version["current"]
    assert api.get(f"/certificates/{name}/versions/1/cert.pem").text == cert


@pytest.mark.parametrize("kind", ["ec-p256", "ec-p384", "rsa-2048", "rsa-3072",
                                  pytest.param("rsa-4096", marks=pytest.mark.long)])
def test_each_type_of_certificate_key(certwright, pebble, names, kind):
    api = certwright(pebble).api
    api.put_account()
    resource, leaf = issue(api, *names(), key={"type": kind})
    assert resource["key"]["type"] == kind
    assert pem.kind_of(leaf.public_key()) == kind


@pytest.mark.parametrize("form", ["pkcs8", "traditional"])
@pytest.mark.parametrize("kind", ["ec-p384", "rsa-2048"])
def test_a_given_certificate_key_is_used(certwright, pebble, names, kind, form):
    api = certwright(pebble).api
    api.put_account()
    key = pem.make_key(kind)
    _, leaf = issue(api, *names(), key={"pem": pem.key_pem(key, form)})
    assert pem.public_pem(leaf.public_key()) == pem.public_pem(key.public_key())


def test_the_accounts_key_is_refused_for_a_certificate(certwright, pebble, names):
    api = certwright(pebble).api
    key = pem.key_pem(pem.make_key())
    api.put_account(key={"pem": key})
    [name] = names()
    answer = api.post("/certificates", {"identifiers": [name], "account": "main",
                                        "key": {"pem": key}})
    assert answer.status == 422 and answer.json()["code"] == "key.reused"
    assert api.get(f"/certificates/{name}").status == 404


def test_a_given_csr_keeps_the_key_away_from_us(certwright, pebble, names):
    api = certwright(pebble).api
    api.put_account()
    key, wanted = pem.make_key(), names(2)
    csr = pem.make_csr(key, wanted)
    job = api.succeeded(api.ok("POST", "/certificates", {"account": "main", "csr": csr}))
    name = job["resource"]["name"]
    leaf = pem.load(api.pem(name, "cert.pem"))
    assert pem.names_of(leaf) == sorted(wanted)
    assert pem.public_pem(leaf.public_key()) == pem.public_pem(key.public_key())
    assert api.get(f"/certificates/{name}/privkey.pem").status == 404
    assert api.get(f"/certificates/{name}/combined.pem").status == 404
    assert api.ok("GET", f"/certificates/{name}/bundle")["privkey_pem"] is None


def test_unicode_names_become_a_labels(certwright, pebble):
    api = certwright(pebble).api
    api.put_account()
    resource, leaf = issue(api, "Bücher.Unicode.example.com")
    assert resource["identifiers"] == ["xn--bcher-kva.unicode.example.com"]
    assert pem.names_of(leaf) == ["xn--bcher-kva.unicode.example.com"]


def test_ip_address(certwright, pebble):
    api = certwright(pebble).api
    api.put_account()
    _, leaf = issue(api, "127.0.0.1")
    assert pem.names_of(leaf) == ["127.0.0.1"]


def test_many_names_over_http01(certwright, pebble, names):
    api = certwright(pebble).api
    api.put_account()
    wanted = names(20)
    _, leaf = issue(api, *wanted)
    assert pem.names_of(leaf) == sorted(wanted)


def test_several_certificates_at_once(certwright, pebble, names):
    api = certwright(pebble).api
    api.put_account()
    wanted = names(12)
    jobs = [api.post_certificate(name) for name in wanted]
    for job in jobs:
        api.succeeded(job)
    for name in wanted:
        assert pem.names_of(pem.load(api.pem(name, "cert.pem"))) == [name]


def test_refused_nonces_are_answered_with_the_errors_own(certwright, pebble_with, names):
    pebble = pebble_with(env={"PEBBLE_WFE_NONCEREJECT": "40"})
    api = certwright(pebble).api
    api.put_account()
    for name in names(3):
        issue(api, name)
    assert "badNonce" in pebble.process.log() or len(pebble.requests()) > 3 * 9


def test_authorizations_that_are_valid_already(certwright, pebble_with, names):
    pebble = pebble_with(env={"PEBBLE_AUTHZREUSE": "100"})
    api = certwright(pebble).api
    api.put_account()
    a, b, c = names(3)
    issue(api, a, b)
    answered = len([path for _, path in pebble.requests() if path.startswith("/chalZ")])
    _, leaf = issue(api, b, a, c, name="second")
    assert pem.names_of(leaf) == sorted([a, b, c])
    now = len([path for _, path in pebble.requests() if path.startswith("/chalZ")])
    assert answered == 2 and now == 3
