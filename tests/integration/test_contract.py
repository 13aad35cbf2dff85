"""The judge is judged: an answer outside of the contract is noticed."""

import json
from email.message import Message

import pytest

from contract import Violation

PROBLEM = {"type": "urn:certwright:problem:not_found", "title": "there is no such resource",
           "status": 404, "detail": "There is no certificate x.", "code": "not_found",
           "retryable": False}
AUTHORITY = {"name": "ca", "directory_url": "https://ca.example/dir", "trust_bundle": None,
             "test": False, "eab_required": False, "profiles": None, "managed_by": "api",
             "created_at": "2026-11-21T09:41:50.123Z", "updated_at": "2026-11-21T09:41:50.123Z"}


def headers(media):
    message = Message()
    message["Content-Type"] = media
    return message


def check(contract, method, path, status, body, media="application/json"):
    contract.check(method, path, status, headers(media), json.dumps(body).encode())


def test_what_the_contract_allows(contract):
    check(contract, "GET", "/authorities/ca", 200, AUTHORITY)
    check(contract, "GET", "/certificates/x", 404, PROBLEM, "application/problem+json")
    contract.check("HEAD", "/authorities/ca", 200, headers("application/json"), b"")


@pytest.mark.parametrize("path, status, body, media", [
    ("/nowhere", 200, AUTHORITY, "application/json"),
    ("/authorities/ca", 202, AUTHORITY, "application/json"),
    ("/authorities/ca", 200, AUTHORITY, "text/html"),
    ("/authorities/ca", 200, {**AUTHORITY, "more": 1}, "application/json"),
    ("/authorities/ca", 200, {**AUTHORITY, "test": "no"}, "application/json"),
    ("/authorities/ca", 200, {**AUTHORITY, "created_at": "yesterday"}, "application/json"),
    ("/certificates/x", 404, {**PROBLEM, "status": 400}, "application/problem+json"),
    ("/certificates/x", 404, {**PROBLEM, "code": "no.such.code"}, "application/problem+json"),
    ("/certificates/x", 404, PROBLEM, "application/json"),
])
def test_what_it_does_not(contract, path, status, body, media):
    with pytest.raises(Violation):
        check(contract, "GET", path, status, body, media)


def test_a_method_that_the_contract_lacks(contract):
    with pytest.raises(Violation):
        check(contract, "PATCH", "/authorities/ca", 200, AUTHORITY)
