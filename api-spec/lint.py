#!/usr/bin/python3
"""Checks openapi.yaml beyond its being YAML; prints every finding, exits 1 if there is one.

The document has the shape of OpenAPI 3.1 as far as it is used here; every reference leads somewhere
and every component is referred to; every operation has an id, the scopes it takes, a known tag, a
summary, a default answer, and an example for each of its path parameters, bodies and answers, valid
against its schema; bodies refuse what they do not define; problems in the examples carry the title
and hint that the table of codes gives them.
"""

import pathlib
import re
import sys

import jsonschema
import yaml

METHODS = ("get", "put", "post", "patch", "delete")
PATH_ITEM = {"parameters", *METHODS}
OPERATION = {"operationId", "tags", "summary", "description", "parameters", "requestBody",
             "responses", "security"}
TOP = {"openapi", "info", "servers", "security", "tags", "paths", "components"}
KINDS = {"schemas", "responses", "parameters", "examples", "requestBodies", "headers",
         "securitySchemes"}


class Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice, which PyYAML would let the last one win."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            if key.value in seen and key.value != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value} is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class Lint:
    def __init__(self, document):
        self.document = document
        self.findings = []
        self.used = set()
        self.resolver = jsonschema.RefResolver("", document)

    def say(self, where, what):
        self.findings.append(f"{where}: {what}")

    def resolve(self, value):
        """Follows a reference, noting that its target is used."""
        while isinstance(value, dict) and "$ref" in value:
            value = self.target(value["$ref"])
        return value

    def target(self, reference):
        node = self.document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        return node

    def references(self):
        def walk(value, where):
            if isinstance(value, dict):
                ref = value.get("$ref")
                if isinstance(ref, str):
                    self.used.add(ref)
                    try:
                        self.target(ref)
                    except (KeyError, TypeError):
                        self.say(where, f"{ref} leads nowhere")
                for key, item in value.items():
                    walk(item, f"{where}/{key}")
            elif isinstance(value, list):
                for index, item in enumerate(value):
                    walk(item, f"{where}/{index}")

        walk(self.document, "")
        for kind, entries in self.document["components"].items():
            for name in entries:
                ref = f"#/components/{kind}/{name}"
                if kind != "securitySchemes" and ref not in self.used:
                    self.say(ref, "nothing refers to it")

    def validate(self, where, value, schema):
        validator = jsonschema.Draft202012Validator(schema, resolver=self.resolver)
        for error in validator.iter_errors(value):
            self.say(where, f"the example is not valid: {error.message[:300]}")

    def media(self, where, content):
        for kind, media in content.items():
            here = f"{where} {kind}"
            if unknown := set(media) - {"schema", "example", "examples"}:
                self.say(here, f"unknown members {unknown}")
            examples = {"": media["example"]} if "example" in media else {}
            for name, example in media.get("examples", {}).items():
                examples[name] = self.resolve(example)["value"]
            if not examples:
                self.say(here, "has no example")
            for name, example in examples.items():
                self.validate(f"{here} {name}", example, media["schema"])
                if kind == "application/problem+json":
                    self.problem(here, example)

    def problem(self, where, example):
        row = self.codes.get(example["code"], {})
        if example["title"] != row.get("title"):
            self.say(where, f"the title of {example['code']} is another in the table")
        if example.get("hint") != row.get("description"):
            self.say(where, f"the hint of {example['code']} is another in the table")
        if example["retryable"] != row.get("x-retryable"):
            self.say(where, f"retryable of {example['code']} is another in the table")

    def operation(self, where, operation, shared):
        if unknown := set(operation) - OPERATION:
            self.say(where, f"unknown members {unknown}")
        if "security" not in operation:
            self.say(where, "does not say which scopes it takes")
        for member in ("operationId", "tags", "summary", "responses"):
            if not operation.get(member):
                self.say(where, f"has no {member}")
        for tag in operation.get("tags", []):
            if tag not in {known["name"] for known in self.document["tags"]}:
                self.say(where, f"the tag {tag} is not declared")
        self.parameters(where, [self.resolve(p) for p in shared + operation.get("parameters", [])])
        body = self.resolve(operation.get("requestBody", {}))
        self.media(f"{where} body", body.get("content", {}))
        if "default" not in operation["responses"]:
            self.say(where, "has no default answer")
        for status, response in operation["responses"].items():
            response = self.resolve(response)
            if not response.get("description"):
                self.say(f"{where} {status}", "has no description")
            self.media(f"{where} {status}", response.get("content", {}))

    def parameters(self, where, parameters):
        path = where.split(" ")[1]
        in_path = sorted(p["name"] for p in parameters if p["in"] == "path")
        if in_path != sorted(re.findall(r"{(\w+)}", path)):
            self.say(where, f"its path parameters are {in_path}")
        for parameter in parameters:
            if parameter["in"] == "path" and not parameter.get("required"):
                self.say(where, f"the path parameter {parameter['name']} is not required")
            if parameter["in"] == "path" and "example" not in parameter:
                self.say(where, f"the path parameter {parameter['name']} has no example")
            if "example" in parameter:
                self.validate(f"{where} {parameter['name']}", parameter["example"],
                              parameter["schema"])

    def paths(self):
        ids = []
        for path, item in self.document["paths"].items():
            if unknown := set(item) - PATH_ITEM:
                self.say(path, f"unknown members {unknown}")
            for method in METHODS:
                if method in item:
                    ids.append(item[method].get("operationId"))
                    self.operation(f"{method.upper()} {path}", item[method],
                                   item.get("parameters", []))
        for name in sorted({i for i in ids if ids.count(i) > 1}):
            self.say(name, "the operationId is not unique")

    def schemas(self):
        for name, schema in self.document["components"]["schemas"].items():
            try:
                jsonschema.Draft202012Validator.check_schema(schema)
            except jsonschema.SchemaError as error:
                self.say(name, error.message)
            self.strict(name, schema)

    def strict(self, where, schema):
        """An object with properties says that there are no others, and has what it requires."""
        if not isinstance(schema, dict):
            return
        if "properties" in schema:
            if schema.get("additionalProperties") is not False:
                self.say(where, "does not say additionalProperties: false")
            for member in set(schema.get("required", [])) - set(schema["properties"]):
                self.say(where, f"requires {member}, which it does not define")
            for name, item in schema["properties"].items():
                self.strict(f"{where}/{name}", item)
        for item in schema.get("oneOf", []):
            self.strict(where, item)
        self.strict(f"{where}/items", schema.get("items"))

    def run(self):
        if set(self.document) != TOP or not str(self.document["openapi"]).startswith("3.1."):
            self.say("openapi.yaml", f"is not OpenAPI 3.1 with {sorted(TOP)}")
        if unknown := set(self.document["components"]) - KINDS:
            self.say("components", f"unknown kinds {unknown}")
        table = self.document["components"]["schemas"]["ProblemCode"]["oneOf"]
        self.codes = {row["const"]: row for row in table}
        if len(self.codes) != len(table):
            self.say("ProblemCode", "a code is given twice")
        self.references()
        if not self.findings:  # what follows relies on the references
            self.schemas()
            self.paths()
        return self.findings


def main():
    path = pathlib.Path(__file__).with_name("openapi.yaml")
    with path.open(encoding="utf-8") as file:
        document = yaml.load(file, Loader)
    findings = Lint(document).run()
    print("\n".join(findings), end="\n" if findings else "")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
