"""Targets as resources, and on certificates: what is taken, shown, refused."""

import shutil

import pytest

import pem
from process import until

# A CA that is not there: jobs for it wait, which is all that these tests need of one.
GONE = {"directory_url": "https://127.0.0.1:1/dir", "test": True}
KEY = {"type": "alibaba-cloud", "access_key_id": "id", "access_key_secret": "secret-of-it"}
CLOUD = {"credential": "ali"}
GATEWAY = {"type": "aliyun-apigateway", **CLOUD, "region": "cn-hangzhou"}


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "certs"
    folder.mkdir()
    return folder


@pytest.fixture
def service(certwright, root):
    service = certwright(
        resources={"authorities": {"gone": GONE, "real": {**GONE, "test": False}}},
        commands={"hook": ["/bin/true"]}, pidfiles={"nginx": "/run/nginx.pid"},
        file_roots=[f"{root}/"])
    api = service.api
    api.ok("PUT", "/accounts/main", {"authority": "gone"}, status=(202,))
    api.ok("PUT", "/accounts/real", {"authority": "real"}, status=(202,))
    api.ok("PUT", "/credentials/ali", KEY)
    api.ok("PUT", "/credentials/pass", {"type": "password", "password": "secret-of-p12"})
    api.ok("PUT", "/credentials/hook", {"type": "webhook-secret", "secret": "secret-of-hook-in-24-bytes"})
    return service


@pytest.fixture
def api(service):
    return service.api


def pointers(answer):
    assert answer.status == 422, answer
    return {e["pointer"] for e in answer.json()["errors"]}


def test_a_target_is_made_changed_and_removed(api, root):
    body = {"type": "files", "directory": f"{root}/web", "reload": {"command": "hook"}}
    made = api.put("/targets/web", body)
    assert made.status == 201 and made.headers["Location"] == "/targets/web"
    shown = made.json()
    assert shown["directory"] == f"{root}/web" and shown["reload"] == {"command": "hook"}
    assert shown["files"] is None and shown["url"] is None and shown["allow_test"] is None
    assert shown["managed_by"] == "api"
    again = api.put("/targets/web", body)
    assert again.status == 200 and again.json() == shown
    changed = api.ok("PUT", "/targets/web", {**body, "mode": "640"}, status=(200,))
    assert changed["mode"] == "640"
    assert [t["name"] for t in api.ok("GET", "/targets")["items"]] == ["web"]
    assert api.delete("/targets/web", headers={"If-Match": '"x"'}).status == 412
    assert api.delete("/targets/web").status == 204
    assert api.get("/targets/web").status == 404
    assert api.delete("/targets/web").status == 404


@pytest.mark.parametrize("body", [
    {"type": "aliyun-cas", **CLOUD},
    {"type": "aliyun-cdn", **CLOUD, "domains": ["*.example.com", "example.com"]},
    {"type": "aliyun-dcdn", **CLOUD, "endpoint": "http://127.0.0.1:9", "allow_test": True},
    {**GATEWAY, "group_id": "9f8e7d"},
    {"type": "files", "path": ".", "files": ["cert.pem", "certificate.p12"], "mode": "0640",
     "owner": "root", "group": "0", "credential": "pass",
     "pkcs12": {"encryption": "legacy", "name": "it"},
     "reload": {"signal": "USR1", "pidfile": "nginx"}},
    {"type": "files", "reload": {"webhook": "http://localhost:8/reload"}},
    {"type": "webhook", "url": "https://hooks.example/x", "credential": "hook"},
    {"type": "exec", "command": "hook"},
])
def test_each_type_shows_what_it_was_given(api, root, body):
    if body["type"] == "files":
        body = {**body, "directory": str(root)}
    shown = api.ok("PUT", "/targets/x", body, status=(201,))
    assert {name: shown[name] for name in body} == body
    assert all(value is None for name, value in shown.items()
               if name not in body and name not in ("name", "allow_test", "managed_by",
                                                    "created_at", "updated_at"))


@pytest.mark.parametrize("body, wrong", [
    ({"type": "ftp"}, {"/type"}),
    ({"type": "aliyun-cas", "domains": ["a.example"]}, {"/credential", "/domains"}),
    ({"type": "aliyun-cas", "credential": "none"}, {"/credential"}),
    ({"type": "aliyun-cas", "credential": "pass"}, {"/credential"}),
    ({"type": "aliyun-cdn", **CLOUD, "domains": ["a b"], "endpoint": "http://a.example",
      "region": "X"}, {"/domains/0", "/endpoint", "/region"}),
    ({"type": "aliyun-apigateway", **CLOUD}, {"/region"}),
    ({"type": "files"}, {"/directory"}),
    ({"type": "files", "directory": "/etc", "path": "../x", "mode": "777", "files": ["x.pem"],
      "reload": {"command": "other"}},
     {"/directory", "/path", "/mode", "/files/0", "/reload/command"}),
    ({"type": "files", "directory": "ROOT", "files": ["certificate.p12"]}, {"/credential"}),
    ({"type": "files", "directory": "ROOT", "credential": "pass"}, {"/credential"}),
    ({"type": "files", "directory": "ROOT-beside"}, {"/directory"}),
    ({"type": "files", "directory": "ROOT/../etc"}, {"/directory"}),
    ({"type": "files", "directory": "ROOT", "reload": {"signal": "KILL", "pidfile": "other"}},
     {"/reload/signal", "/reload/pidfile"}),
    ({"type": "files", "directory": "ROOT", "reload": {"webhook": "http://192.0.2.1/"}},
     {"/reload/webhook"}),
    ({"type": "webhook", "url": "http://a.example", "credential": "ali"}, {"/url", "/credential"}),
    ({"type": "webhook", "url": "https://a.example:99999/"}, {"/url"}),
    ({"type": "webhook", "url": "https://a.example/#part"}, {"/url"}),
    ({"type": "exec", "command": "other"}, {"/command"}),
    ({"type": "exec", "command": "hook", "directory": "/"}, {"/directory"}),
])
def test_bad_targets_are_told_at_once(api, root, body, wrong):
    body = {name: value.replace("ROOT", str(root)) if isinstance(value, str) else value
            for name, value in body.items()}
    answer = api.put("/targets/x", body)
    assert pointers(answer) == wrong
    if body.get("directory") == "/etc":
        assert str(root) in answer.text
    assert api.get("/targets/x").status == 404


def test_secrets_of_targets_never_come_out(api):
    for path, member in (("/credentials/pass", "password"), ("/credentials/hook", "secret")):
        answer = api.get(path)
        assert answer.json()[member] == {"set": True} and "secret-of" not in answer.text
    assert pointers(api.put("/credentials/x", {"type": "password", "secret": "x"})) == {
        "/secret", "/password"}


@pytest.mark.parametrize("secret", ["of-twenty-three-bytes..", "whsec_no+base64+at*all+but+long",
                                    "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="])
def test_a_secret_that_cannot_sign_is_told_at_once(api, secret):
    answer = api.put("/credentials/x", {"type": "webhook-secret", "secret": secret})
    assert pointers(answer) == {"/secret"} and secret not in answer.text
    assert api.get("/credentials/x").status == 404


def test_a_secret_that_can_sign_is_taken(api):
    for secret in ("of-twenty-four-bytes....", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"):
        api.ok("PUT", "/credentials/x", {"type": "webhook-secret", "secret": secret})


def test_what_is_used_stays(api):
    api.ok("PUT", "/targets/cas", {"type": "aliyun-cas", **CLOUD, "allow_test": True})
    refused = api.delete("/credentials/ali").json()
    assert refused["code"] == "resource.in_use" and refused["detail"].endswith(": cas.")
    other = api.put("/credentials/ali", {"type": "password", "password": "another type"})
    assert other.status == 409 and other.json()["code"] == "resource.in_use"
    assert "type" in other.json()["detail"] and "cas" in other.json()["detail"]
    assert api.ok("GET", "/credentials/ali")["type"] == "alibaba-cloud"
    api.post_certificate("x.example.com", targets=["cas"])
    refused = api.delete("/targets/cas").json()
    assert refused["code"] == "resource.in_use" and refused["detail"].endswith(": x.example.com.")
    other = api.put("/targets/cas", {"type": "exec", "command": "hook"})
    assert other.status == 409 and other.json()["code"] == "resource.in_use"
    assert api.delete("/certificates/x.example.com").status == 204
    assert api.delete("/targets/cas").status == 204
    assert api.delete("/credentials/ali").status == 204


def test_of_many_users_some_are_named(api):
    for name in "edcba":
        api.ok("PUT", f"/targets/{name}", {"type": "aliyun-cas", **CLOUD})
    refused = api.delete("/credentials/ali").json()
    assert refused["detail"] == 'Targets refer to the credential "ali": a, b, c and 2 more.'


# on certificates

def pending(target, **parameters):
    return {"target": target, **parameters, "state": "pending", "version": None, "error": None,
            "job": None, "deployed_at": None}


@pytest.fixture
def targets(api, root):
    api.ok("PUT", "/targets/web", {"type": "files", "directory": str(root)})
    api.ok("PUT", "/targets/cdn", {"type": "aliyun-cdn", **CLOUD, "allow_test": True})
    api.ok("PUT", "/targets/gateway", {**GATEWAY, "allow_test": True})
    api.ok("PUT", "/targets/strict", {"type": "aliyun-cas", **CLOUD})
    api.ok("PUT", "/targets/hook", {"type": "exec", "command": "hook"})


def test_targets_of_a_certificate(api, targets):
    items = ["web", {"target": "gateway", "group_id": "g", "domains": ["a.example.com"]},
             {"target": "cdn", "domains": ["a.example.com"]}, "cdn",
             {"target": "web", "path": "other/place"}]
    job = api.post_certificate("a.example.com", targets=items)
    assert job["target"] is None
    shown = [pending("web"), pending("gateway", group_id="g", domains=["a.example.com"]),
             pending("cdn", domains=["a.example.com"]), pending("cdn"),
             pending("web", path="other/place")]
    assert api.certificate("a.example.com")["targets"] == shown
    [listed] = api.ok("GET", "/certificates")["items"]
    assert listed["targets"] == shown


@pytest.mark.parametrize("items, wrong", [
    (["none", 1, {"path": "x"}, {"target": "web", "path": "/x", "more": 1}],
     {"/targets/0", "/targets/1", "/targets/2/target", "/targets/3/path", "/targets/3/more"}),
    (["web", {"target": "web"}], {"/targets/1"}),
    ([{"target": "web", "domains": ["a.example.com"]}], {"/targets/0/domains"}),
    ([{"target": "hook", "path": "x"}], {"/targets/0/path"}),
    (["gateway"], {"/targets/0/group_id"}),
    ([{"target": "cdn", "domains": ["b.example.com", "a.example.com"]}], {"/targets/0/domains"}),
    (["strict"], {"/targets/0"}),
    ("web", {"/targets"}),
    (["hook"] * 51, {"/targets"}),
])
def test_bad_items_are_told_with_their_place(api, targets, items, wrong):
    body = {"identifiers": ["a.example.com"], "account": "main", "targets": items}
    assert pointers(api.post("/certificates", body)) == wrong
    assert pointers(api.put("/certificates/a", body)) == wrong
    api.ok("PUT", "/certificates/a", {**body, "targets": []}, status=(202,))
    assert pointers(api.patch("/certificates/a", {"targets": items})) == wrong


def test_two_certificates_never_share_a_folder(api, targets, root):
    """However the folder is spelt: by the item, by another target, by the certificate's name."""
    body = {"identifiers": ["a.example.com"], "account": "main"}
    api.ok("PUT", "/targets/below", {"type": "files", "directory": f"{root}/a", "path": "b"})
    here, there = {"target": "web", "path": "one"}, {"target": "web", "path": "a/b"}
    api.ok("PUT", "/certificates/one", {**body, "targets": ["web", "hook"]}, status=(202,))
    api.ok("PUT", "/certificates/two", {**body, "targets": ["web", there]}, status=(202,))
    answer = api.post("/certificates", {**body, "name": "x", "targets": ["hook", here, there]})
    assert pointers(answer) == {"/targets/1", "/targets/2"} and f"{root}/one" in answer.text
    assert api.get("/certificates/x").status == 404
    assert pointers(api.put("/certificates/x", {**body, "targets": ["below"]})) == {"/targets/0"}
    api.ok("PUT", "/certificates/x", {**body, "targets": ["web"]}, status=(202,))
    assert pointers(api.patch("/certificates/x", {"targets": ["web", here]})) == {"/targets/1"}
    assert [t["target"] for t in api.certificate("x")["targets"]] == ["web"]
    # The certificate's own folder is no stranger's, and one that is given up is free.
    api.ok("PATCH", "/certificates/one", {"targets": [here]})
    api.ok("PATCH", "/certificates/one", {"targets": []})
    api.ok("PATCH", "/certificates/x", {"targets": [here]})


def test_a_certificate_has_a_folder_once(api, targets, root):
    body = {"identifiers": ["a.example.com"], "account": "main"}
    api.ok("PUT", "/targets/twin", {"type": "files", "directory": str(root)})
    items = ["web", "hook", "twin", {"target": "twin", "path": "x"}]
    answer = api.post("/certificates", {**body, "name": "one", "targets": items})
    assert pointers(answer) == {"/targets/2"} and f"{root}/one" in answer.text


def test_a_target_does_not_move_into_a_folder_in_use(api, targets, root):
    body = {"identifiers": ["a.example.com"], "account": "main"}
    other = {"type": "files", "directory": f"{root}/other"}
    api.ok("PUT", "/targets/other", other)
    api.ok("PUT", "/certificates/one", {**body, "targets": ["web", "other"]}, status=(202,))
    api.ok("PUT", "/certificates/two", {**body, "targets": ["other"]}, status=(202,))
    answer = api.put("/targets/other", {**other, "path": "same"})
    assert pointers(answer) == {"/directory"} and f"{root}/other/same" in answer.text
    assert pointers(api.put("/targets/other", {**other, "directory": str(root)})) == {"/directory"}
    assert api.ok("GET", "/targets/other")["directory"] == f"{root}/other"
    api.ok("PUT", "/targets/other", {**other, "directory": f"{root}/another"})


def test_a_wildcard_covers_and_a_real_ca_may(api, targets):
    api.ok("PUT", "/solvers/hand", {"type": "manual", "zones": ["example.com"]})
    body = {"identifiers": ["*.example.com"], "account": "real", "name": "w",
            "targets": ["strict", {"target": "cdn", "domains": ["a.example.com"]}]}
    api.ok("POST", "/certificates", body, status=(202,))
    body["targets"] = [{"target": "cdn", "domains": ["a.b.example.com", "example.com"]}]
    assert pointers(api.post("/certificates", {**body, "name": "v"})) == {"/targets/0/domains"}


def test_a_key_that_is_not_here_is_not_installed(api, targets, root):
    csr = pem.make_csr(pem.make_key(), ["a.example.com"])
    body = {"csr": csr, "account": "main"}
    api.ok("PUT", "/targets/chain", {"type": "files", "directory": f"{root}/chain",
                                     "files": ["cert.pem", "fullchain.pem"]})
    api.ok("PUT", "/targets/all", {"type": "files", "directory": f"{root}/all",
                                   "files": ["cert.pem", "combined.pem"]})
    items = ["web", "chain", "hook", "all", "cdn"]
    wrong = {"/targets/0", "/targets/3", "/targets/4"}
    assert pointers(api.post("/certificates", {**body, "targets": items})) == wrong
    assert pointers(api.put("/certificates/a", {**body, "targets": items})) == wrong
    api.ok("PUT", "/certificates/a", {**body, "targets": ["chain", "hook"]}, status=(202,))
    answer = api.patch("/certificates/a", {"targets": items})
    assert pointers(answer) == wrong and "fullchain.pem" in answer.text


def test_changed_targets_order_nothing(api, targets):
    body = {"identifiers": ["a.example.com"], "account": "main", "targets": ["web"]}
    job = api.ok("PUT", "/certificates/a", body, status=(202,))
    body["targets"] = ["hook", "web"]
    assert api.ok("PUT", "/certificates/a", body, status=(202,))["id"] == job["id"]
    assert [t["target"] for t in api.certificate("a")["targets"]] == ["hook", "web"]
    patched = api.ok("PATCH", "/certificates/a", {"targets": ["cdn"], "labels": {"a": "b"}})
    assert patched["targets"] == [pending("cdn")] and patched["labels"] == {"a": "b"}
    assert api.ok("PATCH", "/certificates/a", {"labels": {}})["targets"] == [pending("cdn")]
    assert pointers(api.patch("/certificates/a", {})) == {"/labels"}
    assert api.ok("PATCH", "/certificates/a", {"targets": []})["targets"] == []
    assert len(api.ok("GET", "/jobs?certificate=a")["items"]) == 1


def test_deploy_needs_something_to_install_and_a_place(api, targets):
    job = api.post_certificate("a.example.com")
    for body in ({}, {"target": "web"}):
        answer = api.post("/certificates/a.example.com/deploy", body)
        assert answer.status == 409 and "no targets" in answer.json()["detail"]
    api.ok("PATCH", "/certificates/a.example.com", {"targets": ["web"]})
    answer = api.post("/certificates/a.example.com/deploy")
    assert answer.status == 409 and "issued" in answer.json()["detail"]
    assert api.post("/certificates/none/deploy").status == 404
    assert pointers(api.post("/certificates/a.example.com/deploy", {"x": 1})) == {"/x"}
    assert job["target"] is None


def test_a_test_is_a_job_of_the_target(api, targets):
    job = api.ok("POST", "/targets/hook/test", status=(202,))
    assert job["kind"] == "target.test" and job["target"] == "hook"
    assert job["resource"] == {"type": "target", "name": "hook", "href": "/targets/hook"}
    api.ended(job)
    assert pointers(api.post("/targets/gateway/test", {"certificate": "none", "path": "x"})) == {
        "/certificate", "/path", "/group_id"}
    assert pointers(api.post("/targets/web/test", {"path": "..", "more": 1})) == {"/path", "/more"}
    assert api.post("/targets/none/test").status == 404


def test_installed_once_issued(certwright, pebble, names, root):
    """PUT of the same body is 200, another target needs no order, and each has a job of its own."""
    [name] = names()
    api = certwright(pebble, file_roots=[str(root)], commands={"hook": ["/bin/true"]}).api
    api.put_account()
    api.ok("PUT", "/targets/a", {"type": "exec", "command": "hook"})
    api.ok("PUT", "/targets/b", {"type": "exec", "command": "hook"})
    body = {"identifiers": [name], "account": "main", "targets": ["a"]}
    api.succeeded(api.ok("PUT", "/certificates/site", body, status=(202,)))
    [job] = api.ok("GET", "/jobs?kind=certificate.deploy")["items"]
    assert api.succeeded(job)["target"] == "a"
    same = api.ok("PUT", "/certificates/site", body, status=(200,))
    [item] = same["targets"]
    assert item["state"] == "deployed" and item["version"] == 1 and item["deployed_at"]
    assert len(api.ok("GET", "/jobs?kind=certificate.deploy")["items"]) == 1
    api.ok("PUT", "/certificates/site", {**body, "targets": ["a", "b"]}, status=(200,))
    job = api.ok("GET", "/jobs?kind=certificate.deploy")["items"][0]
    assert api.succeeded(job)["target"] == "b"
    several = api.post("/certificates/site/deploy")
    assert pointers(several) == {"/target"} and "a, b" in several.text
    assert pointers(api.post("/certificates/site/deploy", {"target": "c"})) == {"/target"}
    again = api.ok("POST", "/certificates/site/deploy", {"target": "b"}, status=(202,))
    assert api.succeeded(again)["kind"] == "certificate.deploy"
    api.ok("PUT", "/targets/web", {"type": "files", "directory": str(root)})
    items = ["web", {"target": "web", "path": "x"}, {"target": "web", "path": "y"}]
    api.ok("PATCH", "/certificates/site", {"targets": items})
    until(lambda: all(t["state"] == "deployed" for t in api.certificate("site")["targets"]), 20,
          "all are installed")
    for item, folder in (({"target": "web"}, "site"), ({"path": "y"}, "y"), (items[1], "x")):
        shutil.rmtree(root / folder)
        api.succeeded(api.ok("POST", "/certificates/site/deploy", item, status=(202,)))
        assert (root / folder / "cert.pem").exists()
    for item in ({}, {"target": "web", "path": "z"}, {"target": "b"}):
        answer = api.post("/certificates/site/deploy", item)
        assert pointers(answer) == {"/target"} and '{"path":"x"}' in answer.json()["detail"]
    assert api.certificate("site")["version"] == 1


# the config

def test_folders_of_the_config_are_apart(certwright, root):
    web = {"type": "files", "directory": str(root)}
    other = {"type": "files", "directory": f"{root}/x", "path": "y"}
    config = {"file_roots": [str(root)], "defaults": {"account": "main", "targets": ["web"]}}
    resources = {"authorities": {"gone": GONE}, "accounts": {"main": {"authority": "gone"}},
                 "targets": {"web": web, "other": other}}
    apart = {"one": {"identifiers": ["a.example.com"]},
             "two": {"identifiers": ["a.example.com"], "targets": ["other"]}}
    service = certwright(resources={**resources, "certificates": apart}, **config)
    service.api.ok("POST", "/certificates", {
        "name": "three", "identifiers": ["a.example.com"], "account": "main",
        "targets": [{"target": "web", "path": "z"}]}, status=(202,))
    service.stop()

    def refused(changed, code):
        service.configure({**service.config, "resources": {**resources, **changed}})
        service.start(ready=False)
        assert service.process.wait(10) == code
        return service.process.log()

    merged = {**apart, "two": {**apart["two"], "targets": [{"target": "web", "path": "one"}]}}
    assert "/resources/certificates/two/targets" in refused({"certificates": merged}, 3)
    moved = {**apart, "two": {**apart["two"], "targets": [{"target": "web", "path": "z"}]}}
    assert f"{root}/z" in refused({"certificates": moved}, 3)


def test_targets_from_the_config(certwright, root):
    web = {"type": "files", "directory": str(root), "reload": {"signal": "HUP", "pidfile": "n"}}
    service = certwright(
        file_roots=[str(root)], pidfiles={"n": "/run/n.pid"},
        defaults={"account": "main", "targets": [{"target": "web", "path": "."}]},
        resources={"authorities": {"gone": GONE}, "accounts": {"main": {"authority": "gone"}},
                   "targets": {"web": web},
                   "certificates": {"own": {"identifiers": ["a.example.com"], "targets": ["web"]},
                                    "default": {"identifiers": ["b.example.com"]}}})
    api = service.api
    assert api.ok("GET", "/targets/web")["managed_by"] == "config"
    assert api.delete("/targets/web").json()["code"] == "config.managed"
    assert api.certificate("own")["targets"] == [pending("web")]
    assert api.certificate("default")["targets"] == [pending("web", path=".")]
    api.ok("POST", "/certificates", {"identifiers": ["c.example.com"], "targets": []})
    assert api.certificate("c.example.com")["targets"] == []
    service.restart()
    assert api.certificate("own")["targets"] == [pending("web")]


@pytest.mark.parametrize("config, told", [
    ({"resources": {"targets": {"t": {"type": "files", "directory": "/etc"}}}},
     "/resources/targets/t/directory"),
    ({"resources": {"targets": {"t": {"type": "files", "colour": 1}}}},
     "/resources/targets/t/colour"),
    ({"defaults": {"targets": [{"target": "t", "path": "/"}]}}, "/defaults/targets/0/path"),
    ({"pidfiles": {"n": "run/n.pid"}}, "/pidfiles/n"),
])
def test_a_broken_config_is_told_with_the_place(certwright, root, config, told):
    service = certwright(start=False, file_roots=[str(root)], **config)
    service.start(ready=False)
    assert service.process.wait(10) not in (0, 99)
    assert told in service.process.log()


def test_a_config_gives_a_folder_once(certwright, root):
    service = certwright(
        start=False, file_roots=[str(root)],
        resources={"authorities": {"gone": GONE}, "accounts": {"main": {"authority": "gone"}},
                   "targets": {"web": {"type": "files", "directory": str(root), "path": "x"}},
                   "certificates": {name: {"identifiers": [f"{name}.example.com"],
                                           "account": "main", "targets": ["web"]}
                                    for name in ("a", "b")}})
    service.start(ready=False)
    assert service.process.wait(10) not in (0, 99)
    assert f"{root}/x" in service.process.log()
