"""Requests that two parsers may read differently are refused, over a raw socket."""

import ctypes
import json
import socket
import subprocess

import pytest


def library_version():
    """(major, minor) of the libmicrohttpd that the program runs with."""
    library = ctypes.CDLL("libmicrohttpd.so.12")
    library.MHD_get_version.restype = ctypes.c_char_p
    return tuple(int(part) for part in library.MHD_get_version().decode().split(".")[:2])


@pytest.fixture
def talk(certwright):
    """talk(bytes) sends them on one connection and returns all that comes until it is closed."""
    service = certwright()

    def exchange(request, half_close=True):
        request = request.replace(b"TOKEN", service.api.token.encode())
        request = request.replace(b"SELF", f"127.0.0.1:{service.port}".encode())
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
            connection.sendall(request)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while True:
                try:
                    piece = connection.recv(65536)
                except ConnectionResetError:
                    return answer
                if not piece:
                    return answer
                answer += piece

    return exchange


HEAD = b"Host: SELF\r\nAuthorization: Bearer TOKEN\r\n"
JSON = b"Content-Type: application/json\r\n"
SMUGGLED = b"GET /livez HTTP/1.1\r\nHost: SELF\r\nConnection: close\r\n\r\n"


def refused(answer, status=400):
    """One answer of that status, which closes the connection; nothing after it."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer[:500]
    # libmicrohttpd 0.9 repeats the head of an error of its own; what follows it may be no success.
    assert b"HTTP/1.1 200" not in answer, "a second request was answered"
    lines = head.lower().split(b"\r\n")
    assert b"connection: close" in lines, head
    return body


@pytest.mark.smoke
@pytest.mark.parametrize("request_head", [
    b"POST /certificates HTTP/1.1\r\n" + HEAD + JSON
    + b"Content-Length: 2\r\nContent-Length: 37\r\n\r\n{}",
    b"POST /certificates HTTP/1.1\r\n" + HEAD + JSON
    + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"POST /certificates HTTP/1.1\r\n" + HEAD + JSON
    + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"POST /certificates HTTP/1.1\r\n" + HEAD + JSON
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"POST /certificates HTTP/1.0\r\n" + HEAD + JSON
    + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"GET /certificates HTTP/1.1\r\nHost: evil.example\r\n" + HEAD + b"\r\n",
    b"GET /certificates HTTP/1.1\r\nAuthorization: Bearer TOKEN\r\n\r\n",
    b"GET /certificates HTTP/1.1\r\nAuthorization: Bearer x\r\n" + HEAD + b"\r\n",
    b"GET /certificates%00/x HTTP/1.1\r\n" + HEAD + b"\r\n",
    b"GET /livez/%2e%2e/certificates HTTP/1.1\r\n" + HEAD + b"\r\n",
    b"GET /livez/../certificates HTTP/1.1\r\n" + HEAD + b"\r\n",
    b"GET http://SELF/certificates HTTP/1.1\r\n" + HEAD + b"\r\n",
    b"GET /certificates/%zz HTTP/1.1\r\n" + HEAD + b"\r\n",
], ids=["two-lengths", "length-and-chunked", "gzip", "chunked-twice", "chunked-in-1.0", "two-hosts",
        "no-host", "two-authorizations", "nul", "encoded-dots", "dots", "absolute-form",
        "bad-escape"])
def test_ambiguous_requests(talk, request_head):
    refused(talk(request_head + SMUGGLED))


def test_an_empty_segment_is_no_shorthand(talk):
    answer = talk(b"GET //certificates HTTP/1.1\r\nConnection: close\r\n" + HEAD + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 404 "), answer[:500]


def test_a_problem_says_why(talk):
    body = refused(talk(b"GET http://SELF/certificates HTTP/1.1\r\n" + HEAD + b"\r\n"))
    assert json.loads(body)["code"] == "request.malformed"


@pytest.mark.parametrize("request_head", [
    b"GET /certificates HTTP/1.1\n" + HEAD.replace(b"\r\n", b"\n") + b"\n",
    b"GET /certificates HTTP/1.1\r\n" + HEAD + b"X-A: 1\r\n 2\r\n\r\n",
    b"POST /certificates HTTP/1.1\r\n" + HEAD + JSON + b"Content-Length : 2\r\n\r\n{}",
], ids=["bare-lf", "folded", "space-before-colon"])
def test_what_only_the_librarys_parser_sees(talk, request_head):
    """From 1.0 on libmicrohttpd refuses these itself; 0.9 shows none of it to a handler."""
    answer = talk(request_head + SMUGGLED)
    if library_version() >= (1, 0):
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400 "), answer[:500]
    else:
        assert answer.startswith(b"HTTP/1.1 "), answer[:500]


@pytest.mark.parametrize("method", [b"TRACE", b"CONNECT", b"BREW", b"get"])
def test_methods_that_nobody_has(talk, method):
    answer = talk(method + b" /certificates HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n")
    assert answer[9:12] in (b"400", b"405", b"501"), answer[:500]


@pytest.mark.parametrize("header", [b"Sec-Fetch-Mode: no-cors", b"Origin: null"])
def test_browsers_tricks(talk, header):
    answer = talk(b"POST /certificates HTTP/1.1\r\n" + HEAD + JSON + header
                  + b"\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
    assert answer.startswith(b"HTTP/1.1 403 "), answer[:500]


def test_authentication_comes_before_the_body(talk):
    """A stranger's large body is not even asked for."""
    answer = talk(b"POST /certificates HTTP/1.1\r\nHost: SELF\r\n" + JSON
                  + b"Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n", half_close=False)
    refused(answer, 401)
    assert b"100 Continue" not in answer


def test_a_chunked_body_is_fine(talk):
    body = b'{"identifiers": []}'
    answer = talk(b"POST /certificates HTTP/1.1\r\n" + HEAD + JSON
                  + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                  + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    assert answer.startswith(b"HTTP/1.1 422 "), answer[:500]


def test_addresses_beyond_loopback_need_a_newer_library(certwright):
    service = certwright(start=False)
    at = service.process.argv.index("--listen") + 1
    service.process.argv[at] = service.process.argv[at].replace("127.0.0.1", "0.0.0.0")
    if library_version() >= (1, 0):
        service.start()
        assert service.api.get("/livez").status == 200
    else:
        service.start(ready=False)
        assert service.process.wait(10) not in (0, 99)
        assert "libmicrohttpd" in service.process.log()
    check = [service.process.argv[0], "check-config", service.config_path]
    for name, value in ("listen", ["0.0.0.0:1", "127.0.0.1:1"]), ("ops_listen", "0.0.0.0:1"):
        service.configure({name: value})
        done = subprocess.run(check, capture_output=True, text=True, timeout=30)
        is_new = library_version() >= (1, 0)
        assert (done.returncode, "libmicrohttpd" in done.stderr) == (0 if is_new else 3, not is_new)
    service.configure({"http01_listen": "0.0.0.0:1"})  # what it serves is everybody's
    assert subprocess.run(check, timeout=30).returncode == 0
