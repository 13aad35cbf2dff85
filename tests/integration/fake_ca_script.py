"""
What a test tells the fake CA to say: ca.script("/new-order", problem("rateLimited"), usual(),
lose()) is what happens to the first, second and third request to such a path; then all is as usual.
"""

import datetime
import email.utils
import json
import threading

URN = "urn:ietf:params:acme:error:"
STATUS = {"rateLimited": 429, "serverInternal": 500, "orderNotReady": 403, "unauthorized": 403,
          "userActionRequired": 403, "rejectedIdentifier": 403, "alreadyReplaced": 409,
          "conflict": 409, "externalAccountRequired": 403, "caa": 403}


class Answer:
    """
    Sent instead of the CA's own: body is bytes, or an object for JSON; a header that is None is
    left out, Content-Length included; one may be a function that gives it. does: the request takes effect all the same. cut: so many
    bytes of the body are sent, then the connection ends.
    """

    def __init__(self, status, headers=None, body=b"", *, does=False, cut=None):
        self.status, self.headers, self.body = status, dict(headers or {}), body
        self.does, self.cut = does, cut

    def data(self):
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Usual:
    """The CA's own answer, perhaps after release(), cut short, or not at all."""

    def __init__(self, *, lost=False, cut=None, held=False, headers=None):
        self.lost, self.cut, self.headers = lost, cut, headers or {}
        self.gate = threading.Event()
        if not held:
            self.gate.set()

    def release(self):
        self.gate.set()


def usual(**headers):
    """As if nothing was scripted, for the requests in between; headers="…": more of them."""
    return Usual(headers={name.replace("_", "-"): value for name, value in headers.items()})


def raw(status, headers=None, body=b"", **how):
    return Answer(status, headers, body, **how)


def lose():
    """Does what was asked, but the answer gets lost."""
    return Usual(lost=True)


def truncate(size=20):
    """Does what was asked, but the answer ends after so many bytes."""
    return Usual(cut=size)


def held():
    """Does what was asked once the test has called release() of what this returns."""
    return Usual(held=True)


def retry_after(value):
    """The header's value: seconds, or a datetime or timedelta from now for the form of a date."""
    if isinstance(value, datetime.timedelta):
        value = datetime.datetime.now(datetime.timezone.utc) + value
    if isinstance(value, datetime.datetime):
        return email.utils.format_datetime(value, usegmt=True)
    return str(value)


def document(kind, detail="so says the test", **members):
    """A problem as it stands in an object's error; members with the value None are left out."""
    type_ = kind if ":" in kind else URN + kind
    every = {"type": type_, "detail": detail, **members}
    return {name: value for name, value in every.items() if value is not None}


def subproblem(kind, value, detail="so says the test", type_="dns"):
    return document(kind, detail, identifier={"type": type_, "value": value})


def problem(kind, detail="so says the test", *, status=None, after=None, links=None, headers=None,
            does=False, **members):
    """
    A refusal. after: its Retry-After. links: {relation: URL}. members: of the document, such as
    subproblems, algorithms or instance; told_status=None leaves its status out.
    """
    status = status or STATUS.get(kind, 400)
    out = {"Content-Type": "application/problem+json"}
    if after is not None:
        out["Retry-After"] = lambda: retry_after(after)  # a date counts from the answer
    if links:
        out["Link"] = ", ".join(f'<{url}>;rel="{name}"' for name, url in links.items())
    members.setdefault("status", members.pop("told_status", status))
    return Answer(status, {**out, **(headers or {})}, document(kind, detail, **members), does=does)


def paused(url="https://ca.invalid/sfe/v1/unpause?jwt=eyJ0.e30.c2ln"):
    """What Let's Encrypt says of an account that failed too often."""
    return problem("rateLimited", "Your account is temporarily prevented from requesting "
                   f"certificates for n.example.com. Please visit: {url}")


def user_action(instance="https://ca.invalid/agree", terms="https://ca.invalid/terms-2"):
    """The terms have changed (RFC 8555 section 7.3.3)."""
    return problem("userActionRequired", "Terms of service have changed", instance=instance,
                   links={"terms-of-service": terms})


class Script:
    def __init__(self):
        self.lines = []  # (path prefix, [what is to come])

    def add(self, prefix, *what):
        self.lines.append((prefix, list(what)))

    def take(self, path):
        """What is next for that path, used up by this; None: nothing was scripted."""
        for prefix, what in self.lines:
            if path.startswith(prefix) and what:
                return what.pop(0)
        return None

    @property
    def rest(self):
        return [(prefix, what) for prefix, what in self.lines if what]
