"""certwright rekey: another master key by a command, whether the service runs or not."""

import json
import os
import re
import shutil
import stat
import subprocess

import pytest

from process import free_port
from seed import dice
from service import BINARY, SANITIZERS
from test_rekey import NEW, OLD, OTHER, WEBHOOK, is_whole, keys, place, refused, text

DONE, FAILED, USAGE, CONFIG, IN_USE = range(5)


def rekey(service, *words, given=None, env=None, listen=None):
    """Runs it with the service's own config and environment; returns what became of it."""
    listen = [f"unix:{service.socket}"] if listen is None else listen
    addresses = [word for address in listen for word in ("--listen", address)]
    return subprocess.run(
        [BINARY, "rekey", "--config", str(service.config_path), "--data", str(service.data),
         *addresses, *words], input=given, capture_output=True, text=True, timeout=60,
        env={**service.process.env, **(env or {})})


def expect(done, code, *told):
    assert done.returncode == code, done
    for words in told:
        assert words in (done.stderr if code else done.stdout), done
    assert "ERROR" not in done.stderr, done
    return done


def new_key(folder, key, mode=0o600):
    path = folder / "new.key"
    path.write_text(text(key) + "\n")
    path.chmod(mode)
    return path


def with_secret(service):
    service.api.ok("PUT", "/credentials/hook", WEBHOOK)
    return service


def told_of(service):
    return service.api.ok("GET", "/audit?resource=/rekey")["items"]


@pytest.fixture
def service(certwright):
    return with_secret(certwright())


def test_while_the_service_runs(service):
    former = keys(service)["master.key"]
    expect(rekey(service), DONE, "Another master key is in place", "master.key")
    by_socket = keys(service)
    assert list(by_socket) == ["master.key"] and by_socket["master.key"] != former
    is_whole(service)
    # By TCP it is the admin token that counts.
    expect(rekey(service, listen=[f"127.0.0.1:{service.port}"]), DONE)
    by_token = keys(service)
    assert list(by_token) == ["master.key"] and by_token != by_socket
    assert [entry["principal"] for entry in told_of(service)] == \
        ["token:admin", f"uid:{os.geteuid()}"]
    service.restart()
    is_whole(service)
    service.stop()
    for key in (former, by_socket["master.key"]):
        place(service, key)
        refused(service)


def test_while_it_is_stopped(service):
    former = keys(service)["master.key"]
    service.stop()
    for _ in range(2):
        before = keys(service)["master.key"]
        expect(rekey(service), DONE, "Another master key is in place")
    assert list(keys(service)) == ["master.key"] and keys(service)["master.key"] != former
    new = place(service, before)  # which no start was needed to forget
    refused(service)
    place(service, new)
    assert stat.S_IMODE((service.data / "master.key").stat().st_mode) == 0o600
    service.start()
    is_whole(service)
    for entry in told_of(service):
        assert (entry["principal"], entry["address"], entry["status"]) == \
            (f"uid:{os.geteuid()}", "local", 200)
    assert len(told_of(service)) == 2
    service.stop()
    place(service, former)
    refused(service)


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_a_key_from_elsewhere(certwright, tmp_path, running):
    service = with_secret(certwright(env={"CERTWRIGHT_MASTER_KEY": text(OLD)}))
    if not running:
        service.stop()
    expect(rekey(service), FAILED, "master_key" if running else "--new-key")
    expect(rekey(service, "--new-key", new_key(tmp_path, NEW)), DONE, "opens with both")
    if running:
        service.stop()
    for key in (OLD, NEW):
        service.process.env["CERTWRIGHT_MASTER_KEY"] = text(key)
        service.start()
        is_whole(service)
        service.stop()
    # By now there is the new one alone. And again, from standard input.
    expect(rekey(service, "--new-key", "-", given=text(OTHER)), DONE, "opens with both")
    service.process.env["CERTWRIGHT_MASTER_KEY"] = text(OTHER)
    service.start()
    is_whole(service)
    service.stop()
    for key in (OLD, NEW):
        service.process.env["CERTWRIGHT_MASTER_KEY"] = text(key)
        refused(service)
    assert keys(service) == {}


def test_a_key_from_a_command(certwright, tmp_path):
    """Which is run for it while the service is stopped."""
    program = tmp_path / "key-command"
    program.write_text(f"#!/bin/sh\necho '{text(OLD)}'\n")
    program.chmod(0o700)
    service = with_secret(certwright(commands={"key": [str(program)]},
                                     master_key={"command": "key"}))
    service.stop()
    expect(rekey(service, "--new-key", new_key(tmp_path, NEW)), DONE, "opens with both")
    program.write_text(f"#!/bin/sh\necho '{text(NEW)}'\n")
    service.start()
    is_whole(service)


def test_wrong_usage(service):
    expect(rekey(service, "--workers", "4"), USAGE, "there is no flag --workers")
    expect(rekey(service, "now"), USAGE, "rekey takes no now")
    expect(rekey(service, "--new-key"), USAGE, "--new-key wants a value")
    assert "--new-key" in subprocess.run([BINARY, "rekey", "--help"], capture_output=True,
                                         text=True, timeout=20).stdout


def test_what_is_refused(service, tmp_path):
    before = keys(service)
    for is_running in (True, False):
        expect(rekey(service, "--new-key", new_key(tmp_path, NEW)), FAILED, "none can be given")
        expect(rekey(service, "--new-key", new_key(tmp_path, NEW, 0o644)), CONFIG, "mode 0644")
        for wrong in ("", "no key", NEW.hex()[:-2]):
            done = expect(rekey(service, "--new-key", "-", given=wrong), CONFIG, "standard input")
            assert not wrong or wrong not in done.stderr
        expect(rekey(service, listen=["nowhere"]), CONFIG, "--listen")
        if is_running:
            service.stop()
    assert keys(service) == before
    nowhere = tmp_path / "nowhere"
    expect(rekey(service, "--data", str(nowhere)), CONFIG, "holds no database")
    assert not nowhere.exists()


def test_a_service_that_cannot_be_asked(service, tmp_path):
    before = keys(service)
    expect(rekey(service, listen=[f"127.0.0.1:{free_port()}"]), IN_USE, "--config or --listen")
    expect(rekey(service, listen=[f"unix:{tmp_path}/none"]), IN_USE, "does not answer")
    told = json.loads(service.config_path.read_text())
    told["listen"] = [{"address": "127.0.0.1:1", "tls": {"certificate": "door"}}]
    service.config_path.write_text(json.dumps(told))
    expect(rekey(service, listen=[]), IN_USE, "TLS alone")
    token = service.data / "admin.token"
    token.rename(token.with_suffix(".away"))
    by_tcp = [f"127.0.0.1:{service.port}"]
    expect(rekey(service, listen=by_tcp), CONFIG, "admin.token cannot be opened")
    wrong = tmp_path / "token"
    wrong.write_text("another-token-of-somebody\n")
    expect(rekey(service, listen=by_tcp, env={"CERTWRIGHT_ADMIN_TOKEN_FILE": str(wrong)}), FAILED,
           "refused it (401)")
    assert keys(service) == before
    wrong.write_text(token.with_suffix(".away").read_text())
    expect(rekey(service, listen=by_tcp, env={"CERTWRIGHT_ADMIN_TOKEN_FILE": str(wrong)}), DONE)
    assert keys(service) != before


def test_what_only_the_service_has(certwright, tmp_path):
    """The secrets of its environment: a command wants none of them, but for the master key's while
    it has to open the database itself."""
    service = with_secret(certwright(
        env={"THE_KEY": text(OLD), "THE_SECRET": "a-secret-of-24-characters-or-more"},
        master_key={"env": "THE_KEY"},
        resources={"credentials": {"mine": {"type": "webhook-secret",
                                            "secret": {"$env": "THE_SECRET"}}}}))
    for name in ("THE_KEY", "THE_SECRET"):
        del service.process.env[name]
    path = new_key(tmp_path, NEW)
    expect(rekey(service, "--new-key", path), DONE, "opens with both")
    service.stop()
    expect(rekey(service, "--new-key", path), CONFIG, "THE_KEY, which the environment lacks")
    expect(rekey(service, "--new-key", path, env={"THE_KEY": text(NEW)}), DONE)
    service.process.env.update(THE_KEY=text(NEW), THE_SECRET="another-secret-of-24-characters")
    service.start()
    is_whole(service)


def test_no_proxy_is_asked(service):
    nobody = f"http://127.0.0.1:{free_port()}"
    for listen in ([f"unix:{service.socket}"], [f"127.0.0.1:{service.port}"]):
        expect(rekey(service, listen=listen,
                     env={"http_proxy": nobody, "all_proxy": nobody, "no_proxy": ""}), DONE)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be others")
def test_root_takes_nothing_from_the_services_user(service):
    service.stop()
    (service.data / "lock").unlink()
    for path in (service.data, *service.data.rglob("*")):
        os.chown(path, 65534, 65534)
    expect(rekey(service), DONE)
    files = {path.name: path.stat().st_uid for path in service.data.iterdir()}
    assert {"lock", "master.key", "certwright.db"} <= set(files)
    assert set(files.values()) == {65534}


@pytest.mark.parametrize("sample", [2, pytest.param(None, marks=pytest.mark.long)],
                         ids=["some", "all"])
def test_killed_at_every_point_and_again(service, tmp_path, sample):
    """Once at each point, and each time once more at each or some: the third goes to its end."""
    service.stop()
    begin, once, trace = tmp_path / "begin", tmp_path / "once", tmp_path / "trace"
    former = keys(service)["master.key"]
    shutil.copytree(service.data, begin)

    def go_back(to):
        shutil.rmtree(service.data)
        shutil.copytree(to, service.data)

    def points():
        trace.unlink(missing_ok=True)
        expect(rekey(service, env={"CERTWRIGHT_FAILPOINT_TRACE": str(trace)}), DONE)
        return [re.match(r"\d+ ([a-z ]+)", line)[1].strip()
                for line in trace.read_text().splitlines()]

    def killed(number):
        assert rekey(service, env={"CERTWRIGHT_FAILPOINT": str(number)}).returncode == -9

    first = points()
    seen = set(first)
    assert first.count("committed") == 2
    for number in range(1, len(first) + 1):
        go_back(begin)
        killed(number)
        shutil.rmtree(once, ignore_errors=True)
        shutil.copytree(service.data, once)
        second = points()
        seen |= set(second)
        every = range(1, len(second) + 1)
        for again in dice("rekey", number).sample(every, sample) if sample else every:
            go_back(once)
            killed(again)
            before = keys(service)
            expect(rekey(service), DONE)
            [last] = keys(service).items()
            assert last[0] == "master.key" and last[1] not in before.values()
        # The service itself, after the last of them.
        go_back(once)
        killed(len(second) - number % 3)
        service.start()
        is_whole(service)
        assert list(keys(service)) == ["master.key"]
        is_replaced = keys(service)["master.key"] != former
        service.stop()
        if is_replaced:
            place(service, former)
            refused(service)
    assert {"secret written", "secret linked", "commit", "committed", "master key moves",
            "master key moved"} <= seen
