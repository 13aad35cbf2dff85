"""
A stand-in for Alibaba Cloud DNS (Alidns 2015-01-09): it recomputes signature v3 from the documented
rules, and answers as the real service does, errors included. Records go to challtestsrv.
"""

import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, urlsplit

ALGORITHM = "ACS3-HMAC-SHA256"


class Refusal(Exception):
    def __init__(self, status, code, message):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


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
    in lose_next is carried out once, but its answer is lost in a 503.
    """

    def __init__(self, challtestsrv, zones, key_id="LTAI-test", secret="test-secret"):
        self.challtestsrv, self.zones = challtestsrv, set(zones)
        self.key_id, self.secret = key_id, secret
        self.records = {}
        self.calls = []
        self.refuse_next = []
        self.lose_next = set()
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

    def _authenticate(self, method, query, headers, body):
        algorithm, _, rest = headers.get("authorization", "").partition(" ")
        parts = dict(item.split("=", 1) for item in rest.split(",") if "=" in item)
        signed = parts.get("SignedHeaders", "").split(";")
        if algorithm != ALGORITHM or parts.get("Credential") != self.key_id:
            raise Refusal(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
        needed = {"host"} | {name for name in headers if name.startswith("x-acs-")}
        if signed != sorted(signed) or not needed <= set(signed):
            raise Refusal(400, "IncompleteSignature", f"The signed headers are {signed}.")
        if headers["x-acs-content-sha256"] != hashlib.sha256(body).hexdigest():
            raise Refusal(400, "InvalidContentHash", "The hash is not that of the body.")
        expected = signature(self.secret, method, query, headers, signed, body)
        if not hmac.compare_digest(expected, parts.get("Signature", "")):
            raise Refusal(400, "SignatureDoesNotMatch",
                          "Specified signature is not matched with our calculation.")
        stamp = time.strptime(headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ")
        if abs(time.mktime(stamp) - time.timezone - time.time()) > 900:
            raise Refusal(400, "InvalidTimeStamp.Expired", "Specified time stamp is expired.")
        nonce = headers["x-acs-signature-nonce"]
        if nonce in self._nonces:
            raise Refusal(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
        self._nonces.add(nonce)

    def answer(self, method, target, headers, body):
        """(status, JSON) of one call."""
        query = parse_qsl(urlsplit(target).query, keep_blank_values=True)
        parameters = {**dict(query), **dict(parse_qsl(body.decode()))}
        with self._lock:
            try:
                self._authenticate(method, query, headers, body)
                action = headers["x-acs-action"]
                self.calls.append((action, parameters))
                if headers["x-acs-version"] != "2015-01-09":
                    raise Refusal(404, "InvalidVersion", "Specified version is not valid.")
                if self.refuse_next:
                    raise self.refuse_next.pop(0)
                done = getattr(self, "do_" + action, None)
                if done is None:
                    raise Refusal(404, "InvalidAction.NotFound", f"No action {action}.")
                result = done(parameters)
                if action in self.lose_next:
                    self.lose_next.remove(action)
                    raise Refusal(503, "ServiceUnavailable", "The request has failed.")
                return 200, {"RequestId": "R-1", **result}
            except Refusal as e:
                return e.status, {"RequestId": "R-1", "HostId": "alidns.aliyuncs.com",
                                  "Code": e.code, "Message": e.message}

    # the actions

    def _own(self, domain):
        if domain not in self.zones:
            raise Refusal(400, "IncorrectDomainUser", "The domain name belongs to other users.")

    def _show(self, fqdn):
        self.challtestsrv.clear_txt(fqdn + ".")
        for record in self.records.values():
            if self._fqdn(record) == fqdn:
                self.challtestsrv.set_txt(fqdn + ".", record["Value"])

    @staticmethod
    def _fqdn(record):
        rr = record["RR"]
        return record["DomainName"] if rr == "@" else f"{rr}.{record['DomainName']}"

    def do_AddDomainRecord(self, p):
        self._own(p["DomainName"])
        record = {name: p[name] for name in ("DomainName", "RR", "Type", "Value")}
        if record in [{k: r[k] for k in record} for r in self.records.values()]:
            raise Refusal(400, "DomainRecordDuplicate", "The DNS record already exists.")
        if int(p.get("TTL", 600)) < 600:
            raise Refusal(400, "QuotaExceeded.TTL", "The TTL is below the minimum.")
        self._next_id += 1
        record.update(RecordId=str(self._next_id), TTL=int(p.get("TTL", 600)), Status="ENABLE",
                      Line="default")
        self.records[record["RecordId"]] = record
        self._show(self._fqdn(record))
        return {"RecordId": record["RecordId"]}

    def do_DeleteDomainRecord(self, p):
        record = self.records.pop(p["RecordId"], None)
        if record is None:
            raise Refusal(400, "DomainRecordNotBelongToUser", "The record is not one of yours.")
        self._show(self._fqdn(record))
        return {"RecordId": record["RecordId"]}

    def _list(self, records):
        return {"TotalCount": len(records), "PageNumber": 1, "PageSize": 500,
                "DomainRecords": {"Record": records}}

    def do_DescribeDomainRecords(self, p):
        self._own(p["DomainName"])
        rr = p.get("RRKeyWord", "")  # fuzzy, as the real one
        return self._list([r for r in self.records.values()
                           if r["DomainName"] == p["DomainName"] and rr in r["RR"]
                           and p.get("Type", r["Type"]) == r["Type"]])

    def do_DescribeSubDomainRecords(self, p):
        return self._list([r for r in self.records.values()
                           if self._fqdn(r) == p["SubDomain"]
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
