"""The OpenAPI document as a judge: whether an answer is one that the contract allows."""

import json
import re
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

SPEC = Path(__file__).resolve().parents[2] / "api-spec" / "openapi.yaml"
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


class Violation(AssertionError):
    """The service answered outside of its contract."""


class Contract:
    def __init__(self, path=SPEC):
        self.spec = yaml.safe_load(path.read_text())
        self.components = self.spec.get("components", {})
        self._validators = {}
        # The most literal template first, so that /certificates/{name}/csr.pem beats …/{file}.
        self._paths = sorted(
            ((self._pattern(path), path, item) for path, item in self.spec["paths"].items()),
            key=lambda entry: entry[1].count("{"))

    @staticmethod
    def _pattern(template):
        parts = re.split(r"\{[^}]+\}", template)
        return re.compile("[^/]+".join(re.escape(part) for part in parts) + r"\Z")

    def resolve(self, node):
        while "$ref" in node:
            target = self.spec
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    def find(self, path):
        """(template, path item) of a request's path, or (None, None)."""
        for pattern, template, item in self._paths:
            if pattern.match(path):
                return template, self.resolve(item)
        return None, None

    def validator(self, schema):
        """A validator of schema whose references reach into the whole document."""
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            root = {"$schema": "https://json-schema.org/draft/2020-12/schema",
                    "allOf": [schema], "components": self.components}
            self._validators[key] = Draft202012Validator(root)
        return self._validators[key]

    def _check_body(self, schema, value, where):
        errors = sorted(self.validator(schema).iter_errors(value), key=lambda e: list(e.path))
        if errors:
            told = "\n".join(f"  /{'/'.join(map(str, e.path))}: {e.message}" for e in errors[:5])
            raise Violation(f"{where}: the body is not what the contract says\n{told}\n"
                            f"{json.dumps(value, indent=2)[:4000]}")

    def _response(self, operation, status, where):
        responses = operation["responses"]
        for key in (str(status), f"{status // 100}XX", "default"):
            if key in responses:
                return self.resolve(responses[key])
        raise Violation(f"{where}: the contract knows no status {status}")

    def _operation(self, method, path, status, where):
        """The operation that answered; None where the contract rightly has none."""
        template, item = self.find(path)
        if item is None:
            if status in (400, 401, 404):
                return None
            raise Violation(f"{where}: the contract knows no such path")
        lower = "get" if method == "HEAD" and "head" not in item else method.lower()
        if lower not in item:
            if status in (204, 401, 405) if lower == "options" else status in (401, 405):
                return None
            raise Violation(f"{where}: the contract knows no {method} {template}")
        return item[lower]

    def check(self, method, path, status, headers, body):
        """Raises Violation unless the contract allows this answer. headers: a case-blind map."""
        where = f"{method} {path} -> {status}"
        operation = self._operation(method, path, status, where)
        if operation is None:
            if body:
                self._check_problem(headers, body, status, where)
            return
        response = self._response(operation, status, where)
        self._check_headers(response, headers, where)
        content = response.get("content", {})
        if not body:
            media = headers.get("content-type") or ""
            # A chain without intermediates, and a list of nothing as lines.
            may_be_empty = "application/pem-certificate-chain" in content or \
                media.startswith("application/jsonl")
            if content and method != "HEAD" and status not in (204, 304) and not may_be_empty:
                raise Violation(f"{where}: no body where the contract has one")
            return
        if not content:
            raise Violation(f"{where}: a body where the contract has none: {body[:500]!r}")
        media = (headers.get("content-type") or "").split(";")[0].strip().lower()
        if media not in content:
            raise Violation(f"{where}: the contract knows {sorted(content)}, not {media!r}")
        schema = content[media].get("schema")
        if schema and (media.endswith("json")):
            self._check_body(schema, json.loads(body), where)
        if media == "application/problem+json":
            self._check_problem(headers, body, status, where)

    def _check_headers(self, response, headers, where):
        for name, header in response.get("headers", {}).items():
            header = self.resolve(header)
            value = headers.get(name)
            if value is None:
                if header.get("required"):
                    raise Violation(f"{where}: the header {name} is missing")
                continue
            schema = self.resolve(header.get("schema", {}))
            if schema.get("type") == "integer":
                value = int(value)
            self._check_body(schema, value, f"{where} header {name}")

    def _check_problem(self, headers, body, status, where):
        """RFC 9457, and our promise about type."""
        media = (headers.get("content-type") or "").split(";")[0]
        if media != "application/problem+json":
            raise Violation(f"{where}: an error of type {media!r}")
        problem = json.loads(body)
        if problem.get("status") != status:
            raise Violation(f"{where}: the problem says status {problem.get('status')}")
        if not str(problem.get("type", "")).startswith("urn:certwright:problem:"):
            raise Violation(f"{where}: the problem's type is {problem.get('type')!r}")
        if not problem.get("title"):
            raise Violation(f"{where}: the problem has no title")
