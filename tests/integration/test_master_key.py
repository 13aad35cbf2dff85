"""Where the master key comes from, and what is refused about it with nothing overwritten."""

import base64
import contextlib
import os
import stat
from pathlib import Path

import pytest

from test_private_memory import family

KEY = bytes(range(32))
WEBHOOK = {"type": "webhook-secret", "secret": "a-secret-of-24-characters-or-more"}


def command_that_says(folder, text, status=0):
    program = folder / "key-command"
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' '{text}'\nexit {status}\n")
    program.chmod(0o700)
    return {"key": [str(program)]}


def private_file(folder, text, mode=0o600):
    path = folder / "given.key"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def given_by(source, folder, key=KEY):
    """The config and environment by which a service gets that key."""
    text = base64.b64encode(key).decode()
    if source == "file":
        return {"master_key": {"file": private_file(folder, key.hex() + "\n")}}, {}
    if source == "env":
        return {"master_key": {"env": "THE_KEY"}}, {"THE_KEY": text}
    if source == "command":
        return {"commands": command_that_says(folder, text), "master_key": {"command": "key"}}, {}
    if source == "variable":
        return {}, {"CERTWRIGHT_MASTER_KEY": text}
    assert source == "variable file"
    return {}, {"CERTWRIGHT_MASTER_KEY_FILE": private_file(folder, text)}


SOURCES = ("file", "env", "command", "variable", "variable file")


def inherits(service, number, redirection):
    """Has the service begin with that descriptor open, as systemd's OpenFile= or a shell gives it."""
    service.process.argv[:0] = ["bash", "-c", f'exec "$@" {number}<{redirection}', "bash"]


def environments(process):
    """What /proc shows of the environment of a process and its children."""
    return b"".join(Path(f"/proc/{pid}/environ").read_bytes() for pid in family(process.popen.pid))


@pytest.mark.parametrize("source", SOURCES)
def test_each_source(certwright, tmp_path, source):
    config, env = given_by(source, tmp_path)
    service = certwright(env=env, **config)
    service.api.ok("PUT", "/credentials/hook", WEBHOOK)
    assert not (service.data / "master.key").exists()
    found = environments(service.process)
    assert b"PATH=" in found
    assert base64.b64encode(KEY) not in found
    # The same key by another way: what is sealed opens, so that nothing is changed.
    service.stop()
    service.configure({k: v for k, v in service.config.items() if k != "master_key"})
    service.process.env.pop("CERTWRIGHT_MASTER_KEY_FILE", None)
    service.process.env["CERTWRIGHT_MASTER_KEY"] = KEY.hex()
    service.start()
    assert service.api.put("/credentials/hook", WEBHOOK).status == 200


def descriptors(process):
    """What the open descriptors of a process and its children lead to."""
    found = set()
    for pid in family(process.popen.pid):
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # a connection that has ended meanwhile
                found.add(os.readlink(path))
    return found


@pytest.mark.parametrize("number, by", [(5, "config"), (3, "variable"), (42, "variable")])
@pytest.mark.parametrize("is_pipe", [False, True], ids=["file", "pipe"])
def test_an_inherited_descriptor(certwright, tmp_path, number, by, is_pipe):
    path = private_file(tmp_path, base64.b64encode(KEY).decode() + "\n")
    config = {"master_key": {"fd": number}} if by == "config" else {}
    env = {} if by == "config" else {"CERTWRIGHT_MASTER_KEY_FD": str(number)}
    service = certwright(start=False, env=env, commands={"hook": ["/bin/true"]}, **config)
    argv = list(service.process.argv)
    inherits(service, number, f' <(cat "{path}")' if is_pipe else path)
    service.start()
    service.api.ok("PUT", "/credentials/hook", WEBHOOK)
    assert not (service.data / "master.key").exists()
    if not is_pipe:  # nor can a command that it runs read it again
        assert len(family(service.process.popen.pid)) > 1
        assert path not in descriptors(service.process)
    service.stop()
    # It is that very key: given in another way, it opens the database.
    service.process.argv[:] = argv
    service.configure({k: v for k, v in service.config.items() if k != "master_key"})
    service.process.env.pop("CERTWRIGHT_MASTER_KEY_FD", None)
    service.process.env["CERTWRIGHT_MASTER_KEY"] = KEY.hex()
    service.start()
    assert service.api.put("/credentials/hook", WEBHOOK).status == 200


@pytest.mark.parametrize("number", [3, 4, 5, 42])
def test_a_descriptor_that_is_not_open(certwright, number):
    """None that the program has opened itself is taken for it, either."""
    service = certwright(start=False, env={"CERTWRIGHT_MASTER_KEY_FD": str(number)},
                         commands={"hook": ["/bin/true"]})
    service.start(ready=False)
    assert service.process.wait(20) == 3
    assert f"descriptor {number} is not open" in service.process.log()
    assert not (service.data / "certwright.db").exists()


@pytest.mark.parametrize("text", ["", KEY.hex()[:-2], "x" * 5000], ids=["empty", "short", "long"])
def test_a_descriptor_that_carries_no_key(certwright, tmp_path, text):
    service = certwright(start=False, env={"CERTWRIGHT_MASTER_KEY_FD": "7"})
    inherits(service, 7, private_file(tmp_path, text))
    service.start(ready=False)
    assert service.process.wait(20) == 3
    assert "master key" in service.process.log() and KEY.hex()[:-2] not in service.process.log()
    assert not (service.data / "certwright.db").exists()


def snapshot(folder):
    """Bytes and modes of what counts; closing a database may touch neither."""
    return {path.name: (path.read_bytes(), path.stat().st_mode)
            for path in folder.iterdir() if path.is_file() and path.name != "lock"}


def refusal(service, code):
    """Why the service ended at its start; nothing in its folder has changed."""
    before = snapshot(service.data)
    begin = len(service.process.log())
    service.start(ready=False)
    assert service.process.wait(20) == code, service.process.log()[begin:]
    assert snapshot(service.data) == before
    return service.process.log()[begin:]


@pytest.fixture
def stopped(certwright):
    service = certwright()
    service.api.ok("PUT", "/credentials/hook", WEBHOOK)
    service.stop()
    return service


def still_opens(service):
    service.start()
    assert service.api.put("/credentials/hook", WEBHOOK).status == 200


def test_a_key_file_that_is_damaged(stopped):
    path = stopped.data / "master.key"
    key = path.read_text()
    for text in ("", key[:20], key[:-1] + "!", "\0" * 32, key + key, "x" * 5000):
        path.write_text(text)
        told = refusal(stopped, 3)
        assert "master.key" in told and key not in told, told
    path.write_text(key)
    still_opens(stopped)


def test_a_key_file_that_is_not_private(stopped):
    path = stopped.data / "master.key"
    for mode in (0o644, 0o660, 0o602):
        path.chmod(mode)
        assert f"{mode:04o}" in refusal(stopped, 3)
    path.chmod(0o440)
    still_opens(stopped)
    assert stat.S_IMODE(path.stat().st_mode) == 0o440


def test_a_key_that_is_missing(stopped):
    path = stopped.data / "master.key"
    kept = path.read_text()
    path.unlink()
    assert "is gone" in refusal(stopped, 1)
    assert not path.exists()
    path.write_text(kept)
    path.chmod(0o600)
    still_opens(stopped)


def test_a_key_that_is_another(stopped):
    path = stopped.data / "master.key"
    kept = path.read_text()
    path.write_text(KEY.hex())
    told = refusal(stopped, 1)
    assert "does not open under this master key" in told and KEY.hex() not in told
    path.write_text(kept)
    stopped.process.env["CERTWRIGHT_MASTER_KEY"] = KEY.hex()
    refusal(stopped, 1)
    del stopped.process.env["CERTWRIGHT_MASTER_KEY"]
    still_opens(stopped)


@pytest.mark.parametrize("text, status", [
    (KEY.hex(), 1), ("nothing good", 0), ("", 0), (KEY.hex() * 100, 0)])
def test_a_command_that_fails(certwright, tmp_path, text, status):
    service = certwright(start=False, commands=command_that_says(tmp_path, text, status),
                         master_key={"command": "key"})
    service.start(ready=False)
    assert service.process.wait(20) in (1, 3)
    log = service.process.log()
    assert "master key" in log
    assert not text or text[:20] not in log
    assert not (service.data / "certwright.db").exists()


@pytest.mark.parametrize("wrong", [
    {}, {"file": "relative"}, {"command": "none"}, {"fd": -1}, {"env": "NOT_SET_ANYWHERE"},
    {"file": "/a", "env": "PATH"}, {"url": "https://kms.example"}])
def test_a_config_that_is_wrong(certwright, wrong):
    service = certwright(start=False, master_key=wrong)
    service.start(ready=False)
    assert service.process.wait(20) == 3
    assert "/master_key" in service.process.log()
    assert not service.data.exists()
