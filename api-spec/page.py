"""
The contract as one page of HTML for people: no script, nothing from elsewhere, and well-formed XML
too. Every operation, schema, shared answer, scope and problem code has an anchor.
"""

import base64
import hashlib
import json
import pathlib
import re
from html import escape

METHODS = ("get", "put", "post", "patch", "delete")
STYLE = pathlib.Path(__file__).with_name("page.css")
LIMITS = {"minLength": ("at least", "character"), "maxLength": ("at most", "character"),
          "minimum": ("at least", ""), "maximum": ("at most", ""),
          "minItems": ("at least", "item"), "maxItems": ("at most", "item"),
          "minProperties": ("at least", "member"), "maxProperties": ("at most", "member")}


def policy(style):
    """What a browser may do with the page: show it with its own style, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'")


def tag(name, *inside, **attributes):
    """An element around what is markup already; class_ and the like lose their underscore."""
    told = "".join(f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name}{told}>{''.join(inside)}</{name}>"


def code(text):
    return tag("code", escape(str(text)))


def link(anchor, inside):
    return tag("a", inside, href=f"#{anchor}")


def inline(text):
    """A line of the contract's Markdown: `code`, **strong** and *emphasis*."""
    parts = re.split(r"(`[^`]+`|\*\*[^*]+\*\*|\*[^*\s][^*]*\*)", text)
    out = []
    for part in parts:
        if part.startswith("`") and len(part) > 2:
            out.append(code(part[1:-1]))
        elif part.startswith("**") and len(part) > 4:
            out.append(tag("strong", escape(part[2:-2])))
        elif part.startswith("*") and len(part) > 2:
            out.append(tag("em", escape(part[1:-1])))
        else:
            out.append(escape(part))
    return "".join(out)


def prose(text):
    """Paragraphs, which an empty line parts."""
    return "".join(tag("p", inline(" ".join(part.split())))
                   for part in re.split(r"\n\s*\n", text or "") if part.strip())


def table(head, rows):
    """Nothing where there are no rows."""
    if not rows:
        return ""
    return tag("table", tag("thead", tag("tr", *(tag("th", escape(h), scope="col") for h in head))),
               tag("tbody", *(tag("tr", *(tag("td", cell) for cell in row)) for row in rows)),
               class_=f"of{len(head)}")


class Page:
    def __init__(self, document):
        self.document = document
        self.components = document["components"]

    def resolve(self, node):
        while "$ref" in node:
            _, _, kind, name = node["$ref"].split("/")
            node = self.components[kind][name]
        return node

    def operations(self, tag_name):
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item and tag_name in item[method]["tags"]:
                    yield method, path, item[method], item.get("parameters", [])

    # types and schemas

    def type_of(self, schema):
        """A type in words, with links to those that have a name."""
        if "$ref" in schema:
            name = schema["$ref"].split("/")[-1]
            return link(f"schema-{name}", code(name))
        if "const" in schema:
            return code(json.dumps(schema["const"]))
        if "enum" in schema:
            return " or ".join(code(json.dumps(value)) for value in schema["enum"])
        for choice in ("oneOf", "anyOf", "allOf"):
            if choice in schema and "type" not in schema:
                return " or ".join(self.type_of(item) for item in schema[choice])
        types = schema.get("type", "any")
        names = types if isinstance(types, list) else [types]
        return " or ".join(self.plain_type(name, schema) for name in names)

    def plain_type(self, name, schema):
        if name == "array" and "items" in schema:
            return "array of " + self.type_of(schema["items"])
        if name == "object" and isinstance(schema.get("additionalProperties"), dict):
            return "object of " + self.type_of(schema["additionalProperties"])
        return escape(f"{name} ({schema['format']})" if "format" in schema else name)

    def limits(self, schema):
        told = [f"{bound} {schema[key]} {what}{'s' if what and schema[key] != 1 else ''}".rstrip()
                for key, (bound, what) in LIMITS.items() if key in schema]
        if schema.get("writeOnly"):
            told.append("never shown")
        parts = [escape(", ".join(told))] if told else []
        if "pattern" in schema:
            parts.append("like " + code(schema["pattern"]))
        if "default" in schema:
            parts.append(code(json.dumps(schema["default"])) + " unless given")
        return tag("p", "; ".join(parts), class_="limits") if parts else ""

    def members(self, schema, before=""):
        """The rows of an object's members, those of objects within it below them."""
        rows = []
        for name, item in schema.get("properties", {}).items():
            label = tag("code", escape(before), tag("b", escape(name)))
            if name in schema.get("required", []):
                label += tag("span", "required", class_="required")
            about = prose(item.get("description")) + self.limits(item)
            rows.append((label, self.type_of(item), about))
            inner = item
            where = f"{before}{name}."
            if "items" in item:
                inner, where = item["items"], f"{before}{name}[]."
            for variant in [inner, *inner.get("oneOf", [])]:
                if "$ref" not in variant:
                    rows += self.members(variant, where)
        return rows

    def schema(self, schema):
        out = [prose(schema.get("description"))]
        variants = [v for v in schema.get("oneOf", []) if "properties" in v]
        rows = self.members(schema)
        if not rows and not variants:
            out.append(tag("p", self.type_of(schema), class_="type"))
            out.append(self.limits(schema))
        out.append(table(("member", "type", ""), rows))
        for variant in variants:
            if "title" in variant:
                out.append(tag("h4", inline(variant["title"])))
            out.append(prose(variant.get("description")))
            out.append(table(("member", "type", ""), self.members(variant)))
        return "".join(out)

    # operations

    def scopes(self, operation):
        told = [name for choice in operation["security"] for name in choice.get("bearer", [])]
        if not told:
            return tag("p", "Open: needs no token.", class_="scopes")
        links = " and ".join(link(f"scope-{name}", code(name)) for name in told)
        return tag("p", "Scope: ", links, class_="scopes")

    def parameters(self, parameters):
        rows = []
        for parameter in map(self.resolve, parameters):
            label = tag("code", tag("b", escape(parameter["name"])))
            if parameter.get("required"):
                label += tag("span", "required", class_="required")
            about = prose(parameter.get("description")) + self.limits(parameter["schema"])
            if "example" in parameter:
                about += tag("p", "Such as ", code(parameter["example"]), class_="limits")
            rows.append((label, escape(parameter["in"]), self.type_of(parameter["schema"]), about))
        return table(("parameter", "in", "type", ""), rows)

    def example(self, kind, name, example):
        value = example["value"]
        shown = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        title = ": ".join(part for part in (name, example.get("summary")) if part)
        return tag("details", tag("summary", "Example", escape(f" {title}" if title else ""),
                                  " ", tag("small", escape(kind))),
                   tag("pre", code(shown.rstrip()), tabindex="0"))

    def examples(self, content):
        out = []
        for kind, media in content.items():
            if "example" in media:
                out.append(self.example(kind, "", {"value": media["example"]}))
            for name, example in media.get("examples", {}).items():
                out.append(self.example(kind, name, self.resolve(example)))
        return "".join(out)

    def content(self, content):
        return ", ".join(f"{code(kind)} {self.type_of(media['schema'])}"
                         for kind, media in content.items())

    def body(self, body):
        if not body:
            return ""
        needed = "" if body.get("required") else " (may be left out)"
        return "".join([tag("h4", "Body", needed), prose(body.get("description")),
                        tag("p", self.content(body["content"])), self.examples(body["content"])])

    def answer(self, response):
        headers = response.get("headers", {})
        told = [prose(response.get("description"))]
        if headers:
            told.append(tag("p", "Headers: ", ", ".join(map(code, headers)), class_="limits"))
        if response.get("content"):
            told.append(tag("p", self.content(response["content"])))
            told.append(self.examples(response["content"]))
        return "".join(told)

    def answers(self, responses):
        rows = []
        for status, response in responses.items():
            label = tag("b", "others" if status == "default" else escape(str(status)))
            if "$ref" in response:
                name = response["$ref"].split("/")[-1]
                first = re.match(r"[^.]+\.?", self.resolve(response)["description"])
                about = tag("p", inline(" ".join(first[0].split())), " ",
                            link(f"response-{name}", "Details"))
                rows.append((label, about))
            else:
                rows.append((label, self.answer(response)))
        return tag("h4", "Answers") + table(("status", ""), rows)

    def title(self, method, path):
        return tag("span", method.upper(), class_=f"method {method}") + " " + tag(
            "code", escape(path).replace("/", "<wbr/>/"))

    def operation(self, method, path, operation, shared):
        anchor = f"operation-{operation['operationId']}"
        return tag("article", tag("h3", link(anchor, self.title(method, path))),
                   tag("p", inline(operation["summary"]), ".", class_="summary"),
                   prose(operation.get("description")), self.scopes(operation),
                   self.parameters(shared + operation.get("parameters", [])),
                   self.body(self.resolve(operation.get("requestBody", {}))),
                   self.answers(operation["responses"]), id=anchor)

    # the page

    def section(self, entry):
        ops = list(self.operations(entry["name"]))
        rows = [(link(f"operation-{op['operationId']}", self.title(method, path)),
                 inline(op["summary"])) for method, path, op, _ in ops]
        return tag("section", tag("h2", escape(entry["name"].capitalize())),
                   prose(entry["description"]), table(("operation", ""), rows),
                   *(self.operation(*op) for op in ops), id=f"tag-{entry['name']}")

    def problems(self):
        schema = self.components["schemas"]["ProblemCode"]
        rows = [(tag("code", escape(row["const"]), id=f"code-{row['const']}"),
                 tag("p", inline(row["title"])) + prose(row.get("description")),
                 "yes" if row["x-retryable"] else "no") for row in schema["oneOf"]]
        return tag("section", tag("h2", "Problem codes"), prose(schema["description"]),
                   table(("code", "meaning, and what helps", "again later?"), rows), id="problems")

    def scope_section(self):
        """Each scope with what it takes part in opening."""
        schema = self.components["schemas"]["Scope"]
        takers = {name: [] for name in schema["enum"]}
        for entry in self.document["tags"]:
            for method, path, operation, _ in self.operations(entry["name"]):
                for choice in operation["security"]:
                    for name in choice.get("bearer", []):
                        takers[name].append(tag("li", link(f"operation-{operation['operationId']}",
                                                           self.title(method, path))))
        rows = [(tag("code", escape(name), id=f"scope-{name}"), tag("ul", *links))
                for name, links in takers.items()]
        return tag("section", tag("h2", "Scopes"), prose(schema["description"]),
                   table(("scope", "operations"), rows), id="scopes")

    def named(self, kind, title, anchor, render):
        return tag("section", tag("h2", title), *(
            tag("article", tag("h3", link(f"{anchor}-{name}", code(name))), render(item),
                id=f"{anchor}-{name}")
            for name, item in self.components[kind].items()), id=f"{anchor}s")

    def navigation(self):
        groups = []
        for entry in self.document["tags"]:
            links = [tag("li", link(f"operation-{op['operationId']}", self.title(method, path)))
                     for method, path, op, _ in self.operations(entry["name"])]
            groups.append(tag("li", link(f"tag-{entry['name']}", escape(
                entry["name"].capitalize())), tag("ul", *links)))
        for anchor, title in (("scopes", "Scopes"), ("problems", "Problem codes"),
                              ("responses", "Shared answers"), ("schemas", "Schemas")):
            groups.append(tag("li", link(anchor, title)))
        return tag("nav", tag("ul", *groups), aria_label="Contents").replace("aria_", "aria-")

    def html(self, style):
        info = self.document["info"]
        title = f"{info['title']} {info['version']}"
        head = ['<meta charset="utf-8"/>', '<meta name="viewport" content="width=device-width"/>',
                '<meta name="color-scheme" content="light dark"/>',
                tag("title", escape(title), ": the API"), f"<style>{style}</style>"]
        main = [tag("header", tag("h1", escape(title)), prose(info["summary"]), id="top"),
                prose(info["description"]),
                tag("p", "The same for programs: ", tag("a", "openapi.json", href="openapi.json"),
                    " (OpenAPI 3.1)."),
                *(self.section(entry) for entry in self.document["tags"]),
                self.scope_section(), self.problems(),
                self.named("responses", "Shared answers", "response", self.answer),
                self.named("schemas", "Schemas", "schema", self.schema)]
        return "<!DOCTYPE html>\n" + tag("html", tag("head", *head), tag(
            "body", self.navigation(), tag("main", *main)), lang="en-GB") + "\n"


def render(document):
    """(the page, its Content-Security-Policy)"""
    style = STYLE.read_text(encoding="utf-8")
    return Page(document).html(style), policy(style)
