"""Listeners with TLS, client certificates, users of a Unix socket, and scopes of their own."""

import datetime
import hashlib
import http.client
import json
import os
import select
import socket
import ssl
import subprocess
import tempfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

import pem
from api import Api
from process import until
from service import BINARY
from tls import Listeners, TestCa

READ = ["certificates:read", "jobs:read"]


@pytest.fixture
def ca(tmp_path):
    return TestCa(tmp_path / "ca")


def with_files(issued, **more):
    return {"cert_file": str(issued.cert_file), "key_file": str(issued.key_file), **more}


def with_clients(ca, how="required", *identities):
    return {"tls": with_files(ca.server(), client_ca=str(ca.root.cert_file),
                              client_certificate=how),
            "identities": list(identities)}


def identity(name, scopes=READ, **selector):
    return {"name": name, "scopes": list(scopes), **selector}


# the transport

@pytest.mark.smoke
def test_curl_over_tls(certwright, ca):
    service = Listeners(certwright, {"tls": with_files(ca.server())}).start()
    assert service.curl("/livez", ca=ca)[:2] == (0, 200)
    assert service.curl("/certificates", ca=ca)[1] == 401
    code, status, body = service.curl("/certificates", ca=ca, token=True)
    assert (code, status) == (0, 200) and json.loads(body)["items"] == [], body
    assert service.curl("/certificates", ca=TestCa(ca.folder / "other"))[0] == 60
    # Two requests on one connection, and a body that does not fit into one record.
    done = subprocess.run(
        ["curl", "-sS", "--cacert", ca.root.cert_file, "-w", "%{http_code} %{num_connects}\n",
         "-o", "/dev/null", f"https://localhost:{service.tls_port}/openapi.json",
         "-o", "/dev/null", f"https://localhost:{service.tls_port}/openapi.json"],
        capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["200 1", "200 0"], done


def test_large_bodies_go_both_ways(certwright, ca):
    service = Listeners(certwright, {"tls": with_files(ca.server())}).start()
    context = service.client(ca)
    connection = http.client.HTTPSConnection("localhost", service.tls_port, timeout=60,
                                             context=context)
    plain = service.service.api.get("/openapi.json").body
    for _ in range(3):
        connection.request("GET", "/openapi.json")
        assert connection.getresponse().read() == plain
    headers = {"Authorization": f"Bearer {service.token}", "Content-Type": "application/json"}
    connection.request("POST", "/certificates", json.dumps({"identifiers": ["x" * 900_000]}),
                       headers)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (422, "request.invalid")
    connection.close()


def test_a_body_that_is_refused_does_not_take_the_answer_back(certwright, ca):
    service = Listeners(certwright, {"tls": with_files(ca.server())}).start()
    for _ in range(5):
        with secured(service, service.client(ca)) as connection:
            connection.sendall(b"POST /certificates HTTP/1.1\r\nHost: localhost\r\n"
                               b"Content-Type: application/json\r\nContent-Length: 800000\r\n\r\n"
                               + b" " * 400_000)
            assert read_all(connection).startswith(b"HTTP/1.1 401 ")


def secured(service, context, name="localhost"):
    raw = socket.create_connection(("127.0.0.1", service.tls_port), timeout=30)
    try:
        return context.wrap_socket(raw, server_hostname=name)
    except BaseException:
        raw.close()
        raise


def read_all(connection):
    answer = b""
    while True:
        try:
            piece = connection.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            return answer
        if not piece:
            return answer
        answer += piece


def s_client(service, *words, sent=b""):
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{service.tls_port}", *map(str, words)],
        input=sent, capture_output=True, timeout=60)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def test_what_a_connection_is_made_of(certwright, ca):
    service = Listeners(certwright, {"tls": with_files(ca.server())}).start()
    for version in ("-tls1_2", "-tls1_3"):
        code, told = s_client(service, version, "-brief")
        assert code == 0 and "CONNECTION ESTABLISHED" in told, told
    for words in (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
                  ["-tls1_2", "-cipher", "AES128-SHA256:ECDHE-ECDSA-AES128-SHA256"],
                  ["-alpn", "h2"]):
        code, told = s_client(service, *words)
        assert code != 0 and "alert" in told, (words, told)
    assert "ALPN protocol: http/1.1" in s_client(service, "-alpn", "h2,http/1.1")[1]
    # Nothing by which a later connection could go on from this one.
    told = s_client(service, "-tls1_2", "-no_ign_eof")[1]
    assert "TLS session ticket" not in told and "Session-ID: \n" in told, told
    # No renegotiation: openssl asks for one at a line with R.
    code, told = s_client(service, "-tls1_2", sent=b"R\n")
    assert "no renegotiation" in told, told


def test_a_client_certificate_is_asked_for(certwright, ca, tmp_path):
    known = ca.issue("known", "deploy.example.com")
    service = Listeners(certwright, with_clients(
        ca, "required", identity("deployer", san="dns:deploy.example.com"))).start()
    code, status, body = service.curl("/certificates", ca=ca, shown=known)
    assert (code, status) == (0, 200), body
    other = TestCa(tmp_path / "other").issue("stranger", "deploy.example.com")
    refused = {
        "wrong CA": other,
        "expired": ca.issue("expired", "deploy.example.com", expired=True),
        "not for clients": ca.issue("server-only", "deploy.example.com", client=False),
        "none": None,
    }
    for what, shown in refused.items():
        code, status, body = service.curl("/livez", ca=ca, shown=shown)
        assert code in (35, 55, 56) and status == 0, (what, code, status, body)
    assert "certificate has expired" in service.service.process.log() or \
        "unable to get" in service.service.process.log()


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_without_a_certificate_openssl_is_told(certwright, ca, version):
    service = Listeners(certwright, with_clients(ca)).start()
    request = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    _, told = s_client(service, version, "-ign_eof", sent=request)
    assert "HTTP/1.1" not in told and "alert" in told, told
    assert "Acceptable client certificate CA names" in told and "tests' ca" in told, told
    good = ca.issue("good")
    _, told = s_client(service, version, "-ign_eof", "-cert", good.cert_file, "-key",
                       good.key_file, sent=request)
    assert "HTTP/1.1 200" in told, told


def test_who_a_client_is(certwright, ca):
    by_key = ca.issue("by-key", "anything.example.com")
    spki = pem_spki(by_key)
    service = Listeners(certwright, with_clients(
        ca, "optional",
        identity("by-name", san="dns:One.example.com"),
        identity("by-uri", san="uri:spiffe://example.com/two"),
        identity("by-address", san="ip:10.1.2.3"),
        identity("by-subject", subject="CN=Jürgen\\, three"),
        identity("by-key", spki_sha256=spki),
        identity("by-wildcard", san="dns:*.example.net"))).start()
    for shown in (ca.issue("one", "x.example.com", "one.example.com"),
                  ca.issue("two", "spiffe://example.com/two"), ca.issue("ip", "10.1.2.3"),
                  ca.issue("three", subject="Jürgen, three"), by_key,
                  ca.issue("wild", "*.example.net")):
        assert service.curl("/certificates", ca=ca, shown=shown)[1] == 200, shown.cert_file
    for shown in (ca.issue("n1", "one.example.com.evil.example"), ca.issue("n2", "10.1.2.4"),
                  ca.issue("n3", subject="one.example.com"), ca.issue("n4", "a.example.net"),
                  ca.issue("n5", "spiffe://example.com/two/more"), None):
        code, status, body = service.curl("/certificates", ca=ca, shown=shown)
        assert (code, status) == (0, 401), shown and shown.cert_file
        assert ("none of the listener's identities" in body) == bool(shown), body
        # Its certificate lets it in, a token says what it may do.
        assert service.curl("/certificates", ca=ca, shown=shown, token=True)[1] == 200


def pem_spki(issued):
    return hashlib.sha256(issued.key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def test_an_identity_has_its_scopes_and_no_more(certwright, ca):
    known = ca.issue("known", "deploy.example.com")
    service = Listeners(certwright, with_clients(
        ca, "required", identity("deployer", san="dns:deploy.example.com"))).start()
    assert service.curl("/jobs", ca=ca, shown=known)[1] == 200
    code, status, body = service.curl("/accounts", ca=ca, shown=known)
    assert status == 403 and "cert:deployer" in body and "accounts:read" in body, body
    assert service.curl("/accounts", ca=ca, shown=known, token=True)[1] == 200


def test_an_identity_ends_with_its_certificate(certwright, ca):
    """On a connection that goes on, too."""
    service = Listeners(certwright, with_clients(
        ca, "required", identity("deployer", san="dns:deploy.example.com"))).start()
    brief = ca.issue("brief", "deploy.example.com", left=datetime.timedelta(seconds=15))
    kept = http.client.HTTPSConnection("localhost", service.tls_port, timeout=30,
                                       context=service.client(ca, brief))
    kept.connect()
    before = kept.sock

    def status():
        kept.request("GET", "/certificates")
        reply = kept.getresponse()
        reply.read()
        return reply.status

    assert status() == 200
    until(lambda: status() == 401, 60, "it has expired")
    assert kept.sock is before
    kept.close()
    assert service.curl("/livez", ca=ca, shown=brief)[1] == 0


def test_a_listener_caps_everybody(certwright, ca):
    service = Listeners(certwright, {"tls": with_files(ca.server()), "scopes": READ}).start()
    assert service.curl("/certificates", ca=ca, token=True)[1] == 200
    code, status, body = service.curl("/accounts", ca=ca, token=True)
    assert status == 403 and "this listener grants to nobody: accounts:read." in body, body
    assert service.service.api.get("/accounts").status == 200  # of the other listener


# what it shows

def test_files_that_change_are_read_again(certwright, ca):
    first = ca.server("server")
    service = Listeners(certwright, {"tls": with_files(first)}).start()
    kept = http.client.HTTPSConnection("localhost", service.tls_port, timeout=30,
                                       context=service.client(ca))

    def shown():
        """Of a new connection; one that was there before goes on."""
        kept.request("GET", "/livez")
        assert kept.getresponse().read()
        return service.shown().serial_number

    kept.connect()
    before = kept.sock
    assert shown() == first.certificate.serial_number
    ca.folder.joinpath("server.pem").write_text("nonsense")
    until(lambda: shown() and "cannot be used" in service.service.process.log(), 30, "it is told")
    assert shown() == first.certificate.serial_number
    second = ca.server("server")
    until(lambda: shown() == second.certificate.serial_number, 30, "the new one is shown")
    assert kept.sock is before
    kept.close()


def test_a_certificate_of_the_service_itself(certwright, ca, pebble):
    """It is not there yet at the start, comes, is renewed, and survives a restart."""
    service = Listeners(certwright, {"tls": {"certificate": "door"}}, pebble=pebble).start()
    gap = service.shown()
    assert gap.issuer == gap.subject
    [pin] = [word[4:].strip('"') for line in service.service.process.log().splitlines()
             for word in line.split() if word.startswith("pin=")]
    # Reached over TLS to get it: the log has told which key to expect.
    code, status, _ = service.curl("/livez", "-k", "--pinnedpubkey", pin)
    assert (code, status) == (0, 200)
    assert service.curl("/livez", "-k", "--pinnedpubkey", "sha256//" + "A" * 43 + "=")[0] == 90
    api = service.service.api
    api.put_account()
    api.succeeded(api.post_certificate("localhost.example.com", name="door"))
    first = pem.load(api.pem("door", "cert.pem"))
    until(lambda: service.shown().serial_number == first.serial_number, 30, "it is shown")
    # Its names are served as Hosts.
    name = "localhost.example.com"
    at = ["--resolve", f"{name}:{service.tls_port}:127.0.0.1", "-k"]
    done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *at, "-H",
                           f"Authorization: Bearer {service.token}",
                           f"https://{name}:{service.tls_port}/certificates"],
                          capture_output=True, text=True, timeout=60)
    assert done.stdout == "200", done
    assert service.curl("/certificates", "-k", "-H", "Host: evil.example", token=True)[1] == 421
    assert api.get("/certificates", headers={"Host": name}).status == 421  # without TLS it is not
    api.succeeded(api.ok("POST", "/certificates/door/renew", {"force": True}))
    second = pem.load(api.pem("door", "cert.pem"))
    assert second.serial_number != first.serial_number
    until(lambda: service.shown().serial_number == second.serial_number, 30, "the new one is")
    service.service.restart()
    assert service.shown().serial_number == second.serial_number


def test_what_a_listener_shows_is_not_everybodys_to_make(certwright, ca, pebble):
    """Its name is free until it is issued; who took it would be the service to all who come."""
    service = Listeners(certwright, {"tls": {"certificate": "front"}}, pebble=pebble).start()
    api = service.service.api
    api.put_account()
    made = api.ok("POST", "/tokens", {"name": "ci", "scopes": ["certificates:issue"],
                                      "identifiers": ["*.ci.example.com"]})
    ci = Api(api.contract, api.port, made["token"])
    own = ca.server("own", "a.ci.example.com")
    spec = {"identifiers": ["a.ci.example.com"], "account": "main"}
    imported = {"certificate": own.cert_file.read_text(), "private_key": own.key_file.read_text()}
    before = service.shown()
    for answer in (ci.post("/certificates", {**spec, "name": "front"}),
                   ci.put("/certificates/front", spec),
                   ci.post("/imports", {**imported, "name": "front"})):
        assert answer.status == 403 and answer.json()["code"] == "auth.forbidden", answer
    assert ci.post("/imports", {**imported, "name": "other"}).status == 201
    assert service.shown() == before
    assert api.post("/imports", {**imported, "name": "front"}).status == 201
    until(lambda: service.shown() == own.certificate, 20, "the listener shows it")


def test_a_page_of_the_plain_site_may_not_write_to_the_secured_one(certwright, ca):
    service = Listeners(certwright, {"tls": with_files(ca.server())}).start()
    site = f"localhost:{service.tls_port}"
    for origin, status in ((f"http://{site}", 403), (f"https://{site}", 422)):
        code, answered, body = service.curl(
            "/certificates", "-H", f"Origin: {origin}", "--json", "{}", ca=ca, token=True)
        assert answered == status, (origin, body)


# who is slow, or many

def test_500_idle_connections(certwright, ca):
    service = Listeners(certwright, {"tls": with_files(ca.server())}).start()
    context = service.client(ca)
    request = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    idle = []
    try:
        for _ in range(500):
            connection = secured(service, context)
            idle.append(connection)
            connection.sendall(request)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        # Still there (the first ones may have been idle for long, where this machine is busy), and
        # no hindrance to others.
        for connection in idle[-50:]:
            connection.sendall(request)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert service.curl("/certificates", ca=ca, token=True)[1] == 200
        status = open(f"/proc/{service.service.process.popen.pid}/status").read()
        threads = int(status.split("Threads:")[1].split()[0])
        assert threads < 30
    finally:
        for connection in idle:
            connection.close()


def test_handshakes_that_do_not_go_on(certwright, ca):
    """More half-open connections than are kept: the oldest make room, others are served."""
    service = Listeners(certwright, {"tls": with_files(ca.server())}).start()
    half = [socket.create_connection(("127.0.0.1", service.tls_port), timeout=30)
            for _ in range(400)]
    try:
        for connection in half[::2]:
            connection.sendall(b"\x16\x03\x01\x02\x00")  # the beginning of a ClientHello
        for _ in range(5):
            assert service.curl("/livez", ca=ca)[:2] == (0, 200)
        gone = until(lambda: select.select(half, [], [], 0)[0], 30, "some have been ended")
        assert gone
        # And none is kept for longer than a handshake may take.
        until(lambda: len(select.select(half, [], [], 0)[0]) == len(half), 60, "all are ended")
    finally:
        for connection in half:
            connection.close()


def test_what_is_no_tls(certwright, ca):
    service = Listeners(certwright, {"tls": with_files(ca.server())}).start()
    for sent in (b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", os.urandom(2000), b"\x16\x03"):
        with socket.create_connection(("127.0.0.1", service.tls_port), timeout=30) as connection:
            connection.sendall(sent)
            try:
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has been closed already
            assert b"HTTP" not in read_all(connection)
    assert service.curl("/livez", ca=ca)[:2] == (0, 200)


def test_a_client_that_does_not_read(certwright, ca):
    """It holds what was made for it, and nobody else."""
    service = Listeners(certwright, {"tls": with_files(ca.server())}).start()
    context = service.client(ca)
    deaf = []
    for _ in range(20):
        connection = secured(service, context)
        connection.settimeout(0.2)
        try:
            for _ in range(200):
                connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        except (TimeoutError, OSError):
            pass
        deaf.append(connection)
    assert service.curl("/certificates", ca=ca, token=True)[1] == 200
    for connection in deaf:
        connection.close()
    assert service.curl("/certificates", ca=ca, token=True)[1] == 200


def test_a_half_close_still_gets_its_answer(certwright, ca):
    service = Listeners(certwright, {"tls": with_files(ca.server())}).start()
    # Python closes both ways; openssl sends close_notify at its input's end and reads on.
    code, told = s_client(service, "-quiet", "-ign_eof",
                          sent=b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert "HTTP/1.1 200" in told or "HTTP/1.0 200" in told, told


def test_the_end_comes_in_order(certwright, ca):
    """SIGTERM while clients wait over TLS: they are answered, and who is idle is let go."""
    dead = {"authorities": {"dead": {"directory_url": "https://127.0.0.1:1/dir"}}}
    service = Listeners(certwright, {"tls": with_files(ca.server())}, resources=dead).start()
    context = service.client(ca)
    idle = [secured(service, context) for _ in range(20)]
    waiting = []
    for i in range(5):
        connection = secured(service, context)
        body = json.dumps({"name": f"a{i}", "authority": "dead", "terms_of_service_agreed": True})
        connection.sendall(f"POST /accounts HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=30\r\n"
                           f"Authorization: Bearer {service.token}\r\nContent-Type: application/"
                           f"json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        waiting.append(connection)
    until(lambda: len(service.service.api.get("/jobs").json()["items"]) == 5, 30, "all are there")
    service.service.stop()
    for connection in waiting:
        assert read_all(connection).startswith(b"HTTP/1.1 202 ")
    for connection in idle:
        assert read_all(connection) == b""
    for connection in idle + waiting:
        connection.close()


# Unix sockets

def as_user(uid, gid, groups, argv):
    return subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={gid}",
                           f"--groups={','.join(map(str, groups))}" if groups else
                           "--clear-groups", *argv], capture_output=True, text=True, timeout=60)


@pytest.fixture
def open_folder():
    """Where other users come to; pytest closes its own folders to them whenever it starts."""
    with tempfile.TemporaryDirectory(prefix="certwright-") as path:
        os.chmod(path, 0o755)
        yield Path(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be others")
def test_users_of_a_unix_socket(certwright, open_folder):
    folder = open_folder
    service = Listeners(certwright, {
        "address": f"unix:{folder / 'api'}",
        "identities": [identity("web", uid=3001), identity("ops", gid=3002,
                                                           scopes=["accounts:read"])],
        "scopes": ["certificates:read", "accounts:read"]}).start()

    def status(path, uid, gid, *groups, token=None):
        words = ["-H", f"Authorization: Bearer {token}"] if token else []
        done = as_user(uid, gid, groups, ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}",
                                          *words, "--unix-socket", folder / "api",
                                          f"http://localhost{path}"])
        assert done.returncode == 0, done
        return int(done.stdout)

    assert status("/certificates", 3001, 3001) == 200
    assert status("/accounts", 3001, 3001) == 403
    assert status("/accounts", 3003, 3002) == 200       # by the primary group
    assert status("/accounts", 3003, 3003, 3002) == 200  # by another one
    assert status("/certificates", 3003, 3002) == 403
    assert status("/certificates", 3003, 3003) == 401
    assert status("/certificates", 3003, 3003, token=service.token) == 200
    assert status("/certificates", 0, 0) == 200
    assert status("/jobs", 0, 0) == 403  # the listener never grants it


# what is refused at the start

def check(tmp_path, *items):
    path = tmp_path / "certwright.json"
    path.write_text(json.dumps({"listen": list(items)}))
    return subprocess.run([BINARY, "check-config", path], capture_output=True, text=True,
                          timeout=30)


def test_all_mistakes_at_once(tmp_path):
    done = check(
        tmp_path,
        {"address": "0.0.0.0:1", "tls": {"certificate": "x", "cert_file": "/x"}},
        {"address": "0.0.0.0:2", "tls": {"cert_file": "x", "key_file": "/x"}},
        {"address": "0.0.0.0:3", "tls": {"certificate": "x", "client_certificate": "required"}},
        {"address": "unix:/x", "tls": {"certificate": "x"}},
        {"address": "0.0.0.0:4", "identities": [identity("x", uid=1), identity("x", san="dns:x"),
                                                identity("X", uid="root", gid=1)]},
        {"address": "unix:/y", "identities": [{"name": "x", "uid": -1, "scopes": []}],
         "scopes": ["everything"]},
        {"tls": {"certificate": "x", "colour": 1, "client_ca": "/x",
                 "client_certificate": "maybe"}},
        5, {"address": "unix:/z", "identities": [{"san": "x", "scopes": READ}]})
    assert done.returncode == 3
    for pointer in ("/0/tls:", "/1/tls/cert_file:", "/2/tls/client_certificate:", "/3/tls:",
                    "/4/identities/0/uid:", "/4/identities/1/san:", "/4/identities/2:",
                    "/4/identities/2/name:", "/5/identities/0/uid:", "/5/identities/0/scopes:",
                    "/5/scopes/0:", "/6/address:", "/6/tls/colour:", "/6/tls/client_certificate:",
                    "/7:", "/8/identities/0/name:", "/8/identities/0/san:"):
        assert f"/listen{pointer}" in done.stderr, (pointer, done.stderr)


@pytest.mark.parametrize("what", ["no file", "no certificate", "another key", "no CA"])
def test_files_that_do_not_do(certwright, ca, tmp_path, what):
    server, other = ca.server("server"), ca.server("other")
    if what == "no file":
        server.cert_file.unlink()
    elif what == "no certificate":
        server.cert_file.write_text("nonsense")
    elif what == "another key":
        server.key_file.write_text(other.key_file.read_text())
    more = {"client_ca": str(server.key_file)} if what == "no CA" else {}
    listener = {"tls": with_files(server, **more)}
    service = Listeners(certwright, listener)
    service.start(ready=False)
    assert service.service.process.wait(20) == 3
    assert "127.0.0.1" in service.service.process.log()
    done = check(tmp_path, "127.0.0.1:1", {"address": "127.0.0.1:2", **listener})
    member = {"no file": "/cert_file"}.get(what, "")
    assert done.returncode == 3 and f": /listen/1/tls{member}: " in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1


def test_every_file_that_is_not_there_is_told(tmp_path, ca):
    server = ca.server()
    files = {"cert_file": "/nowhere/a.pem", "key_file": "/nowhere/b.pem",
             "client_ca": "/nowhere/c.pem", "client_certificate": "required"}
    done = check(tmp_path, {"address": "127.0.0.1:1", "tls": files},
                 {"address": "127.0.0.1:2", "tls": {"certificate": "own", "client_ca":
                                                    str(server.key_file),
                                                    "client_certificate": "optional"}})
    assert done.returncode == 3 and done.stderr.count("\n") == 4
    for place in "/0/tls/cert_file:", "/0/tls/key_file:", "/0/tls/client_ca:", "/1/tls:":
        assert f": /listen{place} " in done.stderr, done.stderr
    good = with_clients(ca, "optional")
    assert check(tmp_path, {"address": "127.0.0.1:1", **good}).returncode == 0
