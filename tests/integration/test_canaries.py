"""Secrets that can be recognised, sent down every path that takes one and many that do not: they
come out nowhere."""

import base64
import datetime
import json
import secrets as random_secrets

import pem
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from hook import Hook
from process import until


def base64_forms(data):
    """However the data lies in what was encoded; without the characters that its neighbours share."""
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data)
        inner = whole[(before * 8 + 5) // 6:(before + len(data)) * 8 // 6]
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")


class Canaries:
    """Makes secrets, and looks for them in all of their forms."""

    def __init__(self):
        self.forms = {}

    def make(self, what, size=30, ending="", raw=True):
        """A text; what names it when it is found. raw False: the text itself may be told."""
        text = random_secrets.token_hex(size // 2) + ending
        self.add(what, text.encode(), raw)
        return text

    def add(self, what, data, raw=True):
        forms = {form for form in base64_forms(data)}
        forms |= {data.hex().encode(), data.hex().upper().encode()}
        if raw:
            forms.add(data)
        text = data.decode("utf-8", "replace")
        if raw and text.isprintable():
            forms |= {json.dumps(text)[1:-1].encode(),
                      json.dumps(text)[1:-1].replace("/", "\\/").encode()}
        self.forms[what] = {form for form in forms if len(form) >= 12}

    def make_key(self, what):
        """A private key, to be found by its number, and by each line of its PEM."""
        key = pem.make_key()
        self.add(what, key.private_numbers().private_value.to_bytes(32, "big"))
        return key

    def found_in(self, where, data):
        return [f"{what} in {where}" for what, forms in self.forms.items()
                if any(form in data for form in forms)]


@pytest.fixture
def canaries():
    return Canaries()


def test_the_search_finds_what_it_should(canaries):
    secret = canaries.make("it", ending='/"+é')
    key = canaries.make_key("key")
    data = secret.encode()
    for hidden in (data, b"ab" + data, base64.b64encode(b"x" + data + b"yz"),
                   base64.urlsafe_b64encode(b"xy" + data), data.hex().encode(),
                   json.dumps({"a": secret}).encode()):
        assert canaries.found_in("here", b"<" + hidden + b">") == ["it in here"]
    for form in pem.PRIVATE_FORMATS:
        der = b"".join(pem.key_pem(key, form).encode().splitlines()[1:-1])
        assert canaries.found_in("here", der) == ["key in here"]
    assert canaries.found_in("here", b"nothing of the kind") == []


def self_signed(key, name):
    now = datetime.datetime.now(datetime.timezone.utc)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    certificate = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(days=1))
                   .not_valid_after(now + datetime.timedelta(days=30))
                   .add_extension(names, critical=False).sign(key, hashes.SHA256()))
    return certificate.public_bytes(pem.ENCODING).decode()


class Listener:
    """Keeps every answer of an Api."""

    def __init__(self, api):
        self.answers = []
        self.call = api.call
        api.call = self.listen

    def listen(self, method, path, *args, **more):
        answer = self.call(method, path, *args, **more)
        told = "".join(f"{name}: {value}\n" for name, value in answer.headers.items())
        self.answers.append((f"the answer to {method} {path.partition('?')[0]}",
                             told.encode() + answer.body))
        return answer


USERNAME = "a-user-name-that-is-no-secret"


def credentials(c):
    return {
        "basic": {"type": "basic", "username": USERNAME,
                  "password": c.make("basic password", ending='"\\/ü')},
        "password": {"type": "password", "password": c.make("password")},
        "alibaba": {"type": "alibaba-cloud", "access_key_id": "LTAI",
                    "access_key_secret": c.make("access key secret"),
                    "security_token": c.make("security token")},
        "webhook": {"type": "webhook-secret", "secret": c.make("webhook secret")},
    }


def use_right_places(api, c, names):
    """Each path that takes a secret, and takes it."""
    for name, body in credentials(c).items():
        api.ok("PUT", f"/credentials/{name}", body)
        api.ok("PUT", f"/credentials/{name}", body)
    master = random_secrets.token_bytes(32)
    c.add("new master key", master)
    api.ok("POST", "/rekey", {"master_key": base64.b64encode(master).decode()})
    given, late, imported = names(3)
    api.put_account(key={"pem": pem.key_pem(c.make_key("account key"))})
    eab = c.make("EAB key", 32, raw=True).encode()
    c.add("EAB key, decoded", eab)
    api.ended(api.ok("PUT", "/accounts/eab", {
        "authority": "pebble", "contacts": [], "terms_of_service_agreed": True,
        "eab": {"kid": "kid-1", "hmac_key": base64.urlsafe_b64encode(eab).decode().rstrip("=")}}))
    api.succeeded(api.post_certificate(given, challenge={"type": "http-01"},
                                       key={"pem": pem.key_pem(c.make_key("given key"))}))
    key = c.make_key("imported key")
    api.ok("POST", "/imports", {"certificate": self_signed(key, imported),
                                "private_key": pem.key_pem(key)},
           headers={"Idempotency-Key": "so that the body is remembered"})
    # The answer is the secret, behind the password.
    answer = api.post(f"/certificates/{given}/pkcs12", {"password": c.make("PKCS#12 password")})
    assert answer.status == 200
    # This one waits: it is in the database as it is asked for.
    api.post_certificate(late, key={"pem": pem.key_pem(c.make_key("key of one that waits"))},
                         challenge={"type": "dns-01"})


def use_wrong_places(api, c, names):
    """Where no secret belongs, and what is wrong with it otherwise."""
    broken = pem.key_pem(c.make_key("broken key")).splitlines()
    broken[1] = broken[1][:-4] + "!!!!"
    bodies = [
        ("PUT", "/credentials/x", {"type": "basic", "username": "me",
                                   "passwort": c.make("misspelt member")}),
        ("PUT", "/credentials/x", {"type": "basic", "username": "a:b",
                                   "password": c.make("beside a wrong one")}),
        ("PUT", "/credentials/x", {"type": "basic", "username": "me",
                                   "password": {"is": c.make("in an object")}}),
        ("PUT", "/credentials/x", {"type": "basic", "username": "me",
                                   "password": [c.make("in a list")]}),
        ("PUT", "/credentials/x", {"type": c.make("as type")}),
        ("PUT", "/credentials/x", {"type": "webhook-secret",
                                   "secret": "whsec_" + c.make("no base64") + "!"}),
        ("PUT", "/credentials/x", {"type": "webhook-secret", "secret": c.make("too short", 20)}),
        ("PUT", "/accounts/x", {"authority": "pebble", "terms_of_service_agreed": True, "contacts": [],
                                "key": {"pem": "\n".join(broken)}}),
        ("PUT", "/accounts/x", {"authority": "pebble", "terms_of_service_agreed": True, "contacts": [],
                                "eab": {"kid": "k", "hmac_key": c.make("EAB key") + "!"}}),
        ("POST", "/certificates", {"identifiers": names(), "account": "main",
                                   "key": {"pem": c.make("no PEM at all")}}),
        ("POST", "/certificates", {"identifiers": names(), "account": "main",
                                   "key": {"type": c.make("as key type")}}),
        ("POST", "/imports", {"certificate": "none", "private_key": "\n".join(broken)}),
        ("PUT", "/targets/x", {"type": "webhook", "url": "ftp://hook.example/",
                               "credential": "webhook", "secret": c.make("in a target")}),
        ("POST", "/tokens", {"name": "x", "scopes": ["admin"], "token": c.make("as token")}),
    ]
    for method, path, body in bodies:
        answer = api.call(method, path, body)
        assert 400 <= answer.status < 500, (body, answer)
    secret = c.make("malformed JSON")
    for raw in (f'{{"password": "{secret}"', f'{{"password": {secret}}}', f'"{secret}"', secret,
                f'{{"{secret}": 1, "{secret}": 2', f'{{"password": "{secret}\n"}}',
                f'{{"password": "{secret}\\x"}}'):
        answer = api.put("/credentials/x", None, raw=raw,
                         headers={"Content-Type": "application/json"})
        assert 400 <= answer.status < 500, answer
    answer = api.put("/credentials/x", None, raw=f"password={c.make('of another type')}",
                     headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 415
    for header in ("Bearer {}", "Basic {}", "{}", "Bearer {} {}"):
        secret = c.make(f"Authorization: {header}")
        assert api.get("/certificates", token=False, headers={
            "Authorization": header.format(secret, secret)}).status == 401
    for query in ("token", "access_token", "page_size", "cursor"):
        assert api.get(f"/certificates?{query}={c.make(f'in the query as {query}')}").status == 400
    assert api.put("/credentials/webhook", {"type": "webhook-secret",
                                            "secret": c.make("behind If-Match")},
                   headers={"If-Match": '"other"'}).status == 412


def everything_told(service, listener, api):
    """(where, bytes) of all that could be read by somebody else."""
    yield from listener.answers
    for path in ("/jobs?page_size=1000", "/audit?page_size=1000", "/orders", "/accounts",
                 "/certificates", "/credentials", "/targets", "/solvers", "/tokens", "/metrics"):
        yield path, api.get(path).body
    for job in api.ok("GET", "/jobs?page_size=1000")["items"]:
        yield f"job {job['id']}", api.get(f"/jobs/{job['id']}").body
    yield "the log", service.process.log().encode()
    for path in service.data.rglob("*"):
        if path.is_file() and path.name not in ("master.key", "admin.token"):
            yield path.name, path.read_bytes()


def test_no_secret_comes_out(certwright, pebble, names, canaries, tmp_path, resolvers):
    c = canaries
    dump = tmp_path / "hook.dump"
    program = tmp_path / "dns-hook"
    program.write_text(f"#!/bin/sh\n{{ tr '\\0' '\\n' </proc/$$/environ; echo \"$@\"; env; }} >>{dump}\n")
    program.chmod(0o700)
    secret_file = tmp_path / "secret"
    secret_file.write_text(c.make("$file secret") + "\n")
    master = random_secrets.token_bytes(32)
    c.add("master key", master)
    service = certwright(
        pebble, **resolvers, log_level="debug", commands={"hook": [str(program)]},
        env={"CERTWRIGHT_MASTER_KEY": master.hex(), "SECRET_OF_ENV": c.make("$env secret")},
        resources={
            "credentials": {
                "of-file": {"type": "password", "password": {"$file": str(secret_file)}},
                "of-env": {"type": "password", "password": {"$env": "SECRET_OF_ENV"}}},
            "solvers": {"dns": {"type": "exec", "command": "hook", "zones": ["example.com"]}}})
    api = service.api
    c.add("admin token", api.token.encode())
    hook = Hook()
    try:
        c.add("signing key", hook.key)
        listener = Listener(api)
        use_right_places(api, c, names)
        use_wrong_places(api, c, names)
        api.ok("PUT", "/credentials/signing", {"type": "webhook-secret", "secret": hook.secret})
        api.ok("PUT", "/targets/hook", {"type": "webhook", "url": hook.url,
                                        "credential": "signing"})
        api.succeeded(api.ok("POST", "/targets/hook/test", {}))
    finally:
        hook.stop()
    # What answers with a secret is kept out of what is searched.
    c.add("a new token", listener.call("POST", "/tokens", {
        "name": "new", "scopes": ["jobs:read"]}).json()["token"].encode())
    until(dump.exists, 30, "the hook was called")
    assert (service.data / "certwright.db-wal").stat().st_size > 0
    found = [one for where, data in everything_told(service, listener, api)
             for one in c.found_in(where, data)]
    found += c.found_in("a command's arguments and environment", dump.read_bytes())
    assert b"PATH=" in dump.read_bytes()
    service.kill()
    for path in service.data.rglob("*"):
        if path.is_file() and path.name != "admin.token":
            found += c.found_in(f"{path.name} after a crash", path.read_bytes())
    assert not found, "\n".join(sorted(set(found)))
    # What is no secret is found by the same search.
    control = Canaries()
    control.add("a user name", USERNAME.encode())
    told = [one for where, data in listener.answers for one in control.found_in(where, data)]
    stored = [one for path in service.data.glob("certwright.db*")
              for one in control.found_in(path.name, path.read_bytes())]
    assert told and stored
    # They are there, and in use.
    service.start()
    assert api.ok("GET", "/credentials/of-env")["password"] == {"set": True}
