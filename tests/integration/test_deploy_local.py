"""What is installed on this machine, or told to it: webhooks, commands, files and their reload."""

import os
import signal
import subprocess
import sys
from datetime import datetime

import pytest

import pem
from hook import Hook
from process import die_with_parent, until

# Writes a line for each SIGHUP, the first one once it is ready.
DAEMON = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
with open(sys.argv[1], "a") as out:
    print("ready", file=out, flush=True)
    while signal.sigwait([signal.SIGHUP]):
        print("reload", file=out, flush=True)
"""

# Keeps what it was given beside itself: it is gone once the command has ended.
INSTALL = """#!/bin/sh
set -e
kept={folder}/kept-$CERTWRIGHT_VERSION
mkdir "$kept"
env | grep '^CERTWRIGHT_' > "$kept/environment"
cp "$CERTWRIGHT_KEY_FILE" "$CERTWRIGHT_FULLCHAIN_FILE" "$CERTWRIGHT_CERT_FILE" "$kept"
"""

RELOAD = """#!/bin/sh
echo "$CERTWRIGHT_EVENT $CERTWRIGHT_CERTIFICATE $CERTWRIGHT_VERSION" >> {folder}/reloads
"""


@pytest.fixture
def hook():
    server = Hook()
    yield server
    server.stop()


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "certs"
    folder.mkdir()
    return folder


def script(folder, name, text):
    path = folder / name
    path.write_text(text.format(folder=folder))
    path.chmod(0o755)
    return [str(path)]


@pytest.fixture
def service(certwright, pebble, hook, root, tmp_path):
    service = certwright(
        pebble, file_roots=[str(root)], pidfiles={"daemon": str(tmp_path / "daemon.pid")},
        commands={"install": script(tmp_path, "install", INSTALL),
                  "reload": script(tmp_path, "reload", RELOAD)})
    api = service.api
    api.put_account()
    api.ok("PUT", "/credentials/hook", {"type": "webhook-secret", "secret": hook.secret})
    api.ok("PUT", "/targets/hook", {"type": "webhook", "url": hook.url, "credential": "hook"})
    return service


@pytest.fixture
def api(service):
    return service.api


def issue(api, names, *targets):
    """The certificate "site" is issued, its first version not yet on its targets."""
    [name] = names()
    api.succeeded(api.post_certificate(name, name="site", targets=list(targets)))
    return name


def deploy_job(api, condition, what):
    """The deployment job that fulfils the condition, once there is one."""
    def find():
        jobs = api.ok("GET", "/jobs?kind=certificate.deploy&certificate=site")["items"]
        return next((job for job in jobs if condition(job)), None)
    return api.job(until(find, 30, what))


def seconds(time):
    return round(datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp())


def waits(job):
    return job["state"] == "waiting" and job["error"]


def deployed(api, version):
    def find():
        [target] = api.certificate("site")["targets"]
        return target["state"] == "deployed" and target["version"] == version
    until(find, 30, f"version {version} is there")


def renew(api):
    api.succeeded(api.ok("POST", "/certificates/site/renew", {"force": True}))


# webhook

def test_a_webhook_is_signed_and_told_again(api, hook, names):
    hook.answers = [503]
    name = issue(api, names, "hook")
    job = deploy_job(api, waits, "the job waits")
    assert job["error"]["code"] == "provider.unreachable"
    api.ok("POST", f"/jobs/{job['id']}/retry")
    job = api.succeeded(job)
    told = [event["message"] for event in job["events"]]
    assert any("503" in message for message in told)
    assert "204" in told[-1]
    first, second = hook.events()
    assert first == second and {seen[0] for seen in hook.seen} == {job["id"]}
    assert first["event"] == "certificate.deployed" and first["certificate"] == "site"
    assert first["version"] == 1 and first["identifiers"] == [name]
    assert first["fullchain_pem"] == api.pem("site", "fullchain.pem")
    assert first["fingerprint_sha256"].replace(":", "").lower() == pem.fingerprint(
        api.pem("site", "cert.pem")).replace(":", "").lower()
    assert not any("PRIVATE KEY" in body for _, body, _ in hook.seen)


def test_another_credential_brings_a_refused_webhook_back(api, hook, names):
    hook.answers = [401]
    issue(api, names, "hook")
    job = deploy_job(api, lambda job: job["state"] == "failed", "the job has failed")
    assert job["error"]["code"] == "provider.refused" and "401" in job["error"]["detail"]
    [target] = api.certificate("site")["targets"]
    assert target["state"] == "failed"
    hook.key = b"another key, which has 32 bytes."
    api.ok("PUT", "/credentials/hook", {"type": "webhook-secret", "secret": hook.secret})
    deployed(api, 1)
    assert hook.seen[-1][2]  # signed with the new one
    [target] = api.certificate("site")["targets"]
    assert target["error"] is None and target["job"] is None


def test_a_deleted_certificate_calls_its_deployments_back(api, hook, names):
    hook.answers = [503] * 100
    issue(api, names, "hook")
    job = deploy_job(api, waits, "the job waits")
    assert api.delete("/certificates/site").status == 204
    assert api.ended(job)["state"] == "cancelled"
    assert api.ok("GET", "/jobs?state=waiting&kind=certificate.deploy")["items"] == []
    assert api.delete("/targets/hook").status == 204


def test_a_target_that_changes_under_its_job_is_brought_up_to_date(api, hook, names):
    """The job that is under way has the settings of before, and no other job is beside it."""
    for status in (204, 401):
        hook.seen.clear()
        hook.answers = [status]
        hook.hold()
        if status == 204:
            issue(api, names, "hook")
        else:
            renew(api)
        until(lambda: hook.seen, 30, "the hook is called")
        url = f"{hook.url}&anew={status}"
        api.ok("PUT", "/targets/hook", {"type": "webhook", "url": url, "credential": "hook"})
        hook.release()
        until(lambda: len(hook.seen) == 2, 30, "the hook is called at its new address")
        assert hook.paths[-1].endswith(f"anew={status}")
    deployed(api, 2)


def test_a_target_taken_off_the_list_calls_its_job_back(api, hook, names):
    hook.answers = [503] * 100
    issue(api, names, "hook")
    job = deploy_job(api, waits, "the job waits")
    api.ok("PATCH", "/certificates/site", {"targets": []})
    assert api.ended(job)["state"] == "cancelled"
    hook.answers = []
    hook.seen.clear()
    hook.hold()
    api.ok("PATCH", "/certificates/site", {"targets": ["hook"]})
    until(lambda: hook.seen, 30, "the hook is called")
    job = deploy_job(api, lambda job: job["state"] in ("queued", "running"), "a job is under way")
    api.ok("PATCH", "/certificates/site", {"targets": []})
    hook.release()
    assert api.ended(job)["state"] != "failed"


def test_a_version_that_comes_under_the_job_follows_at_once(api, hook, names):
    hook.hold()
    issue(api, names, "hook")
    until(lambda: hook.seen, 30, "the hook is called")
    renew(api)
    hook.release()
    deployed(api, 2)
    assert [event["version"] for event in hook.events()] == [1, 2]


def test_a_cancelled_job_leaves_its_successor_alone(api, hook, names):
    hook.hold()
    issue(api, names, "hook")
    until(lambda: hook.seen, 30, "the hook is called")
    first = deploy_job(api, lambda job: not job["finished_at"], "the job is under way")
    api.ok("POST", f"/jobs/{first['id']}/cancel", status=(200, 202))
    second = api.ok("POST", "/certificates/site/deploy", status=(202,))
    assert second["id"] != first["id"]
    hook.release()  # whoever waits goes on, and the next is held again
    hook.hold()
    until(lambda: len(hook.seen) == 2, 30, "the successor calls the hook")
    api.ended(first)
    [target] = api.certificate("site")["targets"]
    assert target["job"] == second["id"] and target["state"] == "pending"
    hook.release()
    api.succeeded(second)
    deployed(api, 1)


def test_what_failed_for_good_is_planned_again(api, hook, names):
    """An hour later, then ever more rarely; its job is there to be seen."""
    hook.answers = [401, 401]
    issue(api, names, "hook")
    for hours in (1, 2):
        failed = deploy_job(api, lambda job: job["state"] == "failed", "the job has failed")
        [target] = api.certificate("site")["targets"]
        assert target["state"] == "failed" and target["job"] != failed["id"]
        planned = api.job(target["job"])
        wait = seconds(planned["next_attempt_at"]) - seconds(planned["created_at"])
        assert planned["state"] == "queued" and wait == hours * 3600
        job = api.ok("POST", "/certificates/site/deploy", status=(202,))
        assert job["id"] == planned["id"]
        assert api.ended(job)["state"] == ("failed" if hours == 1 else "succeeded")
    deployed(api, 1)


def test_a_revoked_version_is_not_installed(api, hook, names):
    hook.answers = [503]
    issue(api, names, "hook")
    job = deploy_job(api, waits, "the job waits")
    api.succeeded(api.ok("POST", "/certificates/site/revoke", status=(202,)))
    api.call("POST", f"/jobs/{job['id']}/retry")
    job = api.ended(job)
    assert job["state"] in ("failed", "cancelled")
    assert len(hook.seen) == 1


def test_a_test_certificate_stays_off_a_cloud_that_allows_it_no_more(api, hook, names):
    cloud = {"type": "aliyun-cas", "credential": "key", "endpoint": hook.url.split("/deployed")[0]}
    api.ok("PUT", "/credentials/key", {"type": "alibaba-cloud", "access_key_id": "a",
                                       "access_key_secret": "b"})
    api.ok("PUT", "/targets/cloud", {**cloud, "allow_test": True})
    hook.answers = [503] * 100
    issue(api, names, "cloud")
    deploy_job(api, waits, "the job waits")
    api.ok("PUT", "/targets/cloud", cloud)
    job = deploy_job(api, lambda job: job["state"] == "failed", "the job has failed")
    assert job["error"]["code"] == "target.untrusted"


# exec

def test_a_command_finds_the_files_and_the_facts(service, names, tmp_path):
    api = service.api
    api.ok("PUT", "/targets/local", {"type": "exec", "command": "install"})
    name = issue(api, names, "local")
    deployed(api, 1)
    kept = tmp_path / "kept-1"
    facts = dict(line.split("=", 1) for line in (kept / "environment").read_text().splitlines())
    shown = api.certificate("site")
    assert facts["CERTWRIGHT_EVENT"] == "deploy" and facts["CERTWRIGHT_CERTIFICATE"] == "site"
    assert facts["CERTWRIGHT_VERSION"] == "1" and facts["CERTWRIGHT_IDENTIFIERS"] == name
    assert facts["CERTWRIGHT_SERIAL"].lower() == shown["serial"].lower()
    for file in ("privkey.pem", "fullchain.pem", "cert.pem"):
        assert (kept / file).read_text() == api.pem("site", file)
    folder = os.path.dirname(facts["CERTWRIGHT_KEY_FILE"])
    assert folder.startswith(str(service.data)) and not os.path.exists(folder)
    assert os.listdir(os.path.dirname(folder)) == []


# files

def test_a_command_reloads_once_a_version(api, names, root, tmp_path):
    api.ok("PUT", "/targets/files", {"type": "files", "directory": str(root),
                                     "reload": {"command": "reload"}})
    issue(api, names, "files")
    deployed(api, 1)
    reloads = tmp_path / "reloads"
    assert (root / "site" / "privkey.pem").read_text() == api.pem("site", "privkey.pem")
    assert reloads.read_text() == "reload site 1\n"
    api.succeeded(api.ok("POST", "/certificates/site/deploy", status=(202,)))
    assert reloads.read_text() == "reload site 1\n"
    renew(api)
    deployed(api, 2)
    assert (root / "site" / "cert.pem").read_text() == api.pem("site", "cert.pem")
    assert reloads.read_text() == "reload site 1\nreload site 2\n"


@pytest.fixture
def daemon(tmp_path):
    """A process behind a pidfile; the function tells how often it was signalled."""
    log = tmp_path / "daemon.log"
    process = subprocess.Popen([sys.executable, "-c", DAEMON, str(log)],
                               preexec_fn=die_with_parent)
    until(log.exists, 10, "the daemon has begun")
    until(log.read_text, 10, "the daemon is ready")
    (tmp_path / "daemon.pid").write_text(f"{process.pid}\n")
    yield lambda: log.read_text().count("reload\n")
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_signal_reloads_once_a_version(api, names, root, daemon):
    api.ok("PUT", "/targets/files", {"type": "files", "directory": str(root),
                                     "reload": {"signal": "HUP", "pidfile": "daemon"}})
    issue(api, names, "files")
    deployed(api, 1)
    until(lambda: daemon() == 1, 10, "the daemon is told")
    api.succeeded(api.ok("POST", "/certificates/site/deploy", status=(202,)))
    assert daemon() == 1
    renew(api)
    deployed(api, 2)
    until(lambda: daemon() == 2, 10, "the daemon is told of the new one")
