"""A CA whose bytes are the harm: endless, giant, cut, redirected, nested, from another server."""

import datetime
import gzip
import ipaddress
import json
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from fake_ca_script import problem, raw
from hostile import hostile, world  # noqa: F401: fixtures
from pebble import make_server_certificate

ENDPOINTS = ["/dir", "/nonce", "/new-account", "/new-order", "/authz", "/chall", "/finalize",
             "/order", "/cert"]
FOR_ACCOUNTS = ENDPOINTS[:3]
STARTS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def job_at(world, endpoint):  # noqa: F811
    """A job that comes by that endpoint."""
    return world.post_account() if endpoint in FOR_ACCOUNTS else world.post()


def before_account(world, endpoint):  # noqa: F811
    """Registers first where the account is not what is to fail."""
    if endpoint not in FOR_ACCOUNTS:
        world.register()
    if endpoint == "/order":
        world.ca.processing_polls = 1


# redirects

@pytest.mark.parametrize("status", [301, 307])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_redirects_lead_nowhere(hostile, endpoint, status):
    before_account(hostile, endpoint)
    hostile.ca.answer[endpoint] = (status, {"Location": f"{hostile.ca.base}/elsewhere"}, b"")
    hostile.ca.wire["/elsewhere"] = lambda handler: None
    if endpoint == "/nonce":
        # Nothing else gives one.
        hostile.ca.answer["/dir"] = raw(200, {"Replay-Nonce": None}, hostile.ca.directory())
    hostile.fails("ca.protocol", f"redirects, which is not followed: HTTP status {status}",
                  job=job_at(hostile, endpoint))
    assert "/elsewhere" not in [path for _, path, _ in hostile.ca.requests]


# bytes

def endless_chunks(handler):
    handler.wfile.write(STARTS + b"Transfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    for _ in range(1000):
        handler.wfile.write(chunk)


def endless_length(handler):
    handler.wfile.write(STARTS + b"Content-Length: 10000000000000\r\n\r\n")
    for _ in range(1000):
        handler.wfile.write(b"x" * 0x10000)


def endless_without_length(handler):
    handler.wfile.write(STARTS + b"Connection: close\r\n\r\n")
    for _ in range(1000):
        handler.wfile.write(b"x" * 0x10000)


def giant_header(handler):
    handler.wfile.write(STARTS + b"X-Long: ")
    for _ in range(1000):
        handler.wfile.write(b"x" * 0x10000)


def many_headers(handler):
    handler.wfile.write(STARTS)
    for i in range(100000):
        handler.wfile.write(b"X-%d: some value of no interest to anybody\r\n" % i)
    handler.wfile.write(b"\r\n")


def interim_answers(handler):
    for i in range(100000):
        handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\nX-Hint: %d\r\n\r\n" % i)


def cut_in_the_body(handler):
    handler.wfile.write(STARTS + b"Content-Length: 1000\r\n\r\n{\"status\":")


def cut_in_the_headers(handler):
    handler.wfile.write(STARTS)


def nothing(handler):
    pass


def no_http(handler):
    handler.wfile.write(b"220 mail.example.com ESMTP\r\n" * 1000)


def bad_chunks(handler):
    handler.wfile.write(STARTS + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\nx\r\n")


def two_lengths(handler):
    handler.wfile.write(STARTS + b"Content-Length: 5\r\nContent-Length: -1\r\n\r\n{}")


BYTES = {
    endless_chunks: ("ca.protocol", "body is too large"),
    endless_length: ("ca.protocol", "too large"),
    endless_without_length: ("ca.protocol", "body is too large"),
    giant_header: ("ca.protocol", ""),
    many_headers: ("ca.protocol", "header block is too large"),
    interim_answers: ("ca.protocol", ""),
    cut_in_the_body: ("ca.unreachable", ""),
    cut_in_the_headers: ("ca.unreachable", ""),
    nothing: ("ca.unreachable", ""),
    no_http: ("ca.protocol", ""),
    bad_chunks: ("ca.", ""),
    two_lengths: ("ca.protocol", ""),
}


@pytest.mark.parametrize("endpoint", ["/dir", "/new-order", "/cert"])
@pytest.mark.parametrize("how", BYTES, ids=lambda how: how.__name__)
def test_bytes_that_are_no_answer(hostile, endpoint, how):
    code, words = BYTES[how]
    before_account(hostile, endpoint)
    hostile.ca.wire[endpoint] = how
    job = hostile.api.failed(job_at(hostile, endpoint))
    assert job["error"]["code"].startswith(code), job["error"]
    assert words in job["error"]["detail"], job["error"]


@pytest.mark.long
def test_a_drop_a_second(hostile):
    """The whole call has 30 seconds, however busy the line is."""
    hostile.register()

    def drip(handler):
        handler.wfile.write(STARTS + b"Content-Length: 1000\r\n\r\n")
        for _ in range(120):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(1)

    hostile.ca.wire["/new-order"] = drip
    job = hostile.api.failed(hostile.post(), seconds=90)
    assert job["error"]["code"] == "ca.timeout"


# bodies

def deep(what):
    opening, closing = {"array": ("[", "]"), "object": ('{"a":', "}")}[what]
    middle = "1" if what == "object" else ""
    return ('{"status":' + opening * 10000 + middle + closing * 10000 + "}").encode()


BODIES = {
    "empty": b"",
    "deep arrays": deep("array"),
    "deep objects": deep("object"),
    "a million objects": b'{"x":[' + b"{}," * 340000 + b"{}]}",
    "a million arrays": b'{"x":[' + b"[]," * 340000 + b"[]]}",
    "a hundred thousand members": ("{" + ",".join(f'"{i}":0' for i in range(80000)) + "}").encode(),
    "invalid UTF-8": b'{"status":"\xff\xfe","finalize":"\xc0\xaf"}',
    "a NUL": b'{"status":"pending"\0}',
    "two documents": b'{"status":"pending"}{}',
    "an array": b'["pending"]',
    "a string": b'"pending"',
    "NaN": b'{"status":NaN}',
    "a great number": b'{"status":' + b"9" * 100000 + b"}",
    "HTML": b"<html><body>502 Bad Gateway</body></html>",
    "a gzip bomb": gzip.compress(b"0" * 10_000_000),
}


@pytest.mark.parametrize("what", BODIES)
def test_bodies_that_are_no_order(hostile, what):
    hostile.register()
    headers = {"Location": f"{hostile.ca.base}/order/1"}
    if "gzip" in what:
        headers["Content-Encoding"] = "gzip"
    hostile.ca.script("/new-order", raw(201, headers, BODIES[what]))
    hostile.fails("ca.protocol", step="order")


@pytest.mark.parametrize("what", ["deep arrays", "a million objects", "empty", "a gzip bomb"])
@pytest.mark.parametrize("status", [400, 403, 500])
def test_refusals_that_are_no_problems(hostile, what, status):
    hostile.register()
    hostile.ca.script("/new-order", raw(status, {"Content-Type": "application/problem+json"},
                                        BODIES[what]))
    hostile.fails("ca.server_internal" if status == 500 else "ca.protocol",
                  f"HTTP status {status} without a problem document", step="order")


def test_a_problem_of_ten_megabytes(hostile):
    hostile.register()
    hostile.ca.script("/new-order", problem("malformed", "x" * 10_000_000))
    hostile.fails("ca.protocol", "too large", step="order")


def test_a_problem_that_says_it_worked(hostile):
    """A status of 200 is an answer, and that is no order."""
    hostile.register()
    hostile.ca.script("/new-order", raw(200, {"Location": f"{hostile.ca.base}/order/1"},
                                        json.dumps({"type": "about:blank"}).encode()))
    hostile.fails("ca.protocol", step="order")


# nonces

NONCES = {"a control character": "abc\x01def", "an escape": "\x1b[2J", "empty": "",
          "a blank": "a b", "600 bytes": "x" * 600, "not base64url": "a+b/c=="}


@pytest.mark.parametrize("what", NONCES)
def test_nonces_that_are_none(hostile, what):
    """They are not sent back; where no good one is to be had the job says so."""
    hostile.register()
    bad = {"Replay-Nonce": NONCES[what]}
    hostile.ca.answer["/nonce"] = lambda _: (200, bad, b"")
    hostile.ca.answer["/new-order"] = lambda _: (400, bad, {
        "type": "urn:ietf:params:acme:error:badNonce", "detail": "stale"})
    hostile.fails("ca.protocol", "no usable Replay-Nonce", step="order")


def test_a_nonce_of_100_kilobytes(hostile):
    hostile.register()
    hostile.ca.answer["/new-order"] = lambda _: (200, {"Replay-Nonce": "x" * 100000}, b"{}")
    hostile.fails("ca.protocol", step="order")


def test_nonces_that_never_count(hostile):
    """Nine tries, then the job fails like others."""
    hostile.register()
    hostile.ca.answer["/new-order"] = lambda _: (400, {}, {
        "type": "urn:ietf:params:acme:error:badNonce", "detail": "stale"})
    hostile.fails("ca.bad_nonce", step="order")
    assert len(hostile.ca.posts("/new-order")) == 9


def test_no_nonce_at_all(hostile):
    hostile.ca.answer["/nonce"] = lambda _: (200, {"Replay-Nonce": None}, b"")
    hostile.ca.answer["/dir"] = lambda _: (200, {"Replay-Nonce": None}, hostile.ca.directory())
    hostile.fails("ca.protocol", "no usable Replay-Nonce", job=hostile.post_account())


# TLS

def certificate_of(folder, name, expired=False):
    """A certificate by the CA of that folder, and its key."""
    made, key = folder / "bad.pem", folder / "server.key"
    ca = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    ca_key, own = (serialization.load_pem_private_key(file.read_bytes(), None)
                   for file in (folder / "ca.key", key))
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=-1 if expired else 1)
    certificate = (x509.CertificateBuilder().subject_name(ca.subject).issuer_name(ca.subject)
                   .public_key(own.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(end - datetime.timedelta(days=3)).not_valid_after(end)
                   .add_extension(x509.SubjectAlternativeName([name]), False)
                   .sign(ca_key, hashes.SHA256()))
    made.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return made, key


@pytest.fixture
def tls(hostile):
    """tls(certificate, key): what the hostile CA shows from now on, until the test ends."""
    folder = hostile.ca.ca.parent
    context = hostile.ca.server.socket.context
    yield context.load_cert_chain
    context.load_cert_chain(folder / "server.pem", folder / "server.key")


@pytest.mark.parametrize("what", ["another root", "another name", "expired"])
def test_tls_that_proves_nothing(hostile, tls, tmp_path, what):
    folder = hostile.ca.ca.parent
    if what == "another root":
        _, certificate, key = make_server_certificate(tmp_path)
    elif what == "another name":
        certificate, key = certificate_of(folder, x509.DNSName("ca.example.com"))
    else:
        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        certificate, key = certificate_of(folder, loopback, expired=True)
    tls(certificate, key)
    hostile.fails("ca.tls_failed", job=hostile.post_account())
    assert hostile.ca.requests == []
