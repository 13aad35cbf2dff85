"""
Killed before and after every commit and every remote call, certwright goes on where it was, and
does nothing twice.
"""

import subprocess
from pathlib import Path

import pytest

from fake_ca_jws import thumbprint
from process import until
from seed import dice
from survival import World

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = 6


@pytest.fixture
def world(certwright, fake, provider, resolvers, tmp_path):
    return World(certwright, fake, provider, resolvers, tmp_path)


# What is done: prepare before the process that dies is started, then a POST, then the truth.

class Issue:
    def prepare(self, world):
        self.name = world.new_name()
        return "/certificates", world.body(self.name)

    def check(self, world):
        world.check_certificate(self.name)

    def finish(self, world):
        """So that what is to be started again does not grow from point to point."""
        assert world.api.delete(f"/certificates/{self.name}").status == 204


class Renewal(Issue):
    def prepare(self, world):
        super().prepare(world)
        world.issue(self.name)
        return f"/certificates/{self.name}/renew", {"force": True}

    def check(self, world):
        world.check_certificate(self.name, version=2)


class Revocation(Issue):
    def prepare(self, world):
        super().prepare(world)
        world.issue(self.name)
        return f"/certificates/{self.name}/revoke", {"reason": "superseded"}

    def check(self, world):
        leaf = world.check_certificate(self.name, status="revoked")
        [known] = [c for c in world.fake.objects.certificates.values()
                   if c["certificate"] == leaf]
        assert known["reason"] == 4


class Rollover:
    def prepare(self, world):
        self.before = world.api.ok("GET", "/accounts/main")["key"]["thumbprint"]
        return "/accounts/main/rollover", {}

    def check(self, world):
        key = world.api.ok("GET", "/accounts/main")["key"]
        [known] = world.fake.objects.accounts.values()
        assert key["thumbprint"] == thumbprint(known["jwk"]) != self.before
        assert key["changing"] is False

    def finish(self, world):
        pass


def run(world, kind, failpoint, trace=None):
    """Whether the process came to that point and was killed at it; all is well in any case."""
    act = kind()
    path, body = act.prepare(world)
    key = f"{kind.__name__} {failpoint}"
    world.service.stop()
    job = world.start(failpoint, trace) and world.post(path, body, key)
    if job:
        world.settle()
    killed = world.ended()
    world.check_intents()
    assert world.start()
    # Who got no answer asks again: there is one job, whether the first request had made it or not.
    job = job or world.post(path, body, key)
    world.api.succeeded(job)
    world.settle()
    assert world.post(path, body, key)["id"] == job["id"]
    act.check(world)
    world.check_clean()
    act.finish(world)
    return killed


def count_of(world, kind, folder):
    """How many points there are when nobody is killed."""
    trace = folder / "points"
    assert not run(world, kind, None, trace)
    assert trace.exists(), "this build has no fail points; the presets of tests have"
    return len(trace.read_text().splitlines())


class Registration(Rollover):
    def prepare(self, world):
        self.name = world.new_name()
        return "/accounts", {"name": self.name, "authority": "pebble",
                             "terms_of_service_agreed": True}

    def check(self, world):
        account = world.api.ok("GET", f"/accounts/{self.name}")
        known = [a for a in world.fake.objects.accounts.values() if a["url"] == account["url"]]
        assert account["status"] == "valid" and account["active_job"] is None
        assert [thumbprint(a["jwk"]) for a in known] == [account["key"]["thumbprint"]]
        assert len(world.fake.objects.accounts) == len(world.api.ok("GET", "/accounts")["items"])


KINDS = [Registration, Issue, Renewal, Revocation, Rollover]


@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_some_points(world, kind, tmp_path):
    count = count_of(world, kind, tmp_path)
    points = sorted(dice(kind.__name__).sample(range(1, count + 1), min(SAMPLE, count)))
    print(f"killed at {points} of {count} points")
    killed = sum(run(world, kind, n) for n in points)
    # Steps that happen to share a commit make the points fewer, and the last are not reached.
    assert killed >= len(points) // 2


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_every_point(world, kind, tmp_path):
    count = count_of(world, kind, tmp_path)
    n = missed = killed = 0
    while missed < 3:  # steps that happen to share a commit make the points fewer
        n += 1
        at_it = run(world, kind, n)
        killed += at_it
        missed = 0 if at_it else missed + 1
    print(f"killed at {killed} of the first {n - 3} points; {count} without a kill")
    assert killed > count * 3 // 4


@pytest.mark.smoke
def test_killed_between_the_commit_and_its_answer(world, tmp_path):
    """Before the commit there is no job yet, after it there is one, and either way one request."""
    world.service.stop()
    trace = tmp_path / "points"
    assert world.start(None, trace)
    ready = len(trace.read_text().splitlines())
    seen, beyond = set(), 0
    for _ in range(24):
        if seen == {0, 1}:
            break
        beyond += 1
        name = world.new_name()
        world.ended()
        if not world.start(ready + beyond):
            continue  # work of its own came to that point before anybody asked for something
        answered = world.post("/certificates", world.body(name), name)
        assert world.ended() or answered
        before = world.rows("SELECT id FROM job WHERE resource_name = ?", name)
        if answered:
            beyond = 0  # a commit that comes now and then, as of a token's use, was left out
        else:
            seen.add(len(before))
        assert world.start()
        job = world.post("/certificates", world.body(name), name)
        assert not before or [(job["id"],)] == before
        other = world.api.post("/certificates", world.body("other.web.example.com"),
                               headers={"Idempotency-Key": name})
        assert other.status == 422
        world.api.succeeded(job)
        world.settle()
        world.check_certificate(name)
    assert seen == {0, 1}
    world.check_clean()


def unfinished(folder):
    """What is in it of a write that was never turned to."""
    if not folder.exists() or (folder / "..data").is_symlink():
        return []
    return [path for path in folder.iterdir() if path.name.startswith("..20")]


def test_killed_while_it_writes_files_that_are_not_wanted_any_more(world):
    """The key in the half-written folder goes with the next start, whatever becomes of the rest."""
    world.service.stop()
    name = world.new_name()
    assert world.start("written privkey.pem")
    assert world.post("/certificates", world.body(name), name)
    world.settle()
    assert world.ended() and unfinished(world.root / name)
    # What stands in the way keeps the job from writing once more.
    (world.root / name / "cert.pem").mkdir()
    assert world.start()
    assert not unfinished(world.root / name)
    assert world.api.delete(f"/certificates/{name}").status == 204
    assert [path.name for path in (world.root / name).iterdir()] == ["cert.pem"]


def test_killed_at_its_first_start(certwright, http01_port):
    """Whatever of database, keys and token was there, the next start completes it."""
    n, killed = 0, True
    while killed:
        n += 1
        service = certwright(start=False, env={"CERTWRIGHT_FAILPOINT": str(n)},
                             http01_listen=f"127.0.0.1:{http01_port}")
        service.start(ready=False)
        until(lambda: not service.process.running or service.ops("/readyz")[0] == 200, 15,
              "certwright is ready, or dead")
        code = service.process.stop()
        assert code in (0, -9), service.process.log()
        killed = code == -9
        del service.process.env["CERTWRIGHT_FAILPOINT"]
        service.start()
        assert service.api.get("/authorities/letsencrypt").status == 200
        service.stop()
    assert n > 4


def nm(path):
    return subprocess.run(["nm", str(path)], check=True, capture_output=True, text=True).stdout


def test_a_release_has_none(tmp_path):
    def cmake(*words):
        return subprocess.run(["cmake", *map(str, words)], cwd=ROOT, capture_output=True,
                              text=True)

    both = cmake("--preset", "release", "-B", tmp_path / "both", "-DCERTWRIGHT_FAILPOINTS=ON")
    assert both.returncode != 0 and "A release has no fail points" in both.stderr
    build = tmp_path / "release"
    configured = cmake("--preset", "release", "-B", build)
    assert configured.returncode == 0, configured.stderr
    sources = [path.relative_to(ROOT) for floor in ("acme", "store", "server")
               for path in (ROOT / floor).rglob("*.c") if "failpoint" in path.read_text()]
    assert len(sources) > 5
    objects = [f"{s.parts[0]}/CMakeFiles/{s.parts[0]}.dir/{'/'.join(s.parts[1:])}.o"
               for s in sources]
    built = cmake("--build", build, "--target", *objects)
    assert built.returncode == 0, built.stdout
    for path in objects:
        assert "failpoint" not in nm(build / path)
        assert b"CERTWRIGHT_FAILPOINT" not in (build / path).read_bytes()
