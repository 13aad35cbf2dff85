"""Keys stay in the process: no core dump, no debugger of the same user, nothing in swap."""

import os
from pathlib import Path

from process import until


def status(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def family(pid):
    """The process and those that it has started."""
    found, left = [], [pid]
    while left:
        found.append(left.pop())
        for task in Path(f"/proc/{found[-1]}/task").iterdir():
            left += [int(child) for child in (task / "children").read_text().split()]
    return found


def test_no_core_is_dumped(certwright):
    service = certwright(commands={"hook": ["/bin/true"]})
    for pid in family(service.process.popen.pid):
        limits = Path(f"/proc/{pid}/limits").read_text()
        [core] = [line for line in limits.splitlines() if line.startswith("Max core file size")]
        assert core.split()[4:6] == ["0", "0"], core


def unprivileged(service, extra=()):
    """Has the service run as nobody, if these tests are root's; returns the uid."""
    if os.geteuid() != 0:
        service.process.argv[:0] = extra
        return os.geteuid()
    for path in (service.folder, *service.folder.parents):
        if path.stat().st_uid == 0 and not path.stat().st_mode & 0o001:
            path.chmod(path.stat().st_mode | 0o711)
    os.chown(service.folder, 65534, 65534)
    service.process.argv[:0] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                "--bounding-set=-all", "--inh-caps=-all", *extra]
    return 65534


def test_nobody_of_the_same_user_can_look_into_it(certwright):
    service = certwright(start=False, commands={"hook": ["/bin/true"]})
    uid = unprivileged(service)
    service.process.start()
    until(service._ready, 15, "it is ready")
    pids = family(service.process.popen.pid)
    assert len(pids) >= 2
    for pid in pids:
        assert status(pid)["Uid"].split()[0] == str(uid)
        # What is not dumpable is root's in /proc.
        assert os.stat(f"/proc/{pid}/environ").st_uid == 0


def test_keys_are_locked_into_memory(certwright):
    service = certwright()
    locked = int(status(service.process.popen.pid)["VmLck"].split()[0])
    warned = service.process.log().count("not locked into memory")
    assert locked >= 1024 or warned == 1


def test_without_the_right_to_lock_it_says_so_once(certwright):
    service = certwright(start=False)
    unprivileged(service, ["prlimit", "--memlock=0:0"])
    service.process.start()
    until(service._ready, 15, "it is ready")
    assert service.process.log().count("not locked into memory") == 1
    service.stop()
    assert service.process.log().count("not locked into memory") == 1
