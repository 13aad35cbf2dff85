"""
Requests drawn from the contract: good ones, ones with one fault, and ones of no sense at all. What
is good is drawn as far as a schema tells; the contract judges each request afterwards.
"""

import json
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

METHODS = ("get", "put", "post", "patch", "delete")
NASTY = ["", " ", "\0", "a\0b", "\ud800", "\u202e", "ß.example.com", "xn--a", "*",
         "*.*.example.com", "a..b", "-a.example", "a_b.example", "1.2.3", "..", "../../etc/passwd",
         "%2e%2e", "a" * 300, "a" * 70000, "'; --", "{}", "-1", "1e9", "0x10", "null", "true",
         "9" * 30, "1970-01-01T00:00:00Z", "9999-12-31T23:59:60.999Z", "https://[::1",
         "http://169.254.169.254/latest", "http://127.0.0.1:99999/", "-----BEGIN CERTIFICATE-----",
         "\r\nX: y"]
NUMBERS = [-1, 0, 1, 1.5, -0.0, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -2**63 - 1, 1e300]
RAW = ["", "{", "[]", "null", '"text"', "{}{}", '{"a":1,"a":2}', "[" * 200, "NaN", "\ufeff{}",
       '{"name":1e999}', b"\xff\xfe", b'{"name":"\xc3\x28"}', "{} x", '{"\\ud800":1}']
PLAIN = "abcXYZ019 -._äß"
URLS = ["http://127.0.0.1:9/x", "https://127.0.0.1:9/dir", "https://ca.internal.example/dir"]
TIMES = ["2026-11-21T09:41:50Z", "2026-11-21T09:41:50.123Z", "2099-12-31T23:59:59+02:00",
         "2026-02-30T00:00:00Z", "2016-12-31T23:59:60Z"]
NAMES = ["www.example.com", "*.example.com", "bücher.example", "WWW.EXAMPLE.ORG", "a.b.example.edu"]
ACCEPTS = ["application/json", "*/*", "application/*;q=0.1", "text/html", "application/json;q=0",
           "application/problem+json", "application/jsonl", ";;,q=", "text/plain;q=2"]
PREFERS = ["wait=0", "wait=-1", "wait=", "respond-async", "wait=0;x=y, wait=99999999999999999999"]
TAGS = ["*", '"4f"', 'W/"4f"', '"a", "b"', "4f", '"']
LATIN = st.text([chr(c) for c in (*range(32, 127), *range(161, 256))], max_size=20).map(str.strip)
JUNK = st.recursive(
    st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.sampled_from(NASTY),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["name", "type", "x", ""]), inner, max_size=3),
    max_leaves=6)


@dataclass
class Request:
    """given and parameters are what the contract judges: the body as a value, and each parameter
    with its schema."""

    method: str
    template: str
    path: str
    headers: dict
    raw: bytes | None
    given: object
    has_value: bool
    parameters: list = field(default_factory=list)

    def __str__(self):
        body = self.raw if self.raw is None else self.raw[:1000]
        return f"{self.method} {self.path[:300]} {self.headers} {body!r}"


def places(value, path=()):
    """The path of value and of everything in it."""
    yield path
    items = value.items() if isinstance(value, dict) else \
        enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


class Generator:
    """pools: {name of a schema, a member or a kind of resource: values that lead somewhere}."""

    def __init__(self, contract, pools):
        self.contract = contract
        self.pools = {"HttpUrl": URLS, "Time": TIMES, "identifiers": [*NAMES, "192.0.2.7"],
                      "zones": ["example.com", "example.edu"], "domains": ["www.example.com"],
                      **pools}

    def operations(self):
        return [(method, template) for template, item in self.contract.spec["paths"].items()
                for method in METHODS if method in item]

    # values

    def value(self, draw, schema, hint=None):
        """Of that schema, as far as it is easily told."""
        if "$ref" in schema:
            name = schema["$ref"].split("/")[-1]
            return self.value(draw, self.contract.resolve(schema),
                              hint if hint in self.pools else name)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return draw(st.sampled_from(schema["enum"]))
        if "type" not in schema:
            choices = schema.get("oneOf") or schema.get("anyOf")
            return self.value(draw, draw(st.sampled_from(choices)), hint) if choices \
                else draw(JUNK)
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return getattr(self, f"_{draw(st.sampled_from(types))}")(draw, schema, hint)

    def _null(self, draw, schema, hint):
        return None

    def _boolean(self, draw, schema, hint):
        return draw(st.booleans())

    def _integer(self, draw, schema, hint):
        if hint in self.pools and draw(st.integers(0, 3)):
            return draw(st.sampled_from(self.pools[hint]))
        low = schema.get("minimum", 0)
        high = schema.get("maximum", low + 1000)
        return draw(st.sampled_from([low, high]) | st.integers(low, high))

    def _string(self, draw, schema, hint):
        if hint in self.pools and draw(st.integers(0, 9)):
            return draw(st.sampled_from(self.pools[hint]))
        if "pattern" in schema:
            return draw(st.from_regex(schema["pattern"].replace("$", r"\Z")))
        if schema.get("format") == "date-time":
            return draw(st.sampled_from(TIMES))
        low = schema.get("minLength", 0)
        high = min(schema.get("maxLength", low + 20), low + 20)
        text = st.text(PLAIN, min_size=low, max_size=high)
        return draw(text if draw(st.integers(0, 9)) else st.text(min_size=low, max_size=high))

    def _array(self, draw, schema, hint):
        low = schema.get("minItems", 0)
        high = min(schema.get("maxItems", 4), max(low, 4))
        return [self.value(draw, schema["items"], hint)
                for _ in range(draw(st.integers(low, high)))]

    def _object(self, draw, schema, hint):
        required = set(schema.get("required", []))
        choices = schema.get("oneOf") or schema.get("anyOf")
        if choices:
            required |= set(draw(st.sampled_from(choices)).get("required", []))
        value = {name: self.value(draw, item, name)
                 for name, item in schema.get("properties", {}).items()
                 if name in required or draw(st.integers(0, 5)) == 0}
        if isinstance(schema.get("additionalProperties"), dict):
            for name in draw(st.lists(st.sampled_from(["team", "a/b", "Tier-1"]), max_size=2)):
                value[name] = self.value(draw, schema["additionalProperties"])
        return value

    def spoilt(self, draw, value):
        """value with one fault."""
        value = json.loads(json.dumps(value))
        path = draw(st.sampled_from(list(places(value))))
        if not path:
            return self._member(draw, value) if isinstance(value, dict) else draw(JUNK)
        parent = value
        for key in path[:-1]:
            parent = parent[key]
        item = parent[path[-1]]
        how = draw(st.integers(0, 3))
        if how == 0:
            del parent[path[-1]]
        elif how == 1 and isinstance(item, dict):
            self._member(draw, item)
        elif how == 1 and isinstance(item, list):
            item.extend(item or [draw(JUNK)])
        else:
            parent[path[-1]] = draw(st.sampled_from(NASTY) if how == 2 else JUNK)
        return value

    @staticmethod
    def _member(draw, value):
        value[draw(st.sampled_from(["unknown", "name", "Name", "", "type\0"]))] = draw(JUNK)
        return value

    # requests

    def _text(self, draw, schema, hint):
        """A parameter: mostly good."""
        if draw(st.integers(0, 5)) == 0:
            return draw(st.sampled_from(NASTY)).encode(errors="replace").decode()[:3000]
        value = self.value(draw, schema, hint)
        return json.dumps(value) if isinstance(value, (bool, int)) else str(value)

    def _header(self, draw, name, schema):
        known = {"Prefer": PREFERS, "If-Match": TAGS, "If-None-Match": TAGS}.get(name)
        if known and draw(st.integers(0, 3)):
            return draw(st.sampled_from(known))
        value = str(self.value(draw, schema)) if not known else draw(LATIN)
        text = "".join(c for c in value if c.isprintable()).encode("latin-1", "ignore")
        return text.decode("latin-1").strip()

    def _body(self, draw, request, operation):
        body = self.contract.resolve(operation.get("requestBody", {}))
        if not body:
            return
        how = draw(st.integers(0, 19))
        if how == 0:
            raw = draw(st.sampled_from(RAW))
            request.raw = raw if isinstance(raw, bytes) else raw.encode()
        elif how > 1:
            schema = body["content"]["application/json"]["schema"]
            request.given = self.value(draw, schema)
            if how > 11:
                request.given = self.spoilt(draw, request.given)
            request.raw = json.dumps(request.given).encode()
            request.has_value = True
        if request.raw is not None and draw(st.integers(0, 19)):
            request.headers["Content-Type"] = "application/json"

    def _parameters(self, draw, request, shared, operation):
        path, query = {}, []
        for parameter in map(self.contract.resolve, shared + operation.get("parameters", [])):
            name, schema = parameter["name"], parameter["schema"]
            if parameter["in"] == "path":
                kind = request.template.split("/")[1]
                hint = kind if kind in self.pools and name in ("name", "id") else name
                path[name] = self._text(draw, self.contract.resolve(schema), hint) or "x"
                request.parameters.append((path[name], schema))
            elif draw(st.integers(0, 2)):
                continue
            elif parameter["in"] == "query":
                query.append((name, self._text(draw, schema, name)))
                request.parameters.append((query[-1][1], schema))
            else:
                request.headers[name] = self._header(draw, name, schema)
        if draw(st.integers(0, 19)) == 0:
            query.append(("unknown", "x"))
        request.path = request.template.format(**{k: quote(v, safe="") for k, v in path.items()})
        if query:
            request.path += "?" + urlencode(query)

    def request(self, method, template):
        """A strategy for requests of this operation."""
        item = self.contract.spec["paths"][template]

        @st.composite
        def drawn(draw):
            request = Request(method.upper(), template, "", {}, None, None, False)
            self._parameters(draw, request, item.get("parameters", []), item[method])
            self._body(draw, request, item[method])
            if draw(st.integers(0, 4)) == 0:
                request.headers["Accept"] = draw(st.sampled_from(ACCEPTS))
            if method == "get" and draw(st.integers(0, 9)) == 0:
                request.method = "HEAD"
            return request

        return drawn()
