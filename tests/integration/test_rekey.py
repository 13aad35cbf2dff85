"""Another master key while the service runs: the key in place opens the database, come what may."""

import base64
import shutil
import stat
import threading

import pytest

from process import until

WEBHOOK = {"type": "webhook-secret", "secret": "a-secret-of-24-characters-or-more"}
OLD, NEW, OTHER = (bytes([n] * 32) for n in (1, 2, 3))


def text(key):
    return base64.b64encode(key).decode()


def is_whole(service):
    """The database opens: the same secret again changes nothing."""
    answer = service.api.put("/credentials/hook", WEBHOOK)
    assert answer.status == 200, answer


def refused(service):
    begin = len(service.process.log())
    service.start(ready=False)
    assert service.process.wait(20) == 1
    assert "does not open under this master key" in service.process.log()[begin:]


def place(service, key):
    """Puts a key into the data directory; returns the one that was there."""
    path = service.data / "master.key"
    before = path.read_text()
    path.write_text(key)
    return before


def test_the_key_of_the_data_directory(certwright):
    service = certwright()
    service.api.ok("PUT", "/credentials/hook", WEBHOOK)
    path = service.data / "master.key"
    keys = [path.read_text()]
    for _ in range(3):
        answer = service.api.ok("POST", "/rekey", {}, status=(200,))
        assert answer["former_key_opens"] is False
        is_whole(service)
        keys.append(path.read_text())
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not (service.data / "master.key.next").exists()
    assert len(set(keys)) == 4
    assert service.api.ok("GET", "/audit?resource=/rekey")["items"][0]["status"] == 200
    service.restart()
    is_whole(service)
    service.stop()
    for former in keys[:-1]:
        place(service, former)
        refused(service)
    place(service, keys[-1])
    service.start()
    is_whole(service)


def test_a_key_from_elsewhere(certwright):
    service = certwright(env={"CERTWRIGHT_MASTER_KEY": text(OLD)})
    api, env = service.api, service.process.env
    api.ok("PUT", "/credentials/hook", WEBHOOK)
    answer = api.ok("POST", "/rekey", {"master_key": text(NEW)}, status=(200,))
    assert answer["former_key_opens"] is True
    # A third one would leave the service without the one that is in place by now.
    assert api.post("/rekey", {"master_key": text(OTHER)}).status == 409
    # Whoever has not put the new one in place yet goes on, is told, and may begin anew.
    service.restart()
    is_whole(service)
    assert "was being replaced" in service.process.log()
    api.ok("POST", "/rekey", {"master_key": NEW.hex()}, status=(200,))
    service.stop()
    env["CERTWRIGHT_MASTER_KEY"] = text(NEW)
    service.start()
    is_whole(service)
    service.stop()
    # From the first start with the new one on, the former one opens nothing.
    for key in (OLD, OTHER):
        env["CERTWRIGHT_MASTER_KEY"] = text(key)
        refused(service)
    env["CERTWRIGHT_MASTER_KEY"] = text(NEW)
    service.start()
    is_whole(service)


def test_what_is_refused(certwright):
    here = certwright()
    before = (here.data / "master.key").read_bytes()
    for body in ({"master_key": text(NEW)}, {"master_key": 1}, {"key": text(NEW)}):
        answer = here.api.post("/rekey", body)
        assert answer.status == 422 and text(NEW) not in answer.text
    assert here.api.post("/rekey", {}, token=False).status == 401
    assert (here.data / "master.key").read_bytes() == before
    assert here.api.ok("POST", "/rekey", status=(200,))
    here.stop()
    elsewhere = certwright(env={"CERTWRIGHT_MASTER_KEY": text(OLD)})
    for body in ({}, {"master_key": ""}, {"master_key": text(NEW)[:-2]}, {"master_key": None}):
        answer = elsewhere.api.post("/rekey", body)
        assert answer.status == 422, answer
        assert answer.json()["errors"][0]["pointer"] == "/master_key"


def test_many_at_once(certwright):
    service = certwright()
    service.api.ok("PUT", "/credentials/hook", WEBHOOK)
    statuses = []

    def rekey():
        statuses.append(service.api.post("/rekey", {}).status)

    threads = [threading.Thread(target=rekey) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 409} and 200 in statuses
    service.restart()
    is_whole(service)


@pytest.mark.parametrize("is_external", [False, True], ids=["directory", "elsewhere"])
def test_killed_at_every_point(certwright, tmp_path, is_external):
    env = {"CERTWRIGHT_MASTER_KEY": text(OLD)} if is_external else {}
    service = certwright(env=env)
    service.api.ok("PUT", "/credentials/hook", WEBHOOK)
    service.stop()
    begin = tmp_path / "begin"
    shutil.copytree(service.data, begin)
    trace = tmp_path / "trace"
    body = {"master_key": text(NEW)} if is_external else {}

    def from_the_beginning(**more):
        """Starts it; it may have died of the point by the end of this."""
        shutil.rmtree(service.data)
        shutil.copytree(begin, service.data)
        service.process.env.update(env)
        service.process.env.update(more)
        service.start(ready=False)
        until(lambda: not service.process.running or service.ops("/readyz")[0] == 200, 20,
              "it is ready, or dead")

    from_the_beginning(CERTWRIGHT_FAILPOINT_TRACE=str(trace))
    first = len(trace.read_text().splitlines()) + 1
    service.api.ok("POST", "/rekey", body)
    service.stop()
    del service.process.env["CERTWRIGHT_FAILPOINT_TRACE"]
    lines = trace.read_text().splitlines()[first - 1:]
    [settled] = [i for i, line in enumerate(lines) if "rekey settled" in line]
    # How often it was asked whether it is ready is not the same each time, so neither are numbers.
    dead = 0
    for number in range(first - 2, first + settled + 5):
        from_the_beginning(CERTWRIGHT_FAILPOINT=str(number))
        if service.process.running:
            try:
                service.api.post("/rekey", body)
            except OSError:
                dead += 1  # before the answer
        service.kill()
        del service.process.env["CERTWRIGHT_FAILPOINT"]
        service.start()
        is_whole(service)
        # And once more, to its end.
        assert service.api.post("/rekey", body).status == 200
        is_whole(service)
        service.stop()
        if is_external:
            service.process.env["CERTWRIGHT_MASTER_KEY"] = text(NEW)
        service.start()
        is_whole(service)
        service.stop()
    assert dead >= 2


def test_what_lies_in_the_new_keys_place_is_not_taken_for_it(certwright):
    service = certwright()
    service.api.ok("PUT", "/credentials/hook", WEBHOOK)
    (service.data / "master.key.next").mkdir()  # which is not so easily removed
    answer = service.api.post("/rekey", {})
    assert answer.status == 500, answer
    assert "master.key.next cannot be removed" in service.process.log()
    (service.data / "master.key.next").rmdir()
    assert service.api.ok("POST", "/rekey", {}, status=(200,))["former_key_opens"] is False
    service.restart()
    is_whole(service)


def test_a_new_key_that_waits_for_its_place_is_not_written_over(certwright):
    service = certwright()
    service.api.ok("PUT", "/credentials/hook", WEBHOOK)
    path, waiting = service.data / "master.key", service.data / "master.key.next"
    former = path.read_text()
    path.unlink()
    path.mkdir()  # so that no file can take the place
    assert service.api.ok("POST", "/rekey", {}, status=(200,))["former_key_opens"] is True
    key = waiting.read_text()
    assert service.api.post("/rekey", {}).status == 409
    assert waiting.read_text() == key
    # A start cannot put it there either, and goes on.
    service.restart()
    is_whole(service)
    assert "cannot be settled" in service.process.log()
    assert service.api.post("/rekey", {}).status == 409
    assert waiting.read_text() == key
    service.stop()
    path.rmdir()
    path.write_text(former)
    path.chmod(0o600)
    service.start()
    is_whole(service)
    assert path.read_text() == key and not waiting.exists()
    assert service.api.post("/rekey", {}).status == 200
    service.stop()
    for key in (former, key):
        place(service, key)
        refused(service)


# ---- what a start makes of the keys that it finds ----


def keys(service):
    return {path.name: path.read_text() for path in sorted(service.data.glob("master.key*"))
            if path.is_file()}


@pytest.fixture
def crashed(certwright):
    """crashed(POINT) is a service that died of a rekey there, and the keys it had and was to get."""
    def make(point):
        service = certwright()
        service.api.ok("PUT", "/credentials/hook", WEBHOOK)
        service.stop()
        former = (service.data / "master.key").read_text()
        service.process.env["CERTWRIGHT_FAILPOINT"] = point
        service.start()
        with pytest.raises(OSError):
            service.api.post("/rekey", {})
        service.kill()
        del service.process.env["CERTWRIGHT_FAILPOINT"]
        waiting = service.data / "master.key.next"
        return service, former, waiting.read_text() if waiting.exists() else None

    return make


def test_a_key_that_was_committed_takes_its_place(crashed):
    service, former, new = crashed("rekey settles")
    assert keys(service) == {"master.key": former, "master.key.next": new}
    service.start()
    is_whole(service)
    assert keys(service) == {"master.key": new}
    service.stop()
    place(service, former)
    refused(service)


def test_a_key_that_was_not_committed_is_removed(crashed):
    service, former, _ = crashed("secret linked")
    service.start()
    is_whole(service)
    assert keys(service) == {"master.key": former}
    assert service.api.ok("POST", "/rekey", status=(200,))["former_key_opens"] is False


def test_a_key_that_holds_nothing_is_removed(certwright):
    service = certwright()
    service.stop()
    former = keys(service)
    for text in ("", "no key", former["master.key"][:20]):
        waiting = service.data / "master.key.next"
        waiting.write_text(text)
        waiting.chmod(0o600)
        service.start()
        assert keys(service) == former
        service.stop()


@pytest.mark.parametrize("there", [None, "", "no key", text(OTHER)],
                         ids=["nothing", "empty", "no key", "another"])
def test_a_key_that_waits_is_all_there_is(crashed, there):
    service, former, new = crashed("rekey settles")
    path = service.data / "master.key"
    path.unlink()
    if there is not None:
        path.write_text(there)
        path.chmod(0o600)
    service.start()
    is_whole(service)
    kept = {} if there is None else {"master.key.aside": there}
    assert keys(service) == {"master.key": new, **kept}
    service.restart()
    is_whole(service)
    assert keys(service) == {"master.key": new, **kept}
    service.stop()
    place(service, former)
    refused(service)


def test_what_was_kept_aside_is_not_written_over(crashed):
    service, _, new = crashed("rekey settles")
    (service.data / "master.key").write_text(text(OTHER))
    aside = service.data / "master.key.aside"
    aside.write_text("somebody's")
    before = keys(service)
    service.start()
    is_whole(service)
    assert keys(service) == before
    assert service.api.post("/rekey", {}).status == 409
    assert keys(service) == before
    service.stop()
    aside.unlink()
    service.start()
    assert keys(service) == {"master.key": new, "master.key.aside": text(OTHER)}
    assert service.api.post("/rekey", {}).status == 200


def test_keys_that_open_nothing_stay(crashed):
    service, former, new = crashed("rekey settles")
    for here, waiting in ((text(OTHER), text(NEW)), ("no key", text(NEW)), (text(OTHER), "no key")):
        (service.data / "master.key").write_text(here)
        (service.data / "master.key.next").write_text(waiting)
        before = keys(service)
        service.start(ready=False)
        assert service.process.wait(20) in (1, 3)
        assert keys(service) == before
    (service.data / "master.key").write_text(former)
    (service.data / "master.key.next").write_text(new)
    service.start()
    is_whole(service)


def test_no_key_is_made_beside_one_that_waits(crashed):
    service, former, new = crashed("rekey settles")
    away = service.folder / "away"
    away.mkdir()
    for path in service.data.glob("certwright.db*"):
        path.rename(away / path.name)
    (service.data / "master.key").unlink()
    before = keys(service)
    service.start(ready=False)
    assert service.process.wait(20) == 1
    assert "master.key.next lies beside its place" in service.process.log()
    assert keys(service) == before and not (service.data / "certwright.db").exists()
    for path in away.iterdir():
        path.rename(service.data / path.name)
    service.start()
    is_whole(service)
    assert keys(service) == {"master.key": new}


def test_a_key_that_cannot_be_read_is_left_alone(crashed):
    service, former, new = crashed("rekey settles")
    waiting = service.data / "master.key.next"
    waiting.chmod(0o644)  # and counts no more
    service.start()
    is_whole(service)
    assert keys(service) == {"master.key": former, "master.key.next": new}
    assert service.api.post("/rekey", {}).status == 409
    assert keys(service) == {"master.key": former, "master.key.next": new}
    service.stop()
    waiting.chmod(0o600)
    service.start()
    assert keys(service) == {"master.key": new}


def test_what_is_half_written_is_swept(crashed):
    service, former, _ = crashed("secret written")
    left = [path.name for path in service.data.glob("master.key.next.*")]
    assert len(left) == 1
    others = {name: "stays" for name in ("master.key.2026-11", "master.key.bak", "master.key.next.",
                                         "master.key.20261121", "master.key.1", "master.key.next.2",
                                         "master.key..unfinished")}
    for name, content in others.items():
        (service.data / name).write_text(content)
    (service.data / "admin.token.17").write_text("stays")
    (service.data / "admin.token.17.unfinished").write_text("goes")
    service.start()
    is_whole(service)
    assert keys(service) == {"master.key": former, **others}
    assert not (service.data / "admin.token.17.unfinished").exists()
    assert (service.data / "admin.token.17").exists()
