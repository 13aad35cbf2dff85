"""dns-01 with each solver that needs no cloud, and its failures."""

import json
import re
import stat

import pytest

import pem
from process import until


def httpreq(provider, zone, **more):
    return {"type": "httpreq", "endpoint": provider.endpoint, "zones": [zone], **more}


def nothing_left(provider):
    until(lambda: not provider.left(), 15, f"every TXT record is removed: {provider.left()}")


@pytest.mark.smoke
def test_many_names_with_wildcard(certwright, pebble, provider, resolvers):
    zone = "many.example.com"
    api = certwright(pebble, resources={"solvers": {"dns": httpreq(provider, zone)}},
                     **resolvers).api
    api.put_account()
    wanted = [zone, f"*.{zone}"] + [f"n{i}.{zone}" for i in range(8)]
    job = api.succeeded(api.post_certificate(*wanted, name="many"))
    assert job["resource"]["name"] == "many"
    assert pem.names_of(pem.load(api.pem("many", "cert.pem"))) == sorted(wanted)
    nothing_left(provider)
    # Apex and wildcard share a name: two values stood there side by side.
    apex = {value for path, fqdn, value, _ in provider.calls
            if path == "present" and fqdn == f"_acme-challenge.{zone}."}
    assert len(apex) == 2


def test_one_certificate_over_http01_and_dns01(certwright, pebble, provider, resolvers, names):
    [web] = names()
    api = certwright(pebble, resources={"solvers": {"dns": httpreq(provider, "mixed.example.com")}},
                     **resolvers).api
    api.put_account()
    job = api.succeeded(api.post_certificate(web, "*.mixed.example.com"))
    used = {i["value"]: i["challenge"]["type"] for i in job["identifiers"]}
    assert used == {web: "http-01", "*.mixed.example.com": "dns-01"}
    nothing_left(provider)


def test_what_needs_a_record_passes_over_who_places_none(certwright, pebble, provider, resolvers):
    """Though it has the same zone, and the first name, or a longer zone."""
    zone = "two.example.com"
    api = certwright(pebble, resources={"solvers": {
        "a": {"type": "http-01", "zones": [zone, f"www.{zone}"]},
        "dns": httpreq(provider, zone)}}, **resolvers).api
    api.put_account()
    job = api.succeeded(api.post_certificate(zone, f"*.{zone}", f"*.www.{zone}"))
    assert {i["value"]: i["challenge"]["type"] for i in job["identifiers"]} == {
        zone: "http-01", f"*.{zone}": "dns-01", f"*.www.{zone}": "dns-01"}
    api.succeeded(api.post_certificate(f"www.{zone}", challenge={"type": "dns-01"}))
    nothing_left(provider)


def test_basic_credential(certwright, pebble, provider, resolvers):
    service = certwright(
        pebble,
        resources={"credentials": {"hook": {"type": "basic", "username": "acme",
                                            "password": {"$env": "HOOK_PASSWORD"}}},
                   "solvers": {"dns": httpreq(provider, "basic.example.com", credential="hook")}},
        env={"HOOK_PASSWORD": "Grüße: 1"}, **resolvers)
    service.api.put_account()
    service.api.succeeded(service.api.post_certificate("*.basic.example.com"))
    shown = service.api.ok("GET", "/credentials/hook")
    assert shown["password"] == {"set": True}
    nothing_left(provider)
    # base64 of "acme:Grüße: 1" in UTF-8
    assert {call[3] for call in provider.calls} == {"Basic YWNtZTpHcsO8w59lOiAx"}
    assert "Grüße" not in service.process.log()


@pytest.fixture
def hook(tmp_path, challtestsrv):
    """A program with lego's exec protocol; (its path, the file where it writes its arguments)."""
    calls, script = tmp_path / "calls", tmp_path / "hook"
    script.write_text(f"""#!/bin/sh
set -eu
echo "$*" >>{calls}
case $1 in
present) body="{{\\"host\\": \\"$2\\", \\"value\\": \\"$3\\"}}" path=set-txt ;;
cleanup) body="{{\\"host\\": \\"$2\\"}}" path=clear-txt ;;
esac
exec /usr/bin/python3 - "$path" "$body" <<'END'
import sys, urllib.request
urllib.request.urlopen("http://127.0.0.1:{challtestsrv.management_port}/" + sys.argv[1],
                       sys.argv[2].encode(), timeout=10).read()
END
""")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script, calls


def test_exec(certwright, pebble, hook, resolvers):
    script, calls = hook
    api = certwright(pebble, commands={"dns-hook": [str(script)]}, resources={
        "solvers": {"dns": {"type": "exec", "command": "dns-hook", "zones": ["exec.example.com"]}},
    }, **resolvers).api
    api.put_account()
    api.succeeded(api.post_certificate("*.exec.example.com"))
    until(lambda: "cleanup" in calls.read_text(), 15, "the hook cleans up")
    present, cleanup = [line.split() for line in calls.read_text().splitlines()]
    assert present[:2] == ["present", "_acme-challenge.exec.example.com."]
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", present[2])
    assert cleanup == ["cleanup", *present[1:]]


def test_a_command_that_fails_is_quoted(certwright, pebble, tmp_path, resolvers):
    script = tmp_path / "hook"
    script.write_text("#!/bin/sh\necho 'quota exceeded' >&2\nexit 3\n")
    script.chmod(0o700)
    api = certwright(pebble, commands={"dns-hook": [str(script)]}, resources={
        "solvers": {"dns": {"type": "exec", "command": "dns-hook", "zones": ["fail.example.com"]}},
    }, **resolvers).api
    api.put_account()
    job = api.post_certificate("*.fail.example.com", retry_for_seconds=0)
    job = api.failed(job)
    assert job["error"]["code"] in ("command.failed", "job.gave_up")
    assert "quota exceeded" in json.dumps(job)


def test_a_command_that_the_config_lacks_is_refused(certwright, pebble):
    api = certwright(pebble).api
    answer = api.put("/solvers/dns", {"type": "exec", "command": "rm", "zones": ["x.example.com"]})
    assert answer.status == 422
    assert [e["pointer"] for e in answer.json()["errors"]] == ["/command"]
    assert api.get("/solvers/dns").status == 404


def test_manual_waits_for_continue(certwright, pebble, challtestsrv, resolvers):
    zone = "manual.example.com"
    api = certwright(pebble, resources={"solvers": {"hand": {"type": "manual", "zones": [zone]}}},
                     **resolvers).api
    api.put_account()
    job = api.post_certificate(f"*.{zone}", zone, name="manual")

    def shown(job):
        records = [i["challenge"] and i["challenge"]["record"] for i in job["identifiers"]]
        # Before, it waits for a moment until it knows the zone; for a person it waits without end.
        return job["state"] == "waiting" and all(records) and job["next_attempt_at"] is None

    job = api.until_job(job, shown)
    for identifier in job["identifiers"]:
        record = identifier["challenge"]["record"]
        assert record["name"].rstrip(".") == f"_acme-challenge.{zone}"
        challtestsrv.set_txt(f"_acme-challenge.{zone}.", record["value"])
    api.ok("POST", f"/jobs/{job['id']}/continue", status=(202,))
    api.succeeded(job)
    challtestsrv.clear_txt(f"_acme-challenge.{zone}.")


def test_a_wrong_txt_fails_with_the_cas_words(certwright, pebble, provider, resolvers):
    """The check of ours is off, so that the wrong record comes to the CA's eyes."""
    zone = "wrong.example.com"
    provider.sabotage = lambda path, fqdn, value: (200, "wrong" + value[5:])
    api = certwright(pebble, resources={
        "solvers": {"dns": httpreq(provider, zone, propagation=False)}}, **resolvers).api
    api.put_account()
    job = api.failed(api.post_certificate(f"*.{zone}"))
    assert job["error"]["code"] == "ca.unauthorized"
    assert job["error"]["acme"]["type"] == "urn:ietf:params:acme:error:unauthorized"
    assert "DNS challenge" in job["error"]["acme"]["detail"]
    assert api.certificate(f"wildcard.{zone}")["status"] == "pending"
    nothing_left(provider)


def test_a_record_that_does_not_arrive_is_never_shown_to_the_ca(certwright, pebble, provider,
                                                               resolvers):
    zone = "lost.example.com"
    provider.sabotage = lambda path, fqdn, value: (204, value)  # accepted, and nothing happens
    api = certwright(pebble, resources={
        "solvers": {"dns": httpreq(provider, zone, propagation_timeout_seconds=2)}},
        **resolvers).api
    api.put_account()
    before = len(pebble.requests())
    job = api.failed(api.post_certificate(f"*.{zone}", retry_for_seconds=0))
    assert job["error"]["code"].startswith("dns.") or "dns." in json.dumps(job)
    assert not [path for _, path in pebble.requests()[before:] if path.startswith("/chalZ")]


def test_a_provider_that_refuses(certwright, pebble, provider, resolvers):
    provider.sabotage = lambda path, fqdn, value: (403, value)
    api = certwright(pebble, resources={
        "solvers": {"dns": httpreq(provider, "refused.example.com")}}, **resolvers).api
    api.put_account()
    job = api.failed(api.post_certificate("*.refused.example.com"))
    assert job["error"]["code"] == "provider.refused"


def test_a_provider_that_is_down_for_a_moment(certwright, pebble, provider, resolvers):
    calls = []

    def sabotage(path, fqdn, value):
        calls.append(path)
        return (503 if len(calls) == 1 else 200), value

    provider.sabotage = sabotage
    api = certwright(pebble, resources={
        "solvers": {"dns": httpreq(provider, "moment.example.com")}}, **resolvers).api
    api.put_account()
    job = api.post_certificate("*.moment.example.com")
    job = api.until_job(job, lambda j: j["state"] == "waiting" and j["error"])
    assert job["error"]["code"] == "provider.unreachable" and job["error"]["retryable"]
    api.ok("POST", f"/jobs/{job['id']}/retry", status=(202,))
    api.succeeded(job)
    nothing_left(provider)


def test_a_wildcard_without_a_dns_solver_is_refused_at_once(certwright, pebble):
    api = certwright(pebble).api
    api.put_account()
    answer = api.post("/certificates", {"identifiers": ["*.nobody.example.com"],
                                        "account": "main"})
    assert answer.status == 422 and answer.json()["code"] in ("solver.missing", "request.invalid")
    assert api.get("/certificates/wildcard.nobody.example.com").status == 404


def begin_with_records(api, solver, zone):
    """A job that has placed a record with the solver, and waits for it to be seen."""
    api.ok("PUT", "/solvers/dns", solver)
    job = api.post_certificate(zone, challenge={"type": "dns-01"})
    return api.until_job(job, lambda j: j["step"] == "propagate")


def test_a_solver_keeps_what_takes_its_records_back(certwright, pebble, provider, resolvers):
    """Another type, or none of the credential that placed them, would leave them for ever."""
    zone = "keeps.example.com"
    login = {"type": "basic", "username": "acme", "password": "secret"}
    service = certwright(pebble, commands={"true": ["/bin/true"]}, **resolvers)
    api = service.api
    api.put_account()
    for name in "one", "two":
        api.ok("PUT", f"/credentials/{name}", login)
    solver = {**httpreq(provider, zone), "credential": "one"}
    provider.sabotage = lambda path, fqdn, value: (200, "another value")
    job = begin_with_records(api, solver, zone)
    without = {name: value for name, value in solver.items() if name != "credential"}
    for other in ({"type": "exec", "command": "true", "zones": [zone]},
                  {"type": "http-01", "zones": [zone]}, without):
        answer = api.put("/solvers/dns", other)
        assert answer.status == 409 and answer.json()["code"] == "resource.in_use"
        assert answer.json()["detail"].endswith(f": {job['id']}.")
    assert api.ok("GET", "/solvers/dns")["credential"] == "one"

    changed = {**solver, "credential": "two", "propagation_timeout_seconds": 200}
    assert api.ok("PUT", "/solvers/dns", changed)["credential"] == "two"

    provider.sabotage = lambda path, fqdn, value: (500, value)
    api.ok("POST", f"/jobs/{job['id']}/cancel", {}, status=(202,))
    api.ended(job)
    [cleanup] = api.ok("GET", "/jobs?kind=challenge.cleanup")["items"]
    answer = api.put("/solvers/dns", without)
    assert answer.status == 409 and cleanup["id"] in answer.json()["detail"]
    answer = api.delete("/solvers/dns")
    assert answer.status == 409 and cleanup["id"] in answer.json()["detail"]
    provider.sabotage = None
    api.ok("POST", f"/jobs/{cleanup['id']}/retry", status=(200, 202))
    api.succeeded(cleanup)
    api.ok("PUT", "/solvers/dns", without)
    api.ok("PUT", "/solvers/dns", {"type": "http-01", "zones": [zone]})


def test_a_person_takes_over_the_records(certwright, pebble, resolvers):
    zone = "person.example.com"
    api = certwright(pebble, commands={"true": ["/bin/true"]}, **resolvers).api
    api.put_account()
    job = begin_with_records(api, {"type": "exec", "command": "true", "zones": [zone]}, zone)
    answer = api.put("/solvers/dns", {"type": "http-01", "zones": [zone]})
    assert answer.status == 409 and job["id"] in answer.json()["detail"]
    api.ok("PUT", "/solvers/dns", {"type": "manual", "zones": [zone]})
    api.ok("POST", f"/jobs/{job['id']}/cancel", {}, status=(202,))
    api.ended(job)
    [cleanup] = api.ok("GET", "/jobs?kind=challenge.cleanup")["items"]
    api.succeeded(cleanup)
    api.ok("DELETE", "/solvers/dns", status=(204,))


def test_a_solver_that_the_config_made_another_leaves_its_records(certwright, pebble, resolvers):
    """The service starts all the same, and the job tells."""
    zone = "became.example.com"
    service = certwright(pebble, commands={"true": ["/bin/true"]}, **resolvers)
    api = service.api
    api.put_account()
    job = begin_with_records(api, {"type": "exec", "command": "true", "zones": [zone]}, zone)
    resources = {**service.config["resources"],
                 "solvers": {"dns": {"type": "http-01", "zones": [zone]}}}
    service.configure({**service.config, "resources": resources})
    service.restart()
    assert api.failed(job)["error"]["code"] == "solver.missing"
    [cleanup] = api.ok("GET", "/jobs?kind=challenge.cleanup")["items"]
    error = api.failed(cleanup)["error"]
    assert error["code"] == "solver.missing" and "http-01" in error["detail"]
