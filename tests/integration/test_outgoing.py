"""Where requests of certwright's own go: nowhere into this machine, unless the config says so."""

import pytest

from hook import Hook

NOWHERE = {"allow": []}
# curl resolves it to this machine by itself; only the address can tell.
NAME = "there.localhost"


@pytest.fixture
def hook():
    server = Hook()
    yield server
    server.stop()


def by_name(url):
    return url.replace("http:", "https:").replace("127.0.0.1", NAME)


@pytest.mark.parametrize("path, body, pointer", [
    ("/authorities/x", {"directory_url": "https://127.0.0.1:1/dir"}, "/directory_url"),
    ("/authorities/x", {"directory_url": "https://[::1]/dir"}, "/directory_url"),
    ("/authorities/x", {"directory_url": "https://2130706433/dir"}, "/directory_url"),
    ("/authorities/x", {"directory_url": "https://[::ffff:169.254.169.254]/"}, "/directory_url"),
    ("/solvers/x", {"type": "httpreq", "endpoint": "http://localhost:1/"}, "/endpoint"),
    ("/targets/x", {"type": "webhook", "url": "https://169.254.169.254/latest"}, "/url"),
    ("/targets/x", {"type": "webhook", "url": "https://10.0.0.1/x"}, "/url"),
    ("/targets/x", {"type": "files", "directory": "/nowhere",
                    "reload": {"webhook": "http://127.0.0.1:1/"}}, "/reload/webhook"),
])
def test_addresses_are_refused_at_once(certwright, path, body, pointer):
    api = certwright(outgoing=NOWHERE, file_roots=["/nowhere"]).api
    answer = api.put(path, body)
    assert answer.status == 422, answer
    [error] = answer.json()["errors"]
    assert error["pointer"] == pointer and '"outgoing": {"allow": ["' in error["detail"]


def test_what_the_config_names_is_trusted(certwright, pebble, names):
    """The fixture's authority is at 127.0.0.1, and stands in the config."""
    api = certwright(pebble, outgoing=NOWHERE).api
    api.put_account()
    api.succeeded(api.post_certificate(*names()))


def test_a_name_that_leads_here_gets_no_request(certwright, pebble, hook):
    api = certwright(outgoing=NOWHERE).api
    api.ok("PUT", "/authorities/x", {"directory_url": by_name(f"https://127.0.0.1:{pebble.port}/dir"),
                                     "trust_bundle": pebble.authority()["trust_bundle"]})
    failed = api.failed(api.ok("POST", "/authorities/x/refresh", {}))
    assert failed["error"]["code"] == "outgoing.refused" and not failed["error"]["retryable"]
    detail = failed["error"]["detail"]
    assert NAME in detail and ('["127.0.0.1/32"]' in detail or '["::1/128"]' in detail), detail

    api.ok("PUT", "/targets/hook", {"type": "webhook", "url": by_name(hook.url)})
    failed = api.failed(api.ok("POST", "/targets/hook/test", {}))
    assert failed["error"]["code"] == "outgoing.refused"
    assert hook.requests == []


def test_a_trusted_name_leads_to_no_loopback(certwright, pebble):
    authority = pebble.authority(directory_url=f"https://{NAME}:{pebble.port}/dir")
    api = certwright(resources={"authorities": {"x": authority}}, outgoing=NOWHERE).api
    failed = api.failed(api.ok("POST", "/authorities/x/refresh", {}))
    assert failed["error"]["code"] == "outgoing.refused"


def test_a_listed_range_is_open(certwright, hook):
    api = certwright(outgoing={"allow": ["127.0.0.1"]}).api
    api.ok("PUT", "/targets/hook", {"type": "webhook", "url": hook.url})
    api.succeeded(api.ok("POST", "/targets/hook/test", {}))
    assert len(hook.requests) == 1
