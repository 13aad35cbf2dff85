"""tls-alpn-01 (RFC 8737, RFC 8738): from orders at Pebble down to the bytes of the handshake."""

import contextlib
import ipaddress
import json
import socket
import ssl
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

import pem
from fake_ca import FakeCa
from process import free_port, until
from service import BINARY

ALPN = "acme-tls/1"
BY_TLS = {"type": "tls-alpn-01"}


@pytest.fixture
def tls_port():
    return free_port()


@pytest.fixture
def listening(certwright, tls_port):
    """listening(pebble, …): a service whose tls-alpn-01 listener is at tls_port."""
    def make(ca=None, host="127.0.0.1", **how):
        return certwright(ca, tls_alpn01_listen=f"{host}:{tls_port}", **how)
    return make


@pytest.fixture
def pebble_by_tls(pebble_with, tls_port):
    return pebble_with(config={"tlsPort": tls_port})


@pytest.fixture
def waiting(listening, tmp_path):
    """A service with an order that waits: its names' challenges are up, and are not looked at."""
    ca = FakeCa(tmp_path / "ca").start()
    ca.challenge_types = ["new-01", "tls-alpn-01"]
    ca.hold("/chall/")
    service = listening(ca)
    service.api.put_account()
    yield ca, service
    ca.release("/chall/")
    ca.stop()


def handshake(port, name, alpn=(ALPN,), version=None, host="127.0.0.1"):
    """(certificate as DER, protocol chosen)"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(alpn)
    with socket.create_connection((host, port), timeout=5) as connection, \
            context.wrap_socket(connection, server_hostname=name) as tls:
        chosen, der = tls.selected_alpn_protocol(), tls.getpeercert(True)
        assert tls.recv(1) == b""  # nobody speaks after the handshake
        return der, chosen


def is_up(port, name):
    with contextlib.suppress(OSError):
        return handshake(port, name)
    return None


def digest_of(certificate):
    [extension] = [e for e in certificate.extensions if e.oid.dotted_string == "1.3.6.1.5.5.7.1.31"]
    assert extension.critical
    return extension.value.value


@pytest.mark.smoke
def test_dns_names(listening, pebble_by_tls, names):
    api = listening(pebble_by_tls).api
    api.put_account()
    wanted = names(3)
    job = api.succeeded(api.post_certificate(*wanted, challenge=BY_TLS))
    assert {i["challenge"]["type"] for i in job["identifiers"]} == {"tls-alpn-01"}
    assert {i["challenge"]["solver"] for i in job["identifiers"]} == {"tls-alpn-01"}
    assert all(i["challenge"]["record"] is None for i in job["identifiers"])
    leaf = pem.load(api.pem(sorted(wanted)[0], "cert.pem"))
    assert pem.names_of(leaf) == sorted(wanted)


@pytest.mark.parametrize("address, host", [
    ("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("127.0.0.1", "[::]"), ("::1", "[::]")])
def test_addresses(listening, pebble_by_tls, address, host):
    api = listening(pebble_by_tls, host=host).api
    api.put_account()
    job = api.succeeded(api.post_certificate(address, challenge=BY_TLS))
    leaf = pem.load(api.pem(job["resource"]["name"], "cert.pem"))
    assert pem.names_of(leaf) == [address]


def test_what_goes_up_comes_down(listening, pebble_by_tls, names, tls_port):
    api = listening(pebble_by_tls).api
    api.put_account()
    [name] = names()
    api.succeeded(api.post_certificate(name, challenge=BY_TLS))
    until(lambda: not is_up(tls_port, name), 20, "the answer is gone")


def test_the_certificate_in_the_handshake(waiting, tls_port, names):
    ca, service = waiting
    [name] = names()
    api = service.api
    job = api.post_certificate(name, "192.0.2.1", "2001:db8::1", challenge=BY_TLS)
    until(lambda: ca.posts("/chall/"), 20, "the CA is asked to look")
    reverse = {name: name, "192.0.2.1": "1.2.0.192.in-addr.arpa",
               "2001:db8::1": ipaddress.ip_address("2001:db8::1").reverse_pointer}
    for wanted, server_name in reverse.items():
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            der, chosen = handshake(tls_port, server_name.upper(), version=version)
            assert chosen == ALPN
        certificate = x509.load_der_x509_certificate(der)
        assert certificate.issuer == certificate.subject
        assert pem.names_of(certificate) == [wanted]
        digest = digest_of(certificate)
        assert digest[:2] == b"\x04\x20" and len(digest) == 34
    out = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{tls_port}", "-servername", name,
         "-alpn", ALPN], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    assert f"ALPN protocol: {ALPN}" in out.stdout, out
    # More than one protocol, as long as ours is among them.
    assert handshake(tls_port, name, ("h2", ALPN))[1] == ALPN
    ca.release("/chall/")
    ca.hold("/chall/")
    assert api.job(job)["state"] not in ("failed", "cancelled")


def test_the_digest_is_of_the_key_authorization(waiting, tls_port, names):
    ca, service = waiting
    [name] = names()
    service.api.post_certificate(name, challenge=BY_TLS)
    until(lambda: ca.posts("/chall/"), 20, "the CA is asked to look")
    thumbprint = service.api.ok("GET", "/accounts/main")["key"]["thumbprint"]
    [order] = service.api.ok("GET", "/orders")["items"]
    [token] = {c["token"] for a in order["authorizations"] for c in a["ca_object"]["challenges"]
               if c["type"] == "tls-alpn-01"}
    want = hashes.Hash(hashes.SHA256())
    want.update(f"{token}.{thumbprint}".encode())
    der, _ = handshake(tls_port, name)
    assert digest_of(x509.load_der_x509_certificate(der)) == b"\x04\x20" + want.finalize()


def test_other_handshakes_are_refused(waiting, tls_port, names):
    ca, service = waiting
    [name] = names()
    service.api.post_certificate(name, challenge=BY_TLS)
    until(lambda: ca.posts("/chall/"), 20, "the CA is asked to look")
    for what in ({"alpn": ("http/1.1",)}, {"alpn": ()}, {"name": "other.example.com"},
                 {"name": None}):
        with pytest.raises(OSError):
            handshake(tls_port, **{"name": name, **what})
    old = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{tls_port}", "-servername", name,
         "-alpn", ALPN, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    assert old.returncode != 0
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(70000), b"\x00"):
        with socket.create_connection(("127.0.0.1", tls_port), timeout=15) as peer:
            with contextlib.suppress(OSError):
                peer.sendall(garbage)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(4096):
                    pass
    assert handshake(tls_port, name)[1] == ALPN


def test_idle_peers_keep_nobody_out(waiting, tls_port, names):
    ca, service = waiting
    [name] = names()
    service.api.post_certificate(name, challenge=BY_TLS)
    until(lambda: ca.posts("/chall/"), 20, "the CA is asked to look")
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", tls_port), timeout=15))
                for _ in range(100)]
        assert handshake(tls_port, name)[1] == ALPN
        idle[0].settimeout(20)
        assert idle[0].recv(1) == b""  # the oldest went first
        # The newest is given up as well, once its time is over.
        idle[-1].settimeout(20)
        assert idle[-1].recv(1) == b""


def test_it_is_answered_again_after_a_restart(waiting, tls_port, names):
    ca, service = waiting
    [name] = names()
    job = service.api.post_certificate(name, challenge=BY_TLS)
    until(lambda: ca.posts("/chall/"), 20, "the CA is asked to look")
    before = digest_of(x509.load_der_x509_certificate(handshake(tls_port, name)[0]))
    service.kill()
    service.start()
    after = digest_of(x509.load_der_x509_certificate(handshake(tls_port, name)[0]))
    assert before == after
    assert service.api.job(job)["state"] not in ("failed", "cancelled")


def test_two_orders_for_one_name_take_turns(listening, pebble_by_tls, names):
    api = listening(pebble_by_tls).api
    api.put_account()
    shared, one, two = names(3)
    jobs = [api.post_certificate(shared, own, name=own, challenge=BY_TLS) for own in (one, two)]
    for job in jobs:
        api.succeeded(job)


def test_it_is_chosen_where_the_ca_offers_nothing_over_http(waiting, names):
    ca, service = waiting
    [name] = names()
    job = service.api.post_certificate(name)
    until(lambda: ca.posts("/chall/"), 20, "the CA is asked to look")
    [identifier] = service.api.job(job)["identifiers"]
    assert identifier["challenge"]["type"] == "tls-alpn-01"


def test_a_solver_of_that_type_takes_its_zones(listening, pebble_by_tls, names, tls_port):
    """Beside one for http-01 with a name of its own."""
    by_tls, by_http = names(2)
    api = listening(pebble_by_tls, resources={"solvers": {
        "tls": {"type": "tls-alpn-01", "zones": [by_tls]},
        "web": {"type": "http-01", "zones": [by_http]}}}).api
    api.put_account()
    job = api.succeeded(api.post_certificate(by_tls, by_http))
    used = {i["value"]: i["challenge"]["solver"] for i in job["identifiers"]}
    assert used == {by_tls: "tls", by_http: "web"}
    for name in by_tls, by_http:
        assert is_up(tls_port, name) is None
    assert api.ok("GET", "/jobs?kind=challenge.cleanup")["items"] == []


def refused(api, pointer, **body):
    answer = api.post("/certificates", {"account": "main", **body})
    assert answer.status == 422, answer
    [error] = [e for e in answer.json()["errors"] if e["pointer"] == pointer]
    return error["detail"]


def test_without_a_listener_it_is_refused_at_once(certwright, pebble, names):
    api = certwright(pebble).api
    api.put_account()
    detail = refused(api, "/challenge/type", identifiers=names(), challenge=BY_TLS)
    assert "tls_alpn01_listen" in detail
    detail = refused(api, "/challenge/solver", identifiers=names(),
                     challenge={**BY_TLS, "solver": "tls-alpn-01"})
    assert "tls_alpn01_listen" in detail


def test_a_wildcard_is_refused_at_once(listening, pebble):
    api = listening(pebble).api
    api.put_account()
    detail = refused(api, "/challenge/type", identifiers=["*.wild.example.com"], challenge=BY_TLS)
    assert "*.wild.example.com" in detail


def test_the_environment_says_where_to_listen(certwright, pebble, tls_port, names):
    service = certwright(pebble, env={"CERTWRIGHT_TLS_ALPN01_LISTEN": f"127.0.0.1:{tls_port}"})
    assert not is_up(tls_port, "nobody.example.com")
    with socket.create_connection(("127.0.0.1", tls_port), timeout=5):
        pass
    assert "tls-alpn-01" in service.process.log()


def test_the_check_of_a_config_misses_no_listener(tmp_path):
    config = {"resources": {"certificates": {"site": {
        "identifiers": ["a.example.com"], "account": "main", "challenge": BY_TLS}}}}
    path = tmp_path / "certwright.json"

    def check():
        path.write_text(json.dumps(config))
        return subprocess.run([BINARY, "check-config", path], capture_output=True, text=True,
                              timeout=20)

    done = check()
    assert done.returncode != 0 and "tls_alpn01_listen" in done.stderr
    assert "/resources/certificates/site/challenge/type" in done.stderr
    config["tls_alpn01_listen"] = "127.0.0.1:0"
    assert check().returncode == 0
