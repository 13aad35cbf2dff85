"""The sandbox of the running service. What it forbids, tests/unit/test_sandbox.c tries."""

import ctypes
import os
import re
import signal
import subprocess
import sys

import pytest

from process import until

LANDLOCK_CREATE_RULESET = 444


def landlock():
    """The version of the kernel's Landlock, 0 if it has none."""
    return max(ctypes.CDLL(None).syscall(LANDLOCK_CREATE_RULESET, None, 0, 1), 0)


def status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def told(service):
    [line] = re.findall(r"msg=sandbox (.*)", service.process.log())
    return dict(word.split("=") for word in line.split())


def test_it_is_entered_by_every_thread_and_told(certwright):
    service = certwright(commands={"true": ["/bin/true"]})
    state = told(service)
    assert state["no_new_privs"] == "yes"
    assert state["landlock"] == str(landlock() or "none")
    pid = service.process.popen.pid
    threads = os.listdir(f"/proc/{pid}/task")
    assert len(threads) > 3
    for thread in threads:
        of_thread = status(f"{pid}/task/{thread}")
        assert of_thread["NoNewPrivs"] == "1", thread
        assert (of_thread["Seccomp"] == "2") == (state["seccomp"] == "yes"), thread
    [helper] = children(pid)
    assert status(helper)["NoNewPrivs"] == status(os.getpid())["NoNewPrivs"]
    assert status(helper)["Seccomp"] == status(os.getpid())["Seccomp"]


@pytest.mark.parametrize("by", ["config", "environment", "flag"])
def test_it_can_be_left_off(certwright, by):
    service = certwright(**({"sandbox": "off"} if by == "config" else {}),
                         env={"CERTWRIGHT_SANDBOX": "off"} if by == "environment" else {},
                         arguments=["--sandbox", "off"] if by == "flag" else [])
    assert told(service) == {"off": "yes"}
    assert status(service.process.popen.pid)["NoNewPrivs"] == status(os.getpid())["NoNewPrivs"]


@pytest.fixture
def process(tmp_path):
    """Somebody to be signalled."""
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    yield child
    child.kill()
    child.wait()


def put_target(api, pidfile_name="web"):
    api.ok("PUT", "/targets/web", {
        "type": "files", "directory": api.root,
        "reload": {"signal": "TERM", "pidfile": pidfile_name}})


@pytest.mark.parametrize("mode", ["auto", "off"])
def test_what_a_link_leads_to_afterwards_is_out_of_reach(certwright, pebble, names, process,
                                                         tmp_path, mode):
    """A file root and a pidfile work; a pidfile that has become a link out of its folder does not."""
    run, elsewhere, root = tmp_path / "run", tmp_path / "elsewhere", tmp_path / "certs"
    for folder in (run, elsewhere, root):
        folder.mkdir()
    (elsewhere / "pid").write_text(f"{process.pid}\n")
    api = certwright(pebble, sandbox=mode, file_roots=[str(root)],
                     pidfiles={"web": str(run / "web.pid")}).api
    api.root = str(root)
    put_target(api)
    (run / "web.pid").symlink_to(elsewhere / "pid")
    confined = mode == "auto" and landlock() > 0
    job = api.ended(api.ok("POST", "/targets/web/test", {}))
    assert job["state"] == ("failed" if confined else "succeeded")
    if confined:
        assert job["error"]["code"] == "target.reload"
    # As the process itself would write it: another file of the same name.
    (run / "web.pid").unlink()
    (run / "new.pid").write_text(f"{process.pid}\n")
    os.rename(run / "new.pid", run / "web.pid")
    api.put_account()
    [name] = names()
    api.succeeded(api.post_certificate(name, targets=["web"]))
    until(lambda: [t["state"] for t in api.certificate(name)["targets"]] == ["deployed"], 30,
          "the files are in place, and the process knows")
    assert process.wait(20) == -signal.SIGTERM
    assert "BEGIN CERTIFICATE" in (root / name / "fullchain.pem").read_text()


def test_a_root_that_is_made_later_fails_its_rehearsal(certwright, tmp_path):
    """It lies beside a pidfile, so that it may be read, and its mode lets it be written."""
    beside = tmp_path / "beside"
    beside.mkdir()
    root = beside / "later"
    service = certwright(file_roots=[str(root)], pidfiles={"web": str(beside / "web.pid")})
    root.mkdir()
    service.api.ok("PUT", "/targets/web", {"type": "files", "directory": str(root)})
    job = service.api.ended(service.api.ok("POST", "/targets/web/test", {}))
    assert job["state"] == ("failed" if landlock() else "succeeded")
    if landlock():
        assert job["error"]["code"] == "target.files" and "restart" in job["error"]["hint"]
    service.stop()
    service.start()
    service.api.succeeded(service.api.ok("POST", "/targets/web/test", {}))
    assert not any(root.iterdir())


def without_landlock():
    """Run in the child: its kernel does not know the call (a filter by hand, struct sock_fprog)."""
    lines = (ctypes.c_uint64 * 4)(
        0x0000_0000_0000_0020,  # load the number
        LANDLOCK_CREATE_RULESET << 32 | 1 << 24 | 0x15,  # another one: skip a line
        (0x0005_0000 | 38) << 32 | 0x06,  # ENOSYS
        0x7FFF_0000 << 32 | 0x06)  # allow
    program = (ctypes.c_uint64 * 2)(4, ctypes.addressof(lines))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, ctypes.c_void_p(ctypes.addressof(program)), 0, 0) == 0


def serve(service, mode):
    return subprocess.Popen([*service.process.argv, "--sandbox", mode], preexec_fn=without_landlock,
                            stderr=subprocess.PIPE, text=True)


def test_what_is_required_and_missing_ends_the_start(certwright):
    service = certwright(start=False)
    child = serve(service, "required")
    _, text = child.communicate(timeout=30)
    assert child.returncode == 1 and "the kernel has no Landlock" in text
    assert not (service.data / "certwright.db").exists()


def test_a_kernel_without_landlock_is_told_of(certwright):
    service = certwright(start=False)
    child = serve(service, "auto")
    try:
        until(lambda: service.ops("/readyz")[0] == 200, 20, "it is ready")
    finally:
        child.terminate()
        _, text = child.communicate(timeout=30)
    assert child.returncode == 0
    assert "msg=sandbox no_new_privs=yes landlock=none seccomp=yes" in text


def test_a_wrong_mode_is_refused(certwright):
    service = certwright(start=False, sandbox="on")
    service.process.start()
    assert service.process.wait(20) == 3
    assert "/sandbox: this has to be auto, off or required" in service.process.log()
