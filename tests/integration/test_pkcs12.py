"""PKCS#12: made by the service, opened by openssl."""

import re
import subprocess

import pytest

import pem

PASSWORD = "correct horse battery"


@pytest.fixture
def issued(certwright, pebble, names):
    """(api, name) of a certificate that was issued."""
    api = certwright(pebble).api
    api.put_account()
    [name] = names()
    api.succeeded(api.post_certificate(name))
    return api, name


def made(api, certificate, **body):
    answer = api.post(f"/certificates/{certificate}/pkcs12", {"password": PASSWORD, **body})
    assert answer.status == 200, answer
    return answer


def openssl(path, *arguments, password=PASSWORD, check=True):
    """What `openssl pkcs12` makes of the file; the password goes by the environment."""
    return subprocess.run(["openssl", "pkcs12", "-in", path, "-passin", "env:PASSWORD", *arguments],
                          env={"PATH": "/usr/bin:/bin", "PASSWORD": password},
                          check=check, capture_output=True, text=True)


def opened(path, *arguments):
    """(PEM of the key, PEM blocks of the certificates, all that openssl says)."""
    done = openssl(path, "-nodes", *arguments)
    key = re.search(r"-----BEGIN PRIVATE KEY-----.*?-----END PRIVATE KEY-----\n", done.stdout,
                    re.DOTALL).group()
    certificates = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n",
                              done.stdout, re.DOTALL)
    return key, certificates, done.stdout


@pytest.mark.parametrize("encryption", [None, "aes", "legacy"])
@pytest.mark.parametrize("mode", [[], ["-legacy"]], ids=["plain", "legacy"])
def test_openssl_opens_it(issued, tmp_path, encryption, mode):
    api, name = issued
    answer = made(api, name, **({"encryption": encryption} if encryption else {}))
    assert answer.headers["Content-Type"] == "application/x-pkcs12"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}.pfx"'
    path = tmp_path / "site.pfx"
    path.write_bytes(answer.body)

    key, certificates, said = opened(path, *mode)
    assert pem.load_key(key).private_numbers() == \
        pem.load_key(api.pem(name, "privkey.pem")).private_numbers()
    assert certificates == pem.blocks(api.pem(name, "fullchain.pem")) and len(certificates) > 1
    assert said.count(f"friendlyName: {name}\n") == 2  # the leaf's and the key's


@pytest.mark.parametrize("encryption, mac, cipher", [
    ("aes", "MAC: sha256", "PBES2, PBKDF2, AES-256-CBC"),
    ("legacy", "MAC: sha1", "pbeWithSHA1And3-KeyTripleDES-CBC")])
def test_what_it_is_encrypted_with(issued, tmp_path, encryption, mac, cipher):
    api, name = issued
    path = tmp_path / "site.pfx"
    path.write_bytes(made(api, name, encryption=encryption).body)
    told = openssl(path, "-info", "-noout").stderr
    assert mac in told and told.count(cipher) == 2, told  # the certificates and the key
    openssl(path, "-noout")
    wrong = openssl(path, "-noout", password=PASSWORD + "!", check=False)
    assert wrong.returncode != 0 and "invalid password" in wrong.stderr


def test_a_name_of_its_own_and_an_older_version(issued, tmp_path):
    api, name = issued
    first = api.pem(name, "cert.pem")
    api.succeeded(api.ok("POST", f"/certificates/{name}/renew", {"force": True}, status=(202,)))
    path = tmp_path / "site.pfx"
    path.write_bytes(made(api, name, name="Web site", version=1).body)
    key, certificates, said = opened(path)
    assert certificates[0] == first != api.pem(name, "cert.pem")
    assert pem.public_pem(pem.load_key(key).public_key()) == \
        pem.public_pem(pem.load(first).public_key())
    assert said.count("friendlyName: Web site\n") == 2
    path.write_bytes(made(api, name).body)
    assert opened(path)[1][0] == api.pem(name, "cert.pem")


@pytest.mark.parametrize("body, pointer", [
    ({}, "/password"),
    ({"password": ""}, "/password"),
    ({"password": "x" * 1025}, "/password"),
    ({"password": "é" * 513}, "/password"),
    ({"password": "a\u0000b"}, "/password"),
    ({"password": 7}, "/password"),
    ({"password": None}, "/password"),
    ({"password": "p", "encryption": "rc2"}, "/encryption"),
    ({"password": "p", "name": ""}, "/name"),
    ({"password": "p", "name": "site \N{KEY}"}, "/name"),
    ({"password": "p", "version": 0}, "/version"),
    ({"password": "p", "version": "1"}, "/version"),
    ({"password": "p", "passwort": "p"}, "/passwort"),
])
def test_bad_bodies(certwright, body, pointer):
    api = certwright().api
    answer = api.post("/certificates/any/pkcs12", body)
    assert answer.status == 422, answer
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_the_longest_password_opens_it(issued, tmp_path):
    api, name = issued
    path = tmp_path / "site.pfx"
    password = "é" * 512
    path.write_bytes(made(api, name, password=password).body)
    openssl(path, "-noout", password=password)


def test_where_there_is_no_file(issued, names):
    api, name = issued
    body = {"password": PASSWORD}
    assert api.post("/certificates/nobody/pkcs12", body).status == 404
    assert api.post(f"/certificates/{name}/pkcs12", {**body, "version": 9}).status == 404
    assert api.get(f"/certificates/{name}/pkcs12").status == 405

    job = api.succeeded(api.ok("POST", "/certificates", {
        "account": "main", "csr": pem.make_csr(pem.make_key(), names())}))
    answer = api.post(f"/certificates/{job['resource']['name']}/pkcs12", body)
    assert answer.status == 409 and answer.json()["code"] == "state.conflict"


def test_before_it_is_issued(certwright, pebble, challtestsrv, names, resolvers):
    api = certwright(pebble, **resolvers, resources={
        "solvers": {"hands": {"type": "manual", "zones": ["example.com"]}}}).api
    api.put_account()
    [name] = names()
    job = api.post_certificate(name)
    api.until_job(job, lambda j: j["state"] == "waiting")
    answer = api.post(f"/certificates/{name}/pkcs12", {"password": PASSWORD})
    assert answer.status == 404 and "not issued yet" in answer.json()["detail"]
    api.ok("POST", f"/jobs/{job['id']}/cancel", {})
