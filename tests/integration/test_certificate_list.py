"""GET /certificates: filters, orders, and cursors that survive inserts between pages."""

from urllib.parse import urlencode

import pytest

import pem
from own_ca import OwnCa

DAYS = {"a": 40, "b": -1, "c": 10, "d": 40, "e": 5}


@pytest.fixture(scope="module")
def own():
    return OwnCa()


def add(api, own, name, days, **more):
    key = pem.make_key()
    api.ok("POST", "/imports", {
        "name": name, "certificate": own.leaf(key, f"{name}.example.com", "all.example.com",
                                              days=(-90, days)),
        "private_key": pem.key_pem(key), **more}, status=(201,))


@pytest.fixture
def api(certwright, pebble, own):
    """a … e were issued, p waits for an account that waits for its CA."""
    gone = {"directory_url": "https://127.0.0.1:1/dir"}
    api = certwright(pebble, resources={"authorities": {"gone": gone}}).api
    api.put_account()
    api.ok("PUT", "/accounts/late", {"authority": "gone", "terms_of_service_agreed": True},
           status=(202,))
    for name, days in DAYS.items():
        more = {"labels": {"team": "web" if name in "ac" else "api=2"}}
        if name == "c":
            more.update(account="main", renew={"enabled": False})
        add(api, own, name, days, **more)
    api.ok("POST", "/certificates", {"name": "p", "identifiers": ["p.example.com"],
                                     "account": "late"}, status=(202,))
    return api


def page(api, **query):
    return api.ok("GET", f"/certificates?{urlencode(query)}")


def found(api, **query):
    listed = page(api, **query)
    assert listed["next"] is None
    return "".join(item["name"] for item in listed["items"])


def walk(api, between=lambda: None, **query):
    """The names, page by page."""
    names, cursor = [], {}
    for _ in range(50):
        listed = page(api, page_size=2, **query, **cursor)
        names += [item["name"] for item in listed["items"]]
        if not listed["next"]:
            return "".join(names)
        cursor = {"cursor": listed["next"]}
        between()
    raise AssertionError(f"there is no end: {names}")


@pytest.mark.parametrize("query, names", [
    ({}, "abcdep"), ({"sort": "name"}, "abcdep"), ({"sort": "created_at"}, "abcdep"),
    ({"status": "valid"}, "acde"), ({"status": "expired"}, "b"), ({"status": "pending"}, "p"),
    ({"status": "revoked"}, ""), ({"identifier": "all.example.com"}, "abcde"),
    ({"identifier": "C.example.com"}, "c"), ({"identifier": "example.com"}, ""),
    ({"label": "team=web"}, "ac"), ({"label": "team=api=2"}, "bde"), ({"label": "team="}, ""),
    ({"account": "main"}, "c"), ({"account": "late"}, "p"), ({"account": "nobody"}, ""),
    ({"authority": "pebble"}, "c"), ({"authority": "gone"}, "p"),
    ({"expires_within": 20 * 86400}, "bce"), ({"expires_within": 0}, "b"),
    ({"expires_within": 20 * 86400, "status": "valid"}, "ce"),
    ({"expires_within": 20 * 86400, "label": "team=web"}, "c"),
    ({"identifier": "all.example.com", "label": "team=web", "status": "valid"}, "ac")])
def test_filters(api, query, names):
    assert found(api, **query) == names
    assert walk(api, **query) == names
    for sort in ("not_after", "created_at"):
        assert sorted(walk(api, **{**query, "sort": sort})) == sorted(names)


def test_by_their_end(api):
    by_end = walk(api, sort="not_after")
    assert by_end[:4] == "pbec" and sorted(by_end[4:]) == ["a", "d"]
    assert walk(api, sort="not_after", status="valid", label="team=web") == "ca"


@pytest.mark.parametrize("query", [
    {"status": "good"}, {"sort": "serial"}, {"sort": "-name"}, {"label": "team"}, {"label": "=x"},
    {"expires_within": "1d"}, {"expires_within": "-1"}, {"identifier": "a b"}, {"team": "web"}])
def test_what_is_no_filter_is_refused(api, query):
    assert api.get(f"/certificates?{urlencode(query)}").status == 400


def test_a_cursor_is_good_for_its_list_alone(api):
    cursor = page(api, page_size=1, status="valid")["next"]
    for query in ({}, {"status": "expired"}, {"status": "valid", "sort": "not_after"}):
        assert api.get(f"/certificates?{urlencode({**query, 'cursor': cursor})}").status == 400


@pytest.mark.parametrize("sort", ["name", "not_after", "created_at"])
@pytest.mark.parametrize("query", [{}, {"identifier": "all.example.com"}, {"status": "valid"}])
def test_inserts_and_deletes_between_pages(api, own, sort, query):
    before = walk(api, sort=sort, **query)
    made = iter("xyzuvw")
    gone = iter("b")

    def change():
        if name := next(made, None):
            add(api, own, name, {"x": 1, "y": 20, "z": 400}.get(name, 30))
        if name := next(gone, None):
            api.ok("DELETE", f"/certificates/{name}")

    seen = walk(api, change, sort=sort, **query)
    assert len(set(seen)) == len(seen)  # none twice
    old = [name for name in seen if name in DAYS or name == "p"]
    assert [name for name in old if name != "b"] == [name for name in before if name != "b"]


def test_changes_are_found(api):
    api.ok("PATCH", "/certificates/a", {"labels": {"team": "ops"}})
    assert found(api, label="team=web") == "c" and found(api, label="team=ops") == "a"
    api.ok("DELETE", "/certificates/a")
    assert found(api, label="team=ops") == "" and found(api, identifier="a.example.com") == ""
    api.ok("PUT", "/certificates/p", {"identifiers": ["q.example.com"], "account": "late"},
           status=(202,))
    assert found(api, identifier="p.example.com") == ""
    assert found(api, identifier="q.example.com") == "p"
