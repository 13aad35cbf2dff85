"""A backup of a running service, made as README tells to, and the service that is made of it."""

import re
import shutil
import stat
import subprocess
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
WEBHOOK = {"type": "webhook-secret", "secret": "a-secret-of-24-characters-or-more"}


def test_a_backup_is_good(certwright, pebble, names, tmp_path):
    [shown] = [block for block in re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
               if ".backup" in block]
    service = certwright(pebble)
    api = service.api
    name, later = names(2)
    api.put_account()
    api.succeeded(api.post_certificate(name))
    api.ok("PUT", "/credentials/hook", WEBHOOK)
    key = api.pem(name, "privkey.pem")
    unfinished = api.post_certificate(later)
    # What was written is in the WAL yet, so that a copy of the file alone would not have it.
    assert (service.data / "certwright.db-wal").stat().st_size > 0
    subprocess.run(["sh", "-euc", shown], cwd=service.folder, check=True, timeout=60)
    copy = service.folder / "copy.db"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    service.kill()

    restored = certwright(pebble, start=False)
    restored.data.mkdir(mode=0o700)
    shutil.copy(copy, restored.data / "certwright.db")
    shutil.copy(service.data / "master.key", restored.data / "master.key")
    token = api.token
    (restored.data / "admin.token").write_text(token)
    api = restored.start().api
    assert api.pem(name, "privkey.pem") == key
    assert api.put("/credentials/hook", WEBHOOK).status == 200
    # What was under way then goes on, and what comes next can be done.
    api.succeeded(unfinished)
    api.succeeded(api.ok("POST", f"/certificates/{name}/renew", {"force": True}, status=(202,)))


def test_a_copy_without_its_key_is_refused(certwright):
    service = certwright()
    service.api.ok("PUT", "/credentials/hook", WEBHOOK)
    service.stop()
    restored = certwright(start=False)
    restored.data.mkdir(mode=0o700)
    shutil.copy(service.data / "certwright.db", restored.data / "certwright.db")
    before = (restored.data / "certwright.db").read_bytes()
    restored.start(ready=False)
    assert restored.process.wait(20) == 1
    assert "is gone" in restored.process.log()
    assert (restored.data / "certwright.db").read_bytes() == before
