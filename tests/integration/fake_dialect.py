"""
The fake CA in another dialect: all that RFC 8555 leaves open, or that servers in use do in spite of
it (smallstep, Sectigo, ZeroSSL, Boulder behind proxies), each a quirk that a test may choose alone.
"""

import datetime

from fake_ca import FakeCa
from fake_ca_objects import Objects
from fake_ca_script import Answer

QUIRKS = {
    "empty account": "no body for newAccount, account updates and keyChange",
    "blank account": "these bodies are a line break",
    "no orders": "an account without `orders`",
    "bare list": "the list of orders is a bare array",
    "no status": "problems have no `status`",
    "no words": "problems have nothing but a type",
    "empty meta": "the directory's `meta` is {}",
    "odd meta": "`meta` is not even an object",
    "unknown members": "members that no RFC has, in every object, and challenges without a token",
    "handed back": "an identical order is handed back with 200",
    "ready": "a new order is ready at once: the names were proven before",
    "processing": "finalize's answer is `processing`",
    "date": "Retry-After is an HTTP-date",
    "lower case": "header names are in lower case",
    "text": "lines of text around the certificates, CRLF at the end of each line",
    "parameters": "media types come with a charset, or wrong",
    "no links": "no Link headers at all",
}


class DialectObjects(Objects):
    def account_body(self, account):
        if "empty account" in self.ca.quirks:
            return b""
        if "blank account" in self.ca.quirks:
            return b"\r\n"
        shown = self.show_account(account)
        if "no orders" in self.ca.quirks:
            del shown["orders"]
        return shown

    def new_account(self, jws):
        status, headers, _ = super().new_account(jws)
        return status, headers, self.account_body(self.account_by_url(headers["Location"]))

    def account(self, jws, account):
        super().account(jws, account)
        return 200, {}, self.account_body(account)

    def key_change(self, jws, account):
        answer = super().key_change(jws, account)
        return answer if isinstance(answer, Answer) else (200, {}, self.account_body(account))

    def orders_of(self, account):
        status, headers, body = super().orders_of(account)
        return status, headers, body["orders"] if "bare list" in self.ca.quirks else body

    def new_order(self, jws, account):
        if "handed back" in self.ca.quirks:
            for n, order in self.orders.items():
                alive = all(a["status"] in ("pending", "valid") for a in order["authorizations"])
                if order["identifiers"] == jws.payload["identifiers"] and alive \
                        and order["status"] in ("pending", "ready"):
                    return 200, {"Location": f"{self.ca.base}/order/{n}"}, self.show_order(n)
        status, headers, body = super().new_order(jws, account)
        if "ready" in self.ca.quirks:
            n = int(headers["Location"].rsplit("/", 1)[1])
            self.orders[n]["status"] = "ready"
            for authorization in self.orders[n]["authorizations"]:
                authorization["status"] = "valid"
            body = self.show_order(n)
        return status, headers, body

    def _look(self, state, n):
        """A validation that failed leaves the challenge pending, to be answered once more."""
        failures = self.ca.stumbles.get(state["name"][1])
        if failures:
            state["error"] = failures.pop(0)
            state["status"] = "pending"
            del state["answered"]
        else:
            super()._look(state, n)

    def challenge(self, jws, n, i, type_):
        self.find(n, i)["error"] = None
        return super().challenge(jws, n, i, type_)


class FakeDialect(FakeCa):
    """
    quirks: any of QUIRKS. stumbles[name] = [documents]: the errors of its next validations, which
    leave the challenge pending.
    """

    def __init__(self, folder, quirks=()):
        super().__init__(folder)
        self.quirks = set(quirks)
        assert self.quirks <= set(QUIRKS)
        self.stumbles = {}
        self.objects = DialectObjects(self)
        self.server.RequestHandlerClass = self._dialect_of(self.server.RequestHandlerClass)
        if "processing" in self.quirks:
            self.processing_polls = 2
        if "date" in self.quirks:
            self.processing_polls = 2
            self.retry_after = dict.fromkeys(("order", "authorization"),
                                             datetime.timedelta(seconds=2))

    def _dialect_of(self, handler):
        fake = self

        class Handler(handler):
            def send_header(self, keyword, value):
                super().send_header(keyword.lower() if "lower case" in fake.quirks else keyword,
                                    value)

        return Handler

    def directory(self):
        out = super().directory()
        if "empty meta" in self.quirks:
            out["meta"] = {}
        if "odd meta" in self.quirks:
            out["meta"] = ["termsOfService"]
        return out

    def handle(self, request, said):
        answer = super().handle(request, said)
        if answer is None:
            return None
        if answer.status >= 400 and isinstance(answer.body, dict):
            self._simplify(answer)
        if "unknown members" in self.quirks:
            answer.body = self._with_unknown(answer.body)
        if "no links" in self.quirks:
            answer.headers.pop("Link", None)
        if "parameters" in self.quirks:
            answer.headers["Content-Type"] = "text/plain; charset=utf-8"
        if "text" in self.quirks and request.path.startswith("/cert/"):
            answer.body = self._with_text(answer.body)
        return answer

    def _simplify(self, answer):
        if "no status" in self.quirks or "no words" in self.quirks:
            answer.body.pop("status", None)
        if "no words" in self.quirks:
            answer.body.pop("detail", None)

    def _with_unknown(self, value):
        if isinstance(value, list):
            return [self._with_unknown(item) for item in value]
        if not isinstance(value, dict):
            return value
        out = {"x-new": {"deep": [1, 2.5, None, True]},
               **{name: self._with_unknown(item) for name, item in value.items()},
               "über": "https://ca.invalid/\u2603"}
        if "challenges" in out:
            out["challenges"] = [{"type": "email-reply-00"}, {"url": "nowhere"},
                                 {"type": "mystery-01", "url": f"{self.base}/chall/mystery",
                                  "status": "unheard-of", "token": None},
                                 *out["challenges"]]
        return out

    @staticmethod
    def _with_text(body):
        lines = body.decode().replace("-----BEGIN", "subject=/CN=one\n-----BEGIN").splitlines()
        return "\r\n".join(["", *lines, "", "That was all.", ""]).encode()
