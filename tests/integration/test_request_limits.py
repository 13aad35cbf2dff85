"""A client that sends too much is told so, and others are not."""

import contextlib
import os
import select
import socket

from api import Api
from process import until
from sse import Stream

LIMITED = {"per_second": 1, "burst": 5, "failures_per_minute": 3}


def pipelined(service, count, token):
    """The answers to so many requests that are sent at once, as (status, Retry-After)."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    one = f"GET /certificates HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n"
    last = one.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall((one * (count - 1) + last).encode())
        text = b""
        while piece := connection.recv(65536):
            text += piece
    heads = [part.split("\r\n\r\n")[0] for part in text.decode().split("HTTP/1.1 ")[1:]]
    return [(int(head[:3]), [line.split(": ")[1] for line in head.split("\r\n")
                             if line.startswith("Retry-After")]) for head in heads]


def test_a_client_has_its_share(certwright):
    service = certwright(request_limits=LIMITED)
    answers = pipelined(service, 60, service.api.token)
    assert len(answers) == 60
    assert [status for status, _ in answers[:5]] == [200] * 5
    assert {status for status, _ in answers} == {200, 429}
    assert all(after == ["1"] for status, after in answers if status == 429)
    # Another client is another one.
    if os.geteuid() == 0:
        assert Api(service.contract, unix=service.socket).get("/certificates").status == 200
    # The ops listener knows no limit.
    assert all(service.ops("/readyz")[0] == 200 for _ in range(20))


def test_the_problem_says_when(certwright):
    service = certwright(request_limits=LIMITED)
    for _ in range(50):
        answer = service.api.get("/jobs")
        if answer.status == 429:
            break
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["retryable"]) == (429, "busy", True)
    assert "token:admin" in problem["detail"] and answer.headers["Retry-After"] == "1"


def test_who_fails_to_authenticate(certwright):
    """It costs its sender; a good token from the same address passes."""
    service = certwright(request_limits={"failures_per_minute": 3})
    answers = pipelined(service, 10, "x" * 40)
    assert [status for status, _ in answers[:3]] == [401] * 3
    assert answers[-1][0] == 429 and 1 <= int(answers[-1][1][0]) <= 20
    assert pipelined(service, 10, None)[-1][0] == 429
    assert service.api.get("/certificates").status == 200


def another(service):
    """The API with a token of another name."""
    made = service.api.ok("POST", "/tokens", {"name": "other", "scopes": ["admin"]})
    return Api(service.contract, service.port, made["token"])


def test_streams_of_a_client(certwright):
    """One that has its share is told so, others are served; one that vanishes is not counted."""
    service = certwright(request_limits={"streams": 2})
    with contextlib.ExitStack() as opened:
        def stream(api):
            one = Stream(api, "/events").open()
            opened.callback(one.close)
            return one

        first = stream(service.api)
        assert [first.status, stream(service.api).status] == [200, 200]
        events = {"headers": {"Accept": "text/event-stream"}}
        # Its header alone is waited for: a stream that is not refused has no end.
        assert stream(service.api).status == 429
        refused = service.api.get("/events", **events)
        assert refused.status == 429 and refused.headers["Retry-After"] == "10"
        assert refused.json()["code"] == "busy" and "token:admin has" in refused.json()["detail"]
        assert stream(another(service)).status == 200
        assert service.api.get("/events").status == 200
        first.close()
        until(lambda: stream(service.api).status == 200, 90, "who is gone makes room")
        assert stream(service.api).status == 429


def wait_for(service, job, seconds):
    """A connection on which the job's end is waited for."""
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=60)
    connection.sendall((f"GET /jobs/{job['id']} HTTP/1.1\r\nHost: localhost\r\n"
                        f"Authorization: Bearer {service.api.token}\r\n"
                        f"Prefer: wait={seconds}\r\n\r\n").encode())
    return connection


def until_refused(service, job, waits):
    """The answer to one wait more than those, which are sent again if that one came before them."""
    def refused():
        for answered in select.select(waits, [], [], 0)[0]:
            answered.close()
            waits[waits.index(answered)] = wait_for(service, job, 30)
        answer = service.api.get(f"/jobs/{job['id']}", headers={"Prefer": "wait=1"})
        return answer.status == 429 and answer

    return until(refused, 25, "all of them are counted")


def test_long_polls_of_a_client(certwright):
    gone = {"directory_url": "https://127.0.0.1:1/dir", "test": True}
    service = certwright(resources={"authorities": {"gone": gone}}, request_limits={"waits": 2})
    api = service.api
    job = api.ok("POST", "/accounts", {"name": "main", "authority": "gone"})
    wait = {"headers": {"Prefer": "wait=1"}}
    waits = [wait_for(service, job, 30), wait_for(service, job, 30)]
    try:
        refused = until_refused(service, job, waits)
        assert refused.headers["Retry-After"] == "10" and "token:admin" in refused.json()["detail"]
        # What is refused has not been done; without the wish to wait it is.
        body = {"name": "more", "authority": "gone"}
        assert api.post("/accounts", body, **wait).status == 429
        assert api.post("/accounts", body).status == 202
        assert another(service).get(f"/jobs/{job['id']}", **wait).status == 200
        # Those that are answered make room.
        api.ok("POST", f"/jobs/{job['id']}/cancel")
        assert waits[0].recv(12) == b"HTTP/1.1 200"
        until(lambda: api.get(f"/jobs/{job['id']}", **wait).status == 200, 30, "there is room")
    finally:
        for one in waits:
            one.close()


def test_limits_can_be_lifted(certwright):
    service = certwright(request_limits={"per_second": 0, "failures_per_minute": 0})
    assert {status for status, _ in pipelined(service, 200, service.api.token)} == {200}
    assert {status for status, _ in pipelined(service, 200, "x")} == {401}


def test_they_are_read_strictly(certwright):
    service = certwright(start=False, request_limits={"per_second": -1, "burst": 0, "x": 1,
                                                      "streams": -1, "waits": "two",
                                                      "failures_per_minute": "many"})
    service.start(ready=False)
    assert service.process.wait(20) == 3
    for member in ("per_second", "burst", "x", "streams", "waits", "failures_per_minute"):
        assert f"/request_limits/{member}: " in service.process.log()
