"""
A stand-in for Alibaba Cloud DNS (Alidns 2015-01-09), which answers as the real service does, errors
included. Records go to challtestsrv.
"""

from aliyun_rpc import BROKEN, THROTTLED, Refusal, Rpc, checked, signature

__all__ = ["BROKEN", "OUT_OF_QUOTA", "THROTTLED", "Alidns", "signature"]

# What the documentation lists for each action: the type of each parameter, and which are required.
# RegionId is a common parameter.
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
_TABLE = {action: (required, {**_COMMON, **types})
          for action, (required, types) in PARAMETERS.items()}

OUT_OF_QUOTA = Refusal(400, "QuotaExceeded.Record", "You cannot add more records of this name.")


class Alidns(Rpc):
    """Zones are given; calls lists (action, parameters)."""

    def __init__(self, challtestsrv, zones, key_id="LTAI-test", secret="test-secret",
                 security_token=None):
        self.challtestsrv, self.zones = challtestsrv, set(zones)
        self.records = {}
        self.calls = []
        self._next_id = 1000
        super().__init__("alidns.aliyuncs.com", key_id, secret, security_token)

    def perform(self, version, action, query, body):
        self.calls.append((action, dict(query)))
        if version != "2015-01-09":
            raise Refusal(404, "InvalidVersion", "Specified version is not valid.")
        if action not in PARAMETERS:
            raise Refusal(404, "InvalidAction.NotFound", f"There is no action {action}.")
        if self.refuse_next:
            raise self.refuse_next.pop(0)
        given = checked(action, _TABLE, query, body)
        if not 1 <= int(given.get("PageSize", 20)) <= MAX_PAGE.get(action, 500):
            raise Refusal(400, "InvalidParameter", "The value of PageSize is not valid.")
        return getattr(self, "do_" + action)(given)

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
