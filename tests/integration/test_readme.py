"""What README.md and SECURITY.md show, run as it stands there."""

import json
import os
import re
import socket
import ssl
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import pem
from hook import Hook
from pebble import make_server_certificate
from process import Process, die_with_parent, free_port, until
from service import BINARY
from test_gate import library_version
from tls import Listeners, TestCa

README = Path(__file__).resolve().parents[2] / "README.md"
SECURITY = README.with_name("SECURITY.md")


def session():
    """The commands of the section on curl, without those that tell where the demo is."""
    section = README.read_text().split("## From account to PEM with curl\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return [block for block in blocks if not block.startswith("API=")]


def test_from_account_to_pem_with_curl(certwright, pebble, tmp_path):
    service = certwright(pebble)
    home = tmp_path / "caller"
    home.mkdir()
    environment = {**os.environ, "API": f"http://127.0.0.1:{service.port}",
                   "TOKEN": service.api.token}
    blocks = session()
    assert len(blocks) == 6
    for block in blocks:
        # Each call must succeed, which curl is told here and need not say in the README.
        done = subprocess.run(["sh", "-eu", "-c", block.replace("curl -s ", "curl -sS --fail ")],
                              env=environment, cwd=home, capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, (block, done.stdout, done.stderr)
        assert '"state":"failed"' not in done.stdout.replace(" ", ""), done.stdout
    leaf = pem.load((home / "fullchain.pem").read_text())
    assert pem.names_of(leaf) == ["example.org", "www.example.org"]
    key = pem.load_key((home / "privkey.pem").read_text())
    assert pem.public_pem(key.public_key()) == pem.public_pem(leaf.public_key())
    subprocess.run(["openssl", "pkcs12", "-in", "site.pfx", "-noout", "-passin",
                    "pass:correct horse battery"], cwd=home, check=True, capture_output=True)
    certificate = service.api.certificate("www.example.org")
    assert certificate["version"] == 2 and certificate["status"] == "revoked"
    assert service.api.ok("GET", "/accounts/me")["status"] == "valid"


def test_with_a_ca_of_the_world(certwright, pebble):
    """Against Pebble, and without the lines that tell where the service is."""
    section = README.read_text().split("## With a CA of the world\n")[1].split("\n## ")[0]
    _, calls = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    service = certwright(pebble, defaults={"account": "main"})
    calls = re.sub(r"^(API|TOKEN)=.*\n", "", calls, flags=re.MULTILINE)
    assert '"letsencrypt-staging"' in calls
    done = subprocess.run(
        ["sh", "-eu", "-c", calls.replace("curl -s ", "curl -sS --fail ")
            .replace("letsencrypt-staging", "pebble")],
        env={**os.environ, "API": f"http://127.0.0.1:{service.port}", "TOKEN": service.api.token},
        capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, (done.stdout, done.stderr)
    until(lambda: service.api.certificate("www.example.com")["status"] == "valid", 60,
          "the certificate is issued")


def test_events_with_curl(certwright, pebble):
    service = certwright(pebble)
    service.api.put_account("me")
    section = README.read_text().split("## Following along\n")[1].split("\n## ")[0]
    [block] = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    done = subprocess.run(["sh", "-eu", "-c", block.replace("curl -s", "curl -sS --fail -s")],
                          env={**os.environ, "API": f"http://127.0.0.1:{service.port}",
                               "TOKEN": service.api.token},
                          capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, (done.stdout, done.stderr)
    stream, _, asked = done.stdout.rpartition("\n\n")
    assert "event: job.queued\n" in stream and "event: job.succeeded\n" in stream
    assert re.search(r"^finalize\t-\tPOST /\S+\t200\t\d+ ms, \d+x$", asked, re.M), asked


def test_tokens_with_curl(certwright):
    service = certwright()
    section = SECURITY.read_text().split("## Tokens\n")[1].split("\n## ")[0]
    block, _ = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    environment = {**os.environ, "API": f"http://127.0.0.1:{service.port}",
                   "TOKEN": service.api.token}
    done = subprocess.run(["sh", "-eu", "-c", block.replace("curl -s ", "curl -sS --fail ")],
                          env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert done.stdout.count('"name":"ci"') == 2 and '"token":"cw_' in done.stdout
    assert len(service.api.ok("GET", "/tokens")["items"]) == 1


def run_block(service, block, home):
    environment = {**os.environ, "API": f"http://127.0.0.1:{service.port}",
                   "TOKEN": service.api.token}
    done = subprocess.run(["sh", "-eu", "-c", block.replace("curl -s ", "curl -sS --fail ")],
                          env=environment, cwd=home, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (block, done.stdout, done.stderr)
    return json.loads(done.stdout)


def test_certificates_from_elsewhere(certwright, pebble, tmp_path):
    section = README.read_text().split("## Certificates from elsewhere\n")[1].split("\n## ")[0]
    imports, takes_pfx, revokes = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    service = certwright(pebble)
    api = service.api
    api.put_account("me")
    api.succeeded(api.post_certificate("shop.example.org", account="me"))
    for file in ("fullchain.pem", "privkey.pem"):
        (tmp_path / file).write_text(api.pem("shop.example.org", file))
    (tmp_path / "site.pfx").write_bytes(api.post("/certificates/shop.example.org/pkcs12", {
        "password": "correct horse battery", "encryption": "legacy"}).body)
    api.ok("DELETE", "/certificates/shop.example.org")
    shown = run_block(service, imports, tmp_path)
    assert shown["name"] == "shop" and shown["next_renewal_at"]
    assert run_block(service, takes_pfx, tmp_path)["serial"] == shown["serial"]
    assert run_block(service, revokes, tmp_path)["kind"] == "revocation.send"
    until(lambda: api.certificate("shop")["status"] == "revoked", 60, "it is revoked")


def test_whether_it_will_work(certwright, pebble, challtestsrv, resolvers):
    """What is not well is shown, and nothing else."""
    [block] = [block for block in re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
               if "/preflight" in block]
    service = certwright(pebble, **resolvers)
    service.api.put_account("me")
    challtestsrv.set_servfail("www.example.org")
    try:
        done = subprocess.run(
            ["sh", "-eu", "-c", block.replace("curl -s ", "curl -sS --fail ")],
            env={**os.environ, "API": f"http://127.0.0.1:{service.port}",
                 "TOKEN": service.api.token}, capture_output=True, text=True, timeout=60)
    finally:
        challtestsrv.clear_servfail("www.example.org")
    assert done.returncode == 0, (done.stdout, done.stderr)
    checks = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(c["identifier"], c["check"], c["status"]) for c in checks] == [
        ("www.example.org", "addresses", "failed"), ("www.example.org", "caa", "failed")]


def test_the_list_of_certificates(certwright, tmp_path):
    [block] = [block for block in re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
               if "expires_within" in block]
    assert run_block(certwright(), block, tmp_path) == {"items": [], "next": None}


def test_the_audit_trail_is_exported(certwright):
    service = certwright()
    service.api.ok("PUT", "/credentials/hook", {"type": "webhook-secret", "secret": "s" * 30})
    [block] = [block for block in re.findall(r"```sh\n(.*?)```", SECURITY.read_text(), re.DOTALL)
               if "/audit" in block]
    block = block.replace("/certificates/www.example.org", "/credentials/hook")
    block = block.replace("2026-11-20", "2020-01-01")  # as the test may run on any day
    environment = {**os.environ, "API": f"http://127.0.0.1:{service.port}",
                   "TOKEN": service.api.token}
    done = subprocess.run(["sh", "-eu", "-c", block.replace("curl -s ", "curl -sS --fail ")],
                          env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    [entry] = [json.loads(line) for line in done.stdout.splitlines()]
    assert entry["principal"] == "token:admin" and entry["status"] == 201


def test_every_link_leads_somewhere():
    pages = {page.name: page.read_text() for page in README.parent.glob("*.md")}
    anchors = {name: {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
                      for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
               for name, text in pages.items()}
    links = [(name, *link) for name, text in pages.items()
             for link in re.findall(r"\]\(([\w.]*)#([^)]+)\)", text)]
    assert links
    for name, page, anchor in links:
        assert anchor in anchors[page or name], (name, page, anchor)


def test_without_a_token(certwright, tmp_path):
    service = certwright()
    [block] = [block for block in re.findall(r"```sh\n(.*?)```", SECURITY.read_text(), re.DOTALL)
               if "--unix-socket" in block]
    block = block.replace("/run/certwright/api.socket", str(service.socket))
    assert run_block(service, block, tmp_path) == {"items": [], "next": None}


def test_a_ca_of_your_own(certwright, tmp_path):
    [block] = [block for block in re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
               if "trust_bundle" in block]
    root = TestCa(tmp_path / "ca").root.cert_file.read_text()
    (tmp_path / "root.pem").write_text(root)
    shown = run_block(certwright(), block, tmp_path)
    assert shown["name"] == "internal" and shown["trust_bundle"] == root


@pytest.fixture
def daemon():
    """Any process that may be told to read its files again."""
    process = subprocess.Popen(["sh", "-c", "trap '' HUP; echo ready; exec sleep 600"],
                               stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    assert process.stdout.readline() == "ready\n"
    yield process.pid
    process.kill()
    process.wait()
    process.stdout.close()


def test_installing_certificates(certwright, pebble, daemon, tmp_path):
    section = README.read_text().split("## Installing certificates\n")[1].split("\n## ")[0]
    [calls] = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    certs, pidfile = tmp_path / "certs", tmp_path / "nginx.pid"
    certs.mkdir()
    pidfile.write_text(f"{daemon}\n")
    service = certwright(pebble, file_roots=[str(certs)], pidfiles={"nginx": str(pidfile)})
    api = service.api
    api.put_account("me")
    api.succeeded(api.post_certificate("www.example.org", account="me"))
    calls = calls.replace('"/certs"', json.dumps(str(certs)))
    done = subprocess.run(["sh", "-eu", "-c", calls.replace("curl -s ", "curl -sS --fail ")],
                          env={**os.environ, "API": f"http://127.0.0.1:{service.port}",
                               "TOKEN": api.token},
                          capture_output=True, text=True, timeout=90)
    assert done.returncode == 0 and '"state":"succeeded"' in done.stdout, done
    until(lambda: api.certificate("www.example.org")["targets"][0]["state"] == "deployed", 60,
          "it is installed")
    assert (certs / "www.example.org" / "fullchain.pem").read_text() \
        == api.pem("www.example.org", "fullchain.pem")


def test_the_master_key_is_replaced(certwright):
    service = certwright()
    [block] = [block for block in re.findall(r"```sh\n(.*?)```", SECURITY.read_text(), re.DOTALL)
               if "/rekey" in block]
    before = (service.data / "master.key").read_text()
    environment = {**os.environ, "API": f"http://127.0.0.1:{service.port}",
                   "TOKEN": service.api.token}
    done = subprocess.run(["sh", "-eu", "-c", block.replace("curl -s ", "curl -sS --fail ")],
                          env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and json.loads(done.stdout)["former_key_opens"] is False
    assert (service.data / "master.key").read_text() != before


def test_the_configurations_are_good(tmp_path):
    text = README.read_text() + SECURITY.read_text()
    shown = re.findall(r"```jsonc\n(.*?)```", text, re.DOTALL)
    shown += re.findall(r"^cat >certwright.json <<'END'\n(.*?)^END$", text,
                        re.DOTALL | re.MULTILINE)
    assert len(shown) == 3
    (tmp_path / "secret").write_text("secret\n")
    at_hand = {"/run/secrets/alibaba": str(tmp_path / "secret"),
               "/etc/certwright/clients.pem": str(TestCa(tmp_path / "ca").root.cert_file)}
    if library_version() < (1, 0):  # which serves no others
        at_hand['"address": "0.0.0.0:'] = '"address": "127.0.0.1:'
    for config in shown:
        path = tmp_path / "certwright.json"
        for there, here in at_hand.items():
            config = config.replace(there, here)
        path.write_text(config)
        done = subprocess.run([BINARY, "check-config", path], capture_output=True, text=True,
                              env={**os.environ, "ALIBABA_ID": "LTAI"}, timeout=20)
        assert done.returncode == 0, (config, done.stderr)


def test_every_setting_is_told():
    """The table of the settings is the set of those that the program takes, with its numbers."""
    source = README.with_name("server") / "config" / "config.c"
    settings = README.read_text().split("## Configuration\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?`) \| (.*) \|$", settings, re.MULTILINE)
    told = [name for names, _ in rows for name in re.findall(r"`(\w+)`", names)]
    [taken] = re.findall(r'names\[\] = \{("user_agent".*?), NULL\}', re.sub(r"\s+", " ",
                                                                         source.read_text()))
    assert sorted(told) == sorted(re.findall(r'"(\w+)"', taken))
    limits = re.search(r"enum \{\n(.*?)\};", source.read_text(), re.DOTALL)[1]
    [row] = [text for names, text in rows if names == "`request_limits`"]
    assert re.findall(r"\((\d+)", row) == [number for name, number in re.findall(
        r"(\w+) = (\d+),", limits) if name != "FAILURES_PER_MINUTE"] + re.findall(
            r"FAILURES_PER_MINUTE = (\d+)", limits)


def test_every_variable_is_told():
    told = subprocess.run([BINARY, "--help"], capture_output=True, text=True, timeout=20).stdout
    read = {name for source in (README.with_name("server") / "config").glob("*.c")
            for name in re.findall(r'(?:variable|getenv)\("(CERTWRIGHT_\w+)"\)|'
                                   r'name\[\] = "(CERTWRIGHT_\w+)"', source.read_text())
            for name in name if name}
    assert read and read == set(re.findall(r"CERTWRIGHT_\w+", told))


def test_letting_others_in(certwright, tmp_path):
    """The section's calls, against a listener as it has it, but for files and ports."""
    section = SECURITY.read_text().split("## Listeners\n")[1].split("\n## ")[0]
    [shown] = re.findall(r"```jsonc\n(.*?)```", section, re.DOTALL)
    [calls] = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    ca = TestCa(tmp_path / "ca")
    ca.issue("me", "deploy.example.com")
    listener = json.loads(re.sub(r"//.*", "", shown.replace("/etc/certwright/clients.pem",
                                                            str(ca.root.cert_file))))["listen"][1]
    server = ca.server()
    del listener["tls"]["certificate"], listener["address"]
    listener["tls"] |= {"cert_file": str(server.cert_file), "key_file": str(server.key_file)}
    service = Listeners(certwright, listener).start()
    (ca.folder / "root.pem").write_text(ca.root.cert_file.read_text())
    calls = calls.replace("curl -s ", "curl -sS --fail ")
    calls = calls.replace("certs.example.com:8443/", f"localhost:{service.tls_port}/")
    done = subprocess.run(["sh", "-eu", "-c", calls], cwd=ca.folder, capture_output=True, text=True,
                          env={**os.environ, "TOKEN": service.token}, timeout=90)
    assert done.returncode == 0 and done.stdout.count('"items"') == 2, done


@pytest.fixture
def hook():
    server = Hook()
    yield server
    server.stop()


@pytest.mark.parametrize("secret", [None, "any-text-of-24-characters-or-more"])
def test_webhooks_are_verified_with_the_function_shown(certwright, hook, secret):
    [function] = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    shown = {}
    exec(function, shown)
    secret = secret or hook.secret
    api = certwright().api
    api.ok("PUT", "/credentials/hook", {"type": "webhook-secret", "secret": secret})
    api.ok("PUT", "/targets/hook", {"type": "webhook", "url": hook.url, "credential": "hook"})
    api.succeeded(api.ok("POST", "/targets/hook/test", {}))
    [(headers, body)] = hook.requests
    assert shown["receive"](secret, headers, body) == {"event": "ping"}
    with pytest.raises(ValueError):
        shown["receive"](secret, headers, body + b" ")
    with pytest.raises(ValueError):
        shown["receive"]("another-secret-of-24-characters", headers, body)


@pytest.fixture
def web(tmp_path):
    """A web server that speaks TLS, and tells which protocol it was asked for."""
    _, certificate, key = make_server_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    server = ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True,
                                        do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def protocol_at(port, offered):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([offered])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection, \
            context.wrap_socket(connection, server_hostname="localhost") as tls:
        return tls.selected_alpn_protocol()


def test_tls_alpn_01_behind_haproxy(certwright, pebble_with, web, names, tmp_path):
    [shown] = re.findall(r"```haproxy\n(.*?)```", README.read_text(), re.DOTALL)
    outside, inside = free_port(), free_port()
    for here, there in ((":443", f"127.0.0.1:{outside}"), ("127.0.0.1:8557", f"127.0.0.1:{inside}"),
                        ("127.0.0.1:8443", f"127.0.0.1:{web.server_address[1]}")):
        assert here in shown
        shown = shown.replace(here, there)
    config = tmp_path / "haproxy.cfg"
    config.write_text("defaults\n    timeout connect 5s\n    timeout client 30s\n"
                      f"    timeout server 30s\n{shown}")
    haproxy = Process(["haproxy", "-db", "-f", config], tmp_path / "haproxy.log")
    haproxy.start()
    try:
        pebble = pebble_with(config={"tlsPort": outside})
        api = certwright(pebble, tls_alpn01_listen=f"127.0.0.1:{inside}").api
        api.put_account()
        until(lambda: haproxy.running and protocol_at(outside, "http/1.1") == "http/1.1", 10,
              "the web server answers through the proxy")
        api.succeeded(api.post_certificate(*names(2), challenge={"type": "tls-alpn-01"}))
    finally:
        haproxy.kill()
