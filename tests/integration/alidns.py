"""
A stand-in for Alibaba Cloud DNS (Alidns 2015-01-09): it recomputes signature v3 from the documented
rules, and answers as the real service does, errors included. Records go to challtestsrv.
"""

import calendar
import hashlib
import hmac
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, urlsplit

ALGORITHM = "ACS3-HMAC-SHA256"
CLOCK_TOLERANCE_SECONDS = 15 * 60

# What the documentation lists for each action: the type of each parameter, and which are required.
# RegionId is a common parameter. The real service passes over unknown ones; here they are faults.
_COMMON = {"RegionId": str, "Lang": str, "UserClientIp": str}
PARAMETERS = {
    "AddDomainRecord": (
        {"DomainName", "RR", "Type", "Value"},
        {"DomainName": str, "RR": str, "Type": str, "Value": str, "TTL": int, "Line": str,
         "Priority": int}),
    "UpdateDomainRecord": (
        {"RecordId", "RR", "Type", "Value"},
        {"RecordId": str, "RR": str, "Type": str, "Value": str, "TTL": int, "Line": str,
         "Priority": int}),
    "DeleteDomainRecord": ({"RecordId"}, {"RecordId": str}),
    "DescribeDomainRecords": (
        {"DomainName"},
        {"DomainName": str, "PageNumber": int, "PageSize": int, "RRKeyWord": str,
         "TypeKeyWord": str, "ValueKeyWord": str, "Type": str, "SearchMode": str}),
    "DescribeSubDomainRecords": (
        {"SubDomain"},
        {"SubDomain": str, "DomainName": str, "Type": str, "Line": str, "PageNumber": int,
         "PageSize": int}),
    "GetMainDomainName": ({"InputString"}, {"InputString": str}),
    "DescribeDomains": (set(), {"KeyWord": str, "PageNumber": int, "PageSize": int}),
}
MAX_PAGE = {"DescribeDomainRecords": 500, "DescribeSubDomainRecords": 500, "DescribeDomains": 100}


class Refusal(Exception):
    """An answer that is no success. DROP as status hangs up without any."""

    DROP = 0

    def __init__(self, status, code="", message=""):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


THROTTLED = Refusal(400, "Throttling.User", "Request was denied due to user flow control.")
OUT_OF_QUOTA = Refusal(400, "QuotaExceeded.Record", "You cannot add more records of this name.")
BROKEN = Refusal(500, "InternalError", "The request processing has failed due to unknown error.")


def checked(action, query, body):
    """The parameters of a call, if they are what the documentation allows."""
    form = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body))
    pairs = query + form
    given = dict(pairs)
    required, types = PARAMETERS[action]
    types = {**_COMMON, **types}
    if len(given) != len(pairs):
        raise Refusal(400, "InvalidParameter", "A parameter was given twice.")
    for name in sorted(required - given.keys()):
        raise Refusal(400, "Missing" + name, f"{name} is mandatory for this action.")
    for name, value in given.items():
        if name not in types:
            raise Refusal(400, "InvalidParameter", f"{action} has no parameter {name}.")
        is_number = value.isascii() and value.isdigit()
        if not value or (types[name] is int and not is_number):
            raise Refusal(400, "InvalidParameter", f"The value of {name} is not valid.")
    if not 1 <= int(given.get("PageSize", 20)) <= MAX_PAGE.get(action, 500):
        raise Refusal(400, "InvalidParameter", "The value of PageSize is not valid.")
    return given


def signature(secret, method, query, headers, signed_headers, body):
    """Signature v3 of a request, from its parts alone."""
    canonical_query = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
                               for name, value in sorted(query))
    canonical_headers = "".join(f"{name}:{headers[name].strip()}\n" for name in signed_headers)
    canonical = "\n".join([method, "/", canonical_query, canonical_headers,
                           ";".join(signed_headers), hashlib.sha256(body).hexdigest()])
    to_sign = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()


class Alidns:
    """
    Zones are given; calls lists (action, parameters). refuse_next holds Refusals to come; an action
    in lose_next is carried out once, but its answer is lost in a 503; one in drop_next is carried
    out too, and then the connection ends without an answer.
    """

    def __init__(self, challtestsrv, zones, key_id="LTAI-test", secret="test-secret",
                 security_token=None):
        self.challtestsrv, self.zones = challtestsrv, set(zones)
        self.key_id, self.secret, self.security_token = key_id, secret, security_token
        self.records = {}
        self.calls = []
        self.refuse_next = []
        self.lose_next = set()
        self.drop_next = set()
        self._nonces = set()
        self._next_id = 1000
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    # what every call goes through

    def _authenticate(self, method, path, query, headers, body):
        algorithm, _, rest = headers.get("authorization", "").partition(" ")
        parts = dict(item.split("=", 1) for item in rest.split(",") if "=" in item)
        signed = parts.get("SignedHeaders", "").split(";")
        if algorithm != ALGORITHM or set(parts) != {"Credential", "SignedHeaders", "Signature"}:
            raise Refusal(400, "IncompleteSignature", "The Authorization header is not readable.")
        if parts["Credential"] != self.key_id:
            raise Refusal(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
        needed = {"host"} | {name for name in headers if name.startswith("x-acs-")}
        needed |= {"content-type"} & headers.keys()
        if signed != sorted(needed):
            raise Refusal(400, "IncompleteSignature", f"{signed} are signed, not {needed}.")
        for name in ("action", "version", "date", "signature-nonce", "content-sha256"):
            if not headers.get("x-acs-" + name):
                raise Refusal(400, "MissingParameter", f"The header x-acs-{name} is mandatory.")
        if path != "/":
            raise Refusal(404, "InvalidAction.NotFound", "All calls go to the path /.")
        if headers.get("x-acs-security-token") != self.security_token:
            raise Refusal(400, "InvalidSecurityToken.Malformed", "The token is not valid.")
        if headers["x-acs-content-sha256"] != hashlib.sha256(body).hexdigest():
            raise Refusal(400, "InvalidContentHash", "The hash is not that of the body.")
        expected = signature(self.secret, method, query, headers, signed, body)
        if not hmac.compare_digest(expected, parts["Signature"]):
            raise Refusal(400, "SignatureDoesNotMatch",
                          "Specified signature is not matched with our calculation.")
        self._check_freshness(headers["x-acs-date"], headers["x-acs-signature-nonce"])

    def _check_freshness(self, date, nonce):
        try:
            stamp = calendar.timegm(time.strptime(date, "%Y-%m-%dT%H:%M:%SZ"))
        except ValueError:
            raise Refusal(400, "InvalidTimeStamp.Format", "Specified time is not ISO 8601."
                          ) from None
        if abs(stamp - time.time()) > CLOCK_TOLERANCE_SECONDS:
            raise Refusal(400, "InvalidTimeStamp.Expired", "Specified time stamp is expired.")
        if nonce in self._nonces:
            raise Refusal(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
        self._nonces.add(nonce)

    def _perform(self, method, target, headers, body):
        parts = urlsplit(target)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        self._authenticate(method, parts.path, query, headers, body)
        action = headers["x-acs-action"]
        self.calls.append((action, dict(query)))
        if headers["x-acs-version"] != "2015-01-09":
            raise Refusal(404, "InvalidVersion", "Specified version is not valid.")
        if action not in PARAMETERS:
            raise Refusal(404, "InvalidAction.NotFound", f"There is no action {action}.")
        if self.refuse_next:
            raise self.refuse_next.pop(0)
        result = getattr(self, "do_" + action)(checked(action, query, body))
        if action in self.lose_next:
            self.lose_next.remove(action)
            raise Refusal(503, "ServiceUnavailable", "The request has failed.")
        if action in self.drop_next:
            self.drop_next.remove(action)
            raise Refusal(Refusal.DROP)
        return result

    def answer(self, method, target, headers, body):
        """(status, JSON) of one call."""
        request_id = str(uuid.uuid4()).upper()
        with self._lock:
            try:
                result = self._perform(method, target, headers, body)
                return 200, {"RequestId": request_id, **result}
            except Refusal as e:
                return e.status, {"RequestId": request_id, "HostId": "alidns.aliyuncs.com",
                                  "Code": e.code, "Message": e.message,
                                  "Recommend": "https://api.aliyun.com/troubleshoot?q=" + e.code}

    # the actions

    def _own(self, domain):
        if domain not in self.zones:
            raise Refusal(400, "IncorrectDomainUser",
                          "The domain name does not belong to this user.")

    def _owned(self, record_id):
        if record_id not in self.records:
            raise Refusal(400, "DomainRecordNotBelongToUser",
                          "The DNS record does not exist in your account.")
        return self.records[record_id]

    def _show(self, fqdn):
        self.challtestsrv.clear_txt(fqdn + ".")
        for record in self.records.values():
            if self._fqdn(record) == fqdn:
                self.challtestsrv.set_txt(fqdn + ".", record["Value"])

    @staticmethod
    def _fqdn(record):
        rr = record["RR"]
        return record["DomainName"] if rr == "@" else f"{rr}.{record['DomainName']}"

    def _refuse_clash(self, new, itself=None):
        for record in self.records.values():
            if record is itself or self._fqdn(record) != self._fqdn(new):
                continue
            if all(record[key] == new[key] for key in ("Type", "Value", "Line")):
                raise Refusal(400, "DomainRecordDuplicate", "The domain record is duplicated.")
            if "CNAME" in (record["Type"], new["Type"]):
                raise Refusal(400, "DomainRecordConflict",
                              "The domain record is conflict with other records.")

    def _record(self, domain, p):
        if p["RR"].startswith(".") or p["RR"].endswith("."):
            raise Refusal(400, "InvalidRR.Format", "The host record is not valid.")
        if int(p.get("TTL", 600)) < 600:
            raise Refusal(400, "QuotaExceeded.TTL", "The TTL is below the minimum.")
        return {"DomainName": domain, "RR": p["RR"], "Type": p["Type"], "Value": p["Value"],
                "TTL": int(p.get("TTL", 600)), "Line": p.get("Line", "default"),
                "Status": "ENABLE", "Locked": False}

    def do_AddDomainRecord(self, p):
        self._own(p["DomainName"])
        record = self._record(p["DomainName"], p)
        self._refuse_clash(record)
        self._next_id += 1
        record["RecordId"] = str(self._next_id)
        self.records[record["RecordId"]] = record
        self._show(self._fqdn(record))
        return {"RecordId": record["RecordId"]}

    def do_UpdateDomainRecord(self, p):
        old = self._owned(p["RecordId"])
        new = self._record(old["DomainName"], p)
        self._refuse_clash(new, old)
        before = self._fqdn(old)
        old.update(new)
        self._show(before)
        self._show(self._fqdn(old))
        return {"RecordId": p["RecordId"]}

    def do_DeleteDomainRecord(self, p):
        record = self._owned(p["RecordId"])
        del self.records[p["RecordId"]]
        self._show(self._fqdn(record))
        return {"RecordId": p["RecordId"]}

    @staticmethod
    def _page(p, records):
        number, size = int(p.get("PageNumber", 1)), int(p.get("PageSize", 20))
        return {"TotalCount": len(records), "PageNumber": number, "PageSize": size,
                "DomainRecords": {"Record": records[(number - 1) * size:number * size]}}

    def do_DescribeDomainRecords(self, p):
        self._own(p["DomainName"])
        rr = p.get("RRKeyWord", "")  # fuzzy, as the real one
        return self._page(p, [r for r in self.records.values()
                              if r["DomainName"] == p["DomainName"] and rr in r["RR"]
                              and p.get("Type", r["Type"]) == r["Type"]])

    def do_DescribeSubDomainRecords(self, p):
        name = p["SubDomain"]
        domain = p.get("DomainName") or self.do_GetMainDomainName({"InputString": name})[
            "DomainName"]
        self._own(domain)
        return self._page(p, [r for r in self.records.values()
                              if r["DomainName"] == domain and self._fqdn(r) == name
                              and p.get("Type", r["Type"]) == r["Type"]])

    def do_GetMainDomainName(self, p):
        for zone in self.zones:
            if ("." + p["InputString"]).endswith("." + zone):
                return {"DomainName": zone, "RR": p["InputString"][:-len(zone) - 1] or "@"}
        raise Refusal(400, "InvalidDomainName.NoExist", "The domain name does not exist.")

    def do_DescribeDomains(self, p):
        found = [{"DomainName": z} for z in sorted(self.zones) if p.get("KeyWord", "") in z]
        return {"TotalCount": len(found), "PageNumber": 1, "PageSize": 20,
                "Domains": {"Domain": found}}

    def _handler(self):
        service = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, answer = service.answer(self.command, self.path, headers, body)
                if status == Refusal.DROP:
                    self.close_connection = True
                    return
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json;charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = handle_any

            def log_message(self, *_):
                pass

        return Handler
