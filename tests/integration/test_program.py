"""The program itself: its commands, exit codes, configuration and first start."""

import json
import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from process import until
from service import BINARY, SANITIZERS, THREAD_SANITIZED


def run(*words, env=None):
    return subprocess.run([BINARY, *map(str, words)], capture_output=True, text=True, timeout=20,
                          env={**os.environ, **SANITIZERS, **(env or {})})


def test_version():
    done = run("version")
    assert done.returncode == 0 and done.stdout.startswith("certwright ")


@pytest.mark.parametrize("words", [[], ["nonsense"], ["serve", "--nonsense"],
                                   ["serve", "--listen"]])
def test_a_wrong_command_line_is_explained(words, tmp_path):
    done = subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=20,
                          cwd=tmp_path, env={**os.environ, **SANITIZERS})
    assert done.returncode == 2 and "certwright --help" in done.stderr
    assert "ERROR" not in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_flag_that_is_no_address(tmp_path):
    done = subprocess.run([BINARY, "serve", "--listen", "nowhere"], capture_output=True, text=True,
                          timeout=20, cwd=tmp_path, env={**os.environ, **SANITIZERS})
    assert done.returncode == 3 and "--listen" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_check_config(tmp_path):
    good = tmp_path / "good.json"
    good.write_text('{ // a comment\n "workers": 2, /* and\n another */ "language": "de" }')
    assert run("check-config", good).returncode == 0

    bad = tmp_path / "bad.json"
    bad.write_text('{"workers": "many", "colour": "red"}')
    done = run("check-config", bad)
    assert done.returncode not in (0, 99)
    assert "/workers" in done.stderr and "/colour" in done.stderr

    bad.write_text('{"defaults": {"colour": "red", "key": {"type": "dsa"}}}')
    done = run("check-config", bad)
    assert "/defaults/colour" in done.stderr and "/defaults/key/type" in done.stderr

    solvers = {"here": {"type": "exec", "command": "hook"},
               "absent": {"type": "exec", "command": "another"}}
    bad.write_text(json.dumps({"commands": {"hook": ["/bin/true"]},
                               "resources": {"solvers": solvers}}))
    done = run("check-config", bad)
    assert done.returncode == 3 and done.stderr.count("\n") == 1
    assert "/resources/solvers/absent/command: the config has no command of this name, but: hook" \
        in done.stderr

    targets = {"here": {"type": "files", "directory": "/certs/web", "reload": {"command": "hook"}},
               "run": {"type": "exec", "command": "another"},
               "web": {"type": "files", "directory": "/etc", "reload": {"command": "another"}},
               "sent": {"type": "files", "directory": "/certs",
                        "reload": {"signal": "HUP", "pidfile": "another"}},
               "cdn": {"type": "aliyun-cdn", "credential": "word"},
               "hook": {"type": "webhook", "url": "https://a.example/", "credential": "elsewhere"}}
    credentials = {"word": {"type": "password", "password": "secret"}}
    solvers = {"dns": {"type": "alidns", "credential": "word"}}
    bad.write_text(json.dumps({"commands": {"hook": ["/bin/true"]}, "file_roots": ["/certs"],
                               "pidfiles": {"web": "/run/web.pid"},
                               "resources": {"targets": targets, "solvers": solvers,
                                             "credentials": credentials}}))
    done = run("check-config", bad)
    told = ["targets/run/command", "targets/web/directory", "targets/web/reload/command",
            "targets/sent/reload/pidfile", "targets/cdn/credential", "solvers/dns/credential"]
    assert done.returncode == 3 and done.stderr.count("\n") == len(told)
    assert all(f"/resources/{place}: " in done.stderr for place in told)
    assert "pidfile: the config has no pidfile of this name, but: web" in done.stderr

    assert run("check-config", tmp_path / "absent.json").returncode not in (0, 99)


@pytest.mark.parametrize("value, told", [
    ({"$file": "/nonexistent/file"}, "/nonexistent/file"),
    ({"$env": "CERTWRIGHT_TEST_UNSET"}, "CERTWRIGHT_TEST_UNSET"),
])
def test_what_the_config_points_to_must_be_there(tmp_path, value, told):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"resources": {"credentials": {"hook": {
        "type": "basic", "username": "acme", "password": value}}}}))
    done = run("check-config", path)
    assert done.returncode not in (0, 99) and told in done.stderr


def test_check_config_knows_what_the_start_refuses(tmp_path):
    """Without starting: of each of these serve says the same, and ends."""
    key, token = tmp_path / "master.key", tmp_path / "token"
    key.write_text("too short")
    key.chmod(0o600)
    token.write_text("short")
    path = tmp_path / "config.json"
    wrong = {"listen": ["127.0.0.1:8555", "a..b:8555", "127.0.0.1:8555",
                        f"unix:/{'x' * 200}"],
             "ops_listen": "127.0.0.1:8555", "http01_listen": "a..b:80",
             "tls_alpn01_listen": "a..b:443", "allowed_hosts": ["a.example", "not/one"],
             "resolvers": ["127.0.0.1", "not an address"], "master_key": {"file": str(key)},
             "defaults": {"colour": "red"}}
    path.write_text(json.dumps(wrong))
    done = run("check-config", path, env={"CERTWRIGHT_ADMIN_TOKEN_FILE": str(token)})
    told = ["/listen/1: ", "/listen/2: ", "/listen/3: ", "/ops_listen: ", "/http01_listen: ",
            "/tls_alpn01_listen: ", "/allowed_hosts/1: ", "/resolvers: ", "/master_key: ",
            "/defaults/colour: ", "The admin token"]
    assert done.returncode == 3 and list(tmp_path.glob("data*")) == []
    assert [line for line in told if f"config.json: {line}" not in done.stderr] == [], done.stderr
    assert done.stderr.count("\n") == len(told)
    for refused in ({"listen": ["a..b:8555"]}, {"listen": wrong["listen"][3:]},
                    *({name: wrong[name]} for name in list(wrong)[2:])):
        path.write_text(json.dumps({"listen": ["127.0.0.1:0"], **refused}))
        done = run("serve", "--config", path, "--data", tmp_path / "data")
        assert done.returncode == 3, (refused, done.stderr)
        assert run("check-config", path).returncode == 3, refused
    key.write_text("A" * 43)
    token.write_text("t" * 40)
    path.write_text(json.dumps({"master_key": {"file": str(key)}, "listen": ["127.0.0.1:0"] * 2}))
    assert run("check-config", path, env={"CERTWRIGHT_ADMIN_TOKEN_FILE": str(token)}).stderr == ""
    key.chmod(0o644)
    assert "0644" in run("check-config", path).stderr


def test_first_start_makes_private_files(certwright):
    service = certwright()
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in service.data.iterdir()}
    assert {"admin.token", "master.key", "certwright.db", "certwright.db-wal"} <= set(files)
    modes = {**files, "the directory": stat.S_IMODE(service.data.stat().st_mode)}
    assert [name for name, mode in modes.items() if mode & 0o077] == []


def test_the_environment_beats_the_file_and_flags_beat_both(certwright, tmp_path):
    service = certwright(start=False, env={"CERTWRIGHT_DATA": str(tmp_path / "elsewhere")})
    at = service.process.argv.index("--data")
    del service.process.argv[at:at + 2]
    service.data = tmp_path / "elsewhere"
    service.start()
    assert service.api.get("/certificates").status == 200
    assert (tmp_path / "elsewhere" / "admin.token").exists()


def test_a_given_admin_token(certwright, tmp_path):
    token = tmp_path / "token"
    token.write_text("a-token-of-the-operators-own-choice-0123456789\n")
    service = certwright(start=False, env={"CERTWRIGHT_ADMIN_TOKEN_FILE": str(token)})
    service.start(ready=False)
    until(lambda: service.ops("/readyz")[0] == 200, 15, "certwright is ready")
    assert service.api.get("/certificates", token=token.read_text().strip()).status == 200
    assert service.api.get("/certificates", token="another").status == 401


def test_a_port_that_is_taken(certwright):
    with socket.create_server(("127.0.0.1", 0)) as held:
        service = certwright(start=False)
        at = service.process.argv.index("--listen") + 1
        service.process.argv[at] = f"127.0.0.1:{held.getsockname()[1]}"
        service.start(ready=False)
        assert service.process.wait(10) == 1  # not 3: it may be free at the next try
        assert service.process.argv[at] in service.process.log()


def test_no_secret_is_logged(certwright, pebble, names):
    service = certwright(pebble, log_level="debug")
    api = service.api
    api.put_account()
    [name] = names()
    api.succeeded(api.post_certificate(name))
    key = api.pem(name, "privkey.pem")
    log = service.process.log()
    assert "PRIVATE KEY" not in log and service.api.token not in log
    assert key.splitlines()[1] not in log


def test_secrets_are_sealed_on_disk(certwright, pebble, names):
    service = certwright(pebble, resources={"credentials": {
        "hook": {"type": "basic", "username": "acme", "password": "a-password-to-look-for"}}})
    api = service.api
    api.put_account()
    [name] = names()
    api.succeeded(api.post_certificate(name))
    key = load_pem_private_key(api.pem(name, "privkey.pem").encode(), None)
    service.stop()
    secrets = [b"a-password-to-look-for", b"PRIVATE KEY",
               key.private_numbers().private_value.to_bytes(32, "big")]
    for path in service.data.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(secret in content for secret in secrets), path


def test_no_core_file_is_left(certwright):
    """It would hold every key that is in memory, whatever limit the service was started under."""
    service = certwright()
    limits = Path(f"/proc/{service.process.popen.pid}/limits").read_text()
    [core] = [line.split() for line in limits.splitlines() if line.startswith("Max core file size")]
    assert core[4:6] == ["0", "0"]


def test_threads_are_few(certwright):
    """Four workers, two for the API, one each for writes, for DNS, for all other listeners, and the
    main one, however many wait. ThreadSanitizer has one of its own."""
    service = certwright(workers=4)
    threads = list(Path(f"/proc/{service.process.popen.pid}/task").iterdir())
    assert len(threads) == 10 + THREAD_SANITIZED, [(t / "comm").read_text() for t in threads]
