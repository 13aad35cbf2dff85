"""Certificates that were issued elsewhere, taken over with their keys."""

import base64
import hashlib
import itertools
import json

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

import pem
from own_ca import OwnCa
from process import until

# The newest libraries make no such signatures any more.
SHA1 = ("""\
-----BEGIN CERTIFICATE-----
MIIBijCCATGgAwIBAgIUMRAX55mugAXG7Bdh4CDr28jMVY0wCQYHKoZIzj0EATAO
MQwwCgYDVQQDDANvbGQwIBcNMjYxMTIxMTkyNTIwWhgPMjEyNjEwMjgxOTI1MjBa
MA4xDDAKBgNVBAMMA29sZDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCiPoXNE
1RxwTTd7DXQYBLDcjVpUw8NKBbfjiHL29Rvul6gHzrhWAspAnNg0uji/nD9ZdUIi
dPZKkGk6suufzbOjbDBqMB0GA1UdDgQWBBQjjykVbQZPTYwcT/URMMnjceDqwjAf
BgNVHSMEGDAWgBQjjykVbQZPTYwcT/URMMnjceDqwjAaBgNVHREEEzARgg9vbGQu
ZXhhbXBsZS5jb20wDAYDVR0TAQH/BAIwADAJBgcqhkjOPQQBA0gAMEUCIQCfm7qu
dIUiK8eed9d45bGnt8yOuIwAifdbTha8edDnZQIgVu9MqQMyvBr3VZ46hjqcfMr8
IEImx6lUEZMGFkrWWjw=
-----END CERTIFICATE-----
""", """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgobc4YUfA/eg+ogwV
VYWhu4t0A854VGoA7uCIPMgSknqhRANCAAQoj6FzRNUccE03ew10GASw3I1aVMPD
SgW344hy9vUb7peoB864VgLKQJzYNLo4v5w/WXVCInT2SpBpOrLrn82z
-----END PRIVATE KEY-----
""")


@pytest.fixture(scope="module")
def own():
    return OwnCa()


@pytest.fixture
def api(certwright):
    return certwright().api


def body(own, key, *names, chain=True, **more):
    return {"certificate": own.leaf(key, *names), "private_key": pem.key_pem(key),
            **({"chain": own.chain} if chain else {}), **more}


def pointers(answer):
    assert answer.status == 422, answer
    return sorted(error["pointer"] for error in answer.json()["errors"])


def elsewhere(certwright, pebble, name):
    """What another service, with the same CA, has made for that name: its files."""
    service = certwright(pebble)
    service.api.put_account()
    service.api.succeeded(service.api.post_certificate(name))
    files = {file: service.api.pem(name, file) for file in ("fullchain.pem", "privkey.pem")}
    service.stop()
    return {"certificate": files["fullchain.pem"], "private_key": files["privkey.pem"]}


def test_all_files_are_there_at_once(api, own, tmp_path):
    key = pem.make_key()
    names = ["*.shop.example.com", "shop.example.com"]
    answer = api.post("/imports", body(own, key, *names, labels={"team": "web"}))
    assert answer.status == 201
    assert answer.headers["Location"] == "/certificates/shop.example.com"
    shown = answer.json()
    assert shown == api.certificate("shop.example.com")
    leaf = pem.load(api.pem("shop.example.com", "cert.pem"))
    assert shown["identifiers"] == names and shown["labels"] == {"team": "web"}
    assert (shown["status"], shown["version"], shown["key"]["type"]) == ("valid", 1, "ec-p256")
    assert int(shown["serial"], 16) == leaf.serial_number
    assert shown["account"] is None and shown["authority"] is None
    assert shown["next_renewal_at"] is None and shown["renew"]["enabled"] is False
    assert pem.load_key(api.pem("shop.example.com", "privkey.pem")).private_numbers() \
        == key.private_numbers()
    assert api.pem("shop.example.com", "chain.pem") == own.chain
    pem.verify(tmp_path, own.root, api.pem("shop.example.com", "fullchain.pem"))
    bundle = api.ok("GET", "/certificates/shop.example.com/bundle")
    assert bundle["csr_pem"] is None and bundle["privkey_pem"]
    assert api.get("/certificates/shop.example.com/csr.pem").status == 404
    made = api.post("/certificates/shop.example.com/pkcs12", {"password": "secret"})
    _, own_leaf, more = pkcs12.load_key_and_certificates(made.body, b"secret")
    assert own_leaf == leaf and len(more) == 2


def test_the_chain_is_found_in_any_order(api, own):
    stray = OwnCa()
    for n, order in enumerate(itertools.permutations(range(4))):
        key = pem.make_key()
        name = f"n{n}.order.example.com"
        heap = [own.leaf(key, name), own.issuer, own.middle, own.root]
        api.ok("POST", "/imports", {
            "certificate": stray.issuer + "".join(heap[i] for i in order) + stray.root,
            "private_key": pem.key_pem(key, "traditional")}, status=(201,))
        assert api.pem(name, "fullchain.pem") == heap[0] + own.chain


def test_a_chain_that_ends_early_is_taken_as_far_as_it_goes(api, own):
    key = pem.make_key()
    api.ok("POST", "/imports", {**body(own, key, "short.example.com", chain=False),
                                "chain": own.middle}, status=(201,))
    assert api.pem("short.example.com", "chain.pem") == ""


TRIPLE_DES = ("-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1")


@pytest.mark.parametrize("password, options", [
    ("secret", ()), ("secret", TRIPLE_DES), ("pässwörd 密码", TRIPLE_DES), ("secret", ("-nomac",)),
    ("", ()), ("", TRIPLE_DES), ("secret", ("-iter", "50000", *TRIPLE_DES)),
    ("secret", ("-keypbe", "NONE", "-certpbe", "NONE"))])
def test_pkcs12(api, own, password, options):
    """The same certificate as by PEM, whatever its file is encrypted by."""
    key = pem.make_key()
    leaf = own.leaf(key, "pfx.example.com")
    file = pem.pkcs12(key, leaf, own.chain + own.root, password, *options)
    sent = {"pkcs12": file, **({"password": password} if password else {})}
    shown = api.ok("POST", "/imports", sent, status=(201,))
    assert shown["name"] == "pfx.example.com"
    assert api.pem("pfx.example.com", "fullchain.pem") == leaf + own.chain
    assert pem.load_key(api.pem("pfx.example.com", "privkey.pem")).private_numbers() \
        == key.private_numbers()
    # By PEM it is the same, too.
    assert api.ok("POST", "/imports", {"certificate": leaf, "private_key": pem.key_pem(key)},
                  status=(200,)) == shown


def test_what_the_service_exports_it_imports(api, own):
    key = pem.make_key("rsa-2048")
    api.ok("POST", "/imports", body(own, key, "there.example.com"), status=(201,))
    for encryption in ("aes", "legacy"):
        file = api.post("/certificates/there.example.com/pkcs12",
                        {"password": "secret", "encryption": encryption}).body
        wrapped = base64.encodebytes(file).decode()  # with line breaks
        shown = api.ok("POST", "/imports", {"name": f"back.{encryption}", "pkcs12": wrapped,
                                            "password": "secret"}, status=(201,))
        assert api.pem(shown["name"], "fullchain.pem") \
            == api.pem("there.example.com", "fullchain.pem")


@pytest.mark.parametrize("what, pointer, told", [
    ("wrong password", "/password", "does not open the file"),
    ("no password", "/password", "does not open the file"),
    ("wrong password, no MAC", "/password", "does not open the file"),
    ("no base64", "/pkcs12", "base64"), ("no file", "/pkcs12", "no PKCS#12 file"),
    ("cut off", "/pkcs12", "no PKCS#12 file"), ("no key", "/pkcs12", "no private key"),
    ("no certificate", "/pkcs12", "no certificate"), ("other key", "/pkcs12", "private key"),
    ("RC2", "/pkcs12", "RC2"), ("many iterations", "/pkcs12", "fewer iterations"),
    ("small key", "/pkcs12", "RSA"), ("a CA's", "/pkcs12", "is a CA's"),
    ("odd name", "/pkcs12", "cannot be ordered")])
def test_pkcs12_that_is_no_use_is_refused_clearly(api, own, what, pointer, told):
    key = pem.make_key("rsa-1024" if what == "small key" else "ec-p256")
    names = ["a_b..example.com" if what == "odd name" else "a.example.com"]
    leaf = own.leaf(key, *names, ca=what == "a CA's")
    options = {"no key": ("-nokeys",), "no certificate": ("-nocerts",),
               "wrong password, no MAC": ("-nomac",), "many iterations": ("-iter", "250000"),
               "RC2": ("-legacy", "-certpbe", "PBE-SHA1-RC2-40")}.get(what, ())
    file = pem.pkcs12(key, leaf, own.chain, "secret", *options)
    if what == "other key":
        file = made_of(pem.make_key(), leaf)
    file = {"no base64": "?" + file, "no file": base64.b64encode(b"no file").decode(),
            "cut off": file[:len(file) // 8 * 4]}.get(what, file)
    password = {"no password": {}, "wrong password": {"password": "Secret"},
                "wrong password, no MAC": {"password": "Secret"}}.get(what, {"password": "secret"})
    answer = api.post("/imports", {"pkcs12": file, **password})
    assert pointers(answer) == [pointer]
    assert told in answer.json()["errors"][0]["detail"]
    assert api.ok("GET", "/certificates")["items"] == []


def made_of(key, leaf):
    """A file whose key and certificate have nothing to do with each other: openssl makes none."""
    return base64.b64encode(pkcs12.serialize_key_and_certificates(
        None, key, None, [pem.load(leaf)], BestAvailableEncryption(b"secret"))).decode()


def test_pkcs12_or_pem(api, own):
    key = pem.make_key()
    sent = body(own, key, "both.example.com")
    file = pem.pkcs12(key, sent["certificate"], own.chain, "secret")
    wrong = {"pkcs12": file, "password": "secret"}
    assert pointers(api.post("/imports", {**sent, **wrong})) \
        == ["/certificate", "/chain", "/private_key"]
    assert pointers(api.post("/imports", {**sent, "password": "secret"})) == ["/password"]
    assert pointers(api.post("/imports", {"password": "secret"})) \
        == ["/certificate", "/password", "/private_key"]
    assert pointers(api.post("/imports", {**wrong, "password": "", "labels": 7, "surplus": 1})) \
        == ["/labels", "/password", "/surplus"]
    assert pointers(api.post("/imports", {"pkcs12": 7})) == ["/pkcs12"]
    # What is wrong with its names is said of the file.
    wildcard = pem.pkcs12(key, own.leaf(key, "*.example.com"), "", "secret")
    assert pointers(api.post("/imports", {"pkcs12": wildcard, "password": "secret",
                                          "account": "nobody"})) == ["/account", "/pkcs12"]


def test_the_same_again_changes_nothing(api, own):
    sent = body(own, pem.make_key(), "again.example.com")
    first = api.ok("POST", "/imports", sent, status=(201,))
    assert api.ok("POST", "/imports", sent, status=(200,)) == first
    taken = api.post("/imports", body(own, pem.make_key(), "again.example.com"))
    assert taken.status == 409 and taken.json()["code"] == "name.taken"
    assert api.certificate("again.example.com") == first


def test_the_same_again_gives_no_account(certwright, pebble, own):
    api = certwright(pebble).api
    api.put_account("main")
    sent = body(own, pem.make_key(), "again.example.com")
    api.ok("POST", "/imports", sent, status=(201,))
    for more in ({"account": "main"}, {"authority": "pebble"}):
        refused = api.post("/imports", {**sent, **more})
        assert refused.status == 409 and "PUT it with one" in refused.json()["detail"]
    assert api.certificate("again.example.com")["account"] is None
    owned = {**body(own, pem.make_key(), "owned.example.com"), "account": "main"}
    first = api.ok("POST", "/imports", owned, status=(201,))
    assert api.ok("POST", "/imports", owned, status=(200,))["account"] == first["account"] == "main"


def test_a_key_that_nobody_gets_from_the_start(certwright, pebble, own, tmp_path):
    api = certwright(pebble, file_roots=[str(tmp_path)]).api
    api.put_account("main")
    api.ok("PUT", "/targets/web", {"type": "files", "directory": str(tmp_path / "certs")})
    sent = {**body(own, pem.make_key(), "kept.example.com", targets=["web"]),
            "key": {"exportable": False}}
    shown = api.ok("POST", "/imports", sent, status=(201,))
    assert shown["key"]["exportable"] is False
    path = "/certificates/kept.example.com"
    for file in ("privkey.pem", "versions/1/privkey.pem"):
        answer = api.get(f"{path}/{file}")
        assert answer.status == 409 and "PRIVATE KEY" not in answer.text
    assert api.ok("GET", path + "/bundle")["privkey_pem"] is None
    until((tmp_path / "certs/kept.example.com/privkey.pem").exists, 30, "its target has it")
    # The same again is the same; what it is not, it does not become.
    assert api.ok("POST", "/imports", sent, status=(200,))["key"] == shown["key"]
    for wish, of_now in ((True, "not exportable"), (False, "PATCH it")):
        other = {**body(own, pem.make_key(), f"{of_now.split()[0].lower()}.example.com"),
                 "key": {"exportable": not wish}}
        api.ok("POST", "/imports", other, status=(201,))
        refused = api.post("/imports", {**other, "key": {"exportable": wish}})
        assert refused.status == 409 and of_now in refused.json()["detail"]
        name = api.ok("POST", "/imports", other, status=(200,))["name"]
        assert api.certificate(name)["key"]["exportable"] is not wish
    # Nor does a version of our own bring it back.
    api.ok("PATCH", path, {"targets": []})
    api.succeeded(api.ok("PUT", path, {"identifiers": ["kept.example.com"], "account": "main"},
                         status=(202,)))
    assert api.certificate("kept.example.com")["version"] == 2
    assert api.get(path + "/privkey.pem").status == 409


def test_an_idempotency_key(api, own):
    sent = body(own, pem.make_key(), "once.example.com")
    headers = {"Idempotency-Key": "import-1"}
    first = api.ok("POST", "/imports", sent, status=(201,), headers=headers)
    assert api.ok("POST", "/imports", sent, status=(200,), headers=headers) == first
    other = api.post("/imports", body(own, pem.make_key(), "other.example.com"), headers=headers)
    assert other.status == 422
    assert api.get("/certificates/other.example.com").status == 404


def test_everything_wrong_is_told_at_once(api, own):
    key = pem.make_key()
    wrong = {**body(own, key, "wrong.example.com"), "private_key": "none", "name": "No Name",
             "labels": 7, "account": "nobody", "targets": ["nowhere"], "surplus": 1}
    assert pointers(api.post("/imports", wrong)) \
        == ["/account", "/labels", "/name", "/private_key", "/surplus", "/targets/0"]
    for given, wrong in (({"type": "ec-p256"}, ["/key/exportable", "/key/type"]),
                         ({"exportable": "no"}, ["/key/exportable"]), (7, ["/key"])):
        sent = {**body(own, pem.make_key(), "wrong.example.com"), "key": given}
        assert pointers(api.post("/imports", sent)) == wrong
    assert pointers(api.post("/imports", {})) == ["/certificate", "/private_key"]


@pytest.mark.parametrize("what, told", [
    ("other key", "for the private key"), ("a CA's", "CA:FALSE"), ("no name", "subjectAltName"),
    ("sha1", "clients refuse"), ("small key", "RSA"), ("a key within", "PRIVATE KEY"),
    ("garbage", "damaged"), ("nothing", "no certificate"), ("odd name", "cannot be ordered")])
def test_what_is_no_use_is_refused_clearly(api, own, what, told):
    key = pem.load_key(SHA1[1]) if what == "sha1" else \
        pem.make_key("rsa-1024" if what == "small key" else "ec-p256")
    sent = {
        "other key": lambda: own.leaf(pem.make_key(), "a.example.com"),
        "a CA's": lambda: own.leaf(key, "a.example.com", ca=True),
        "no name": lambda: own.leaf(key, subject="a.example.com"),
        "sha1": lambda: SHA1[0],
        "small key": lambda: own.leaf(key, "a.example.com"),
        "a key within": lambda: own.leaf(key, "a.example.com") + pem.key_pem(key),
        "garbage": lambda: own.leaf(key, "a.example.com").replace("MII", "!!!", 1),
        "nothing": lambda: "no PEM at all",
        "odd name": lambda: own.leaf(key, "a_b..example.com"),
    }[what]()
    answer = api.post("/imports", {"certificate": sent, "private_key": pem.key_pem(key)})
    assert pointers(answer) == ["/private_key" if what == "small key" else "/certificate"]
    assert told in answer.json()["errors"][0]["detail"]
    assert api.ok("GET", "/certificates")["items"] == []


def test_without_an_account_nothing_is_ordered_or_revoked(api, own):
    name = "alone.example.com"
    sent = body(own, pem.make_key(), name)
    wanting = {"profile": "x", "challenge": {"type": "http-01"}, "renew": {"enabled": True},
               "preferred_chain": "x", "validity_seconds": 60, "email": "a@example.com"}
    assert pointers(api.post("/imports", {**sent, **wanting})) \
        == sorted(f"/{member}" for member in wanting)
    api.ok("POST", "/imports", {**sent, "renew": {"enabled": False}}, status=(201,))
    for verb, more in (("renew", {"force": True}), ("revoke", {})):
        answer = api.post(f"/certificates/{name}/{verb}", more)
        assert answer.status == 409 and "without an account" in answer.json()["detail"]
    assert api.delete(f"/certificates/{name}?revoke=true").status == 409
    assert api.patch(f"/certificates/{name}", {"renew": {"enabled": True}}).status == 409
    assert api.patch(f"/certificates/{name}", {"labels": {"a": "b"}}).status == 200
    assert api.certificate(name)["status"] == "valid"
    assert api.delete(f"/certificates/{name}").status == 204


def test_metrics_and_readiness_know_it(certwright, own):
    service = certwright()
    service.api.ok("POST", "/imports", body(own, pem.make_key(), "m.example.com"), status=(201,))
    assert 'certificate_ready{name="m.example.com",authority=""} 1' \
        in service.ops("/metrics")[1]


def test_a_restart_and_a_put_with_an_account(certwright, pebble, own, names):
    [name] = names()
    service = certwright(pebble)
    service.api.put_account()
    before = service.api.ok("POST", "/imports", body(own, pem.make_key(), name), status=(201,))
    service.restart()
    api = service.api
    assert api.certificate(name) == before
    spec = {"identifiers": [name], "account": "main"}
    api.succeeded(api.ok("PUT", f"/certificates/{name}", spec, status=(202,)))
    after = api.certificate(name)
    assert (after["version"], after["account"], after["authority"]) == (2, "main", "pebble")
    assert after["next_renewal_at"]


def test_with_an_account_it_is_renewed_and_revoked(certwright, pebble, names):
    [name] = names()
    sent = elsewhere(certwright, pebble, name)
    api = certwright(pebble).api
    api.put_account()
    shown = api.ok("POST", "/imports", {**sent, "account": "main"}, status=(201,))
    assert shown["authority"] == "pebble" and shown["next_renewal_at"] > shown["not_before"]
    assert shown["renew"]["enabled"] is True and shown["trusted"] is False
    # The same wish as a new certificate's: nothing is to be done.
    spec = {"identifiers": [name], "account": "main"}
    assert api.ok("PUT", f"/certificates/{name}", spec, status=(200,))["version"] == 1
    api.succeeded(api.ok("POST", f"/certificates/{name}/renew", {"force": True}, status=(202,)))
    assert api.certificate(name)["version"] == 2
    # The account did not order version 1: its own key revokes it.
    api.succeeded(api.ok("POST", f"/certificates/{name}/revoke", {"version": 1}, status=(202,)))
    assert pebble.certificate_status(shown["serial"])["Status"] == "Revoked"
    again = api.ok("POST", "/imports", {**sent, "account": "main"}, status=(200,))
    assert again["version"] == 2


def test_an_expired_one_with_an_account_is_renewed_at_once(certwright, pebble, own, names):
    [name] = names()
    api = certwright(pebble).api
    api.put_account()
    key = pem.make_key("rsa-2048")
    shown = api.ok("POST", "/imports", {
        "certificate": own.leaf(key, name, days=(-90, -1)), "private_key": pem.key_pem(key),
        "authority": "pebble"}, status=(201,))
    assert shown["status"] == "expired"
    until(lambda: api.certificate(name)["version"] == 2, 60, "it is renewed")
    assert api.certificate(name)["status"] == "valid"
    assert api.certificate(name)["key"]["type"] == "rsa-2048"


def test_a_wildcard_wants_a_dns_solver_for_its_renewals(certwright, pebble, own, names):
    [name] = names()
    api = certwright(pebble).api
    api.put_account()
    sent = body(own, pem.make_key(), f"*.{name}", account="main")
    assert pointers(api.post("/imports", sent)) == ["/certificate"]
    del sent["account"]
    assert api.post("/imports", sent).json()["name"] == f"wildcard.{name}"


def test_it_is_installed_on_its_targets(certwright, own, tmp_path):
    folder = tmp_path / "certs"
    folder.mkdir()
    service = certwright(file_roots=[str(folder)], resources={
        "targets": {"here": {"type": "files", "directory": str(folder)}}})
    sent = body(own, pem.make_key(), "t.example.com", targets=["here"])
    service.api.ok("POST", "/imports", sent, status=(201,))
    [job] = [job for job in service.api.ok("GET", "/jobs")["items"]
             if job["kind"] == "certificate.deploy"]
    service.api.succeeded(job)
    assert sent["certificate"] in [path.read_text()[:len(sent["certificate"])]
                                   for path in folder.rglob("*.pem")]


def test_an_account_key_is_no_certificate_key(certwright, pebble, own):
    api = certwright(pebble).api
    key = pem.make_key()
    api.put_account(key={"pem": pem.key_pem(key)})
    answer = api.post("/imports", body(own, key, "k.example.com"))
    assert answer.status in (409, 422) and answer.json()["code"] == "key.reused"
    assert api.ok("GET", "/certificates")["items"] == []


def test_neither_key_nor_body_is_left_in_plain(certwright, own):
    service = certwright()
    key = pem.make_key()
    raw = json.dumps(body(own, key, "plain.example.com")).encode()
    # With a key the body is remembered: by a hash that nobody can make to try guesses with.
    answer = service.api.post("/imports", raw=raw, headers={
        "Content-Type": "application/json", "Idempotency-Key": "plain"})
    assert answer.status == 201
    service.stop()
    secrets = [key.private_numbers().private_value.to_bytes(32, "big"),
               *pem.key_pem(key).encode().splitlines()[1:-1],
               hashlib.sha256(raw).digest(), hashlib.sha256(raw).hexdigest().encode()]
    stored = b""
    for path in service.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(secret in data for secret in secrets), path
            stored += data
    assert b"POST /imports" in stored


def test_the_same_certificate_with_another_chain_has_another_etag(api, own):
    """What was imported without its chain is deleted, and imported with it."""
    key = pem.make_key()
    path = "/certificates/again.example.com"
    first = body(own, key, "again.example.com", chain=False)
    assert api.post("/imports", first).status == 201
    tags = {file: api.get(f"{path}/{file}").headers["ETag"]
            for file in ("cert.pem", "chain.pem", "fullchain.pem", "bundle")}
    assert api.delete(path).status == 204
    assert api.post("/imports", {**first, "chain": own.chain}).status == 201
    answers = {file: api.get(f"{path}/{file}", headers={"If-None-Match": tag})
               for file, tag in tags.items()}
    assert {file: answer.status for file, answer in answers.items()} == {
        "cert.pem": 304, "chain.pem": 200, "fullchain.pem": 200, "bundle": 200}
    assert answers["fullchain.pem"].text == first["certificate"] + own.chain
