"""The contract as a page: whole, well-formed, and with nothing from elsewhere."""

import base64
import hashlib
import re
from xml.etree import ElementTree

import pytest

from contract import METHODS


@pytest.fixture
def served(certwright):
    answer = certwright().api.get("/docs", token=False)
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return answer


@pytest.fixture
def page(served):
    """The page as a tree: it is XML too, so that a tag left open is found here."""
    return ElementTree.fromstring(served.text)


def anchors(page):
    return [element.get("id") for element in page.iter() if element.get("id")]


def text_of(element):
    return " ".join("".join(element.itertext()).split())


def test_everything_of_the_contract_is_there(page, contract):
    articles = {element.get("id"): text_of(element) for element in page.iter("article")}
    for path, item in contract.spec["paths"].items():
        for method in set(METHODS) & set(item):
            operation = item[method]
            shown = articles[f"operation-{operation['operationId']}"]
            assert shown.startswith(f"{method.upper()} {path}{operation['summary']}."), shown[:200]
            for choice in operation["security"]:
                assert all(scope in shown for scope in choice["bearer"]), path
    for name, schema in contract.components["schemas"].items():
        shown = articles[f"schema-{name}"]
        for member in schema.get("properties", {}):
            assert member in shown, (name, member)
    ids = anchors(page)
    for row in contract.components["schemas"]["ProblemCode"]["oneOf"]:
        assert f"code-{row['const']}" in ids
    for scope in contract.components["schemas"]["Scope"]["enum"]:
        assert f"scope-{scope}" in ids
    shown = {text_of(element) for element in page.iter("pre")}
    assert '{ "identifiers": [ "www.example.com" ] }' in shown


def test_all_links_lead_somewhere_here(page):
    ids = anchors(page)
    assert len(ids) == len(set(ids))
    links = [element.get("href") for element in page.iter("a")]
    assert len(links) > 500
    for link in links:
        assert link == "openapi.json" or link.removeprefix("#") in ids, link


def test_nothing_is_from_elsewhere(served, page):
    names = {element.tag for element in page.iter()}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    for element in page.iter():
        assert not set(element.keys()) & {"src", "style", "onclick", "onload", "srcset"}, element
    style = page.find("head/style").text
    assert "url(" not in style and "@import" not in style
    policy = dict(part.split(" ", 1) for part in
                  served.headers["Content-Security-Policy"].split("; "))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == {"default-src": "'none'", "style-src": f"'sha256-{digest}'",
                      "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'"}
    assert served.headers["X-Content-Type-Options"] == "nosniff"


def test_a_browser_may_open_it_and_keep_it(certwright):
    api = certwright().api
    for path in ("/docs", "/openapi.json"):
        answer = api.get(path, token=False, headers={
            "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none", "Sec-Fetch-Dest": "document",
            "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"})
        assert answer.status == 200 and answer.headers["Cache-Control"] == "no-cache"
        again = api.get(path, token=False, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status == 304 and not again.body
    assert api.get("/docs", token=False, headers={"Accept": "image/png"}).status == 406
    assert re.fullmatch(r'"[^"]+"', answer.headers["ETag"])
