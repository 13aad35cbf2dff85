"""Measures the release against floors that do the same work with less, in one run.

What is told are ratios of things measured side by side, since absolute numbers are those of a
machine. Each pair of rounds runs one after the other; a ratio is the median of the pairs' ratios.
Usage: bench.py BUILD_DIRECTORY [--quick]
"""

import argparse
import http.client
import json
import os
import platform
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))

# The integration tests' ways to start Pebble, its DNS and the service; the service's program is
# read from the environment when the module is loaded.
ARGUMENTS = argparse.ArgumentParser(description=__doc__)
ARGUMENTS.add_argument("build", type=Path)
ARGUMENTS.add_argument("--quick", action="store_true", help="one short round, to try it out")
OPTIONS = ARGUMENTS.parse_args()
os.environ["CERTWRIGHT"] = str(OPTIONS.build.resolve() / "server/certwright")

from dns_provider import DnsProvider  # noqa: E402
from fake_ca import FakeCa  # noqa: E402
from pebble import Challtestsrv, Pebble  # noqa: E402
from process import free_port, until  # noqa: E402
from relay import Relay  # noqa: E402
from service import Service  # noqa: E402

PROGRAMS = OPTIONS.build.resolve() / "tests/bench"
ROUNDS = 1 if OPTIONS.quick else 7
MANY, FEW = (32, 8) if OPTIONS.quick else (160, 40)  # certificates a round: in flight, one by one
GET_SECONDS = 1 if OPTIONS.quick else 3
IN_FLIGHT = 8
STORED = (100, 10_000) if OPTIONS.quick else (100, 100_000, 1_000_000)
POSTS = 2_000 if OPTIONS.quick else 10_000  # a round
WAITS = 500 if OPTIONS.quick else 10_000
ZONES = 50  # as load.c has them
WORKERS = 4  # the service's default
# The load comes from one client; so that its requests are counted, they have a limit.
REQUEST_LIMITS = {"per_second": 1000000, "burst": 1000000}
TICKS = os.sysconf("SC_CLK_TCK")


def run(name, *arguments):
    """A bench program's line of JSON."""
    done = subprocess.run([PROGRAMS / f"bench_{name}", *map(str, arguments)], check=True,
                          capture_output=True, text=True, timeout=300)
    return json.loads(done.stdout)


def cpu_of(pid):
    """Seconds of a process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Bed:
    """One Pebble for the service, one for the bare driver, since each CA looks at one port."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.dns = Challtestsrv(self.folder)
        http01 = free_port()
        self.ours = Pebble(self.folder / "ours", self.dns.dns_port, http01)
        self.theirs = Pebble(self.folder / "theirs", self.dns.dns_port, free_port())
        self.relay = Relay(self.ours.port)
        relayed = {**self.ours.authority(),
                   "directory_url": f"https://127.0.0.1:{self.relay.port}/dir"}
        account = {"contacts": [], "terms_of_service_agreed": True}
        self.service = Service(self.folder / "service", None, {
            "http01_listen": f"127.0.0.1:{http01}", "log_level": "warn",
            "request_limits": REQUEST_LIMITS,
            "resources": {
                "authorities": {"ca": self.ours.authority(), "relayed": relayed},
                "accounts": {"main": {**account, "authority": "ca"},
                             "counted": {**account, "authority": "relayed"}}}})
        self.names = 0

    def __enter__(self):
        self.dns.start()
        self.ours.start()
        self.theirs.start()
        self.relay.start()
        self.service.start()
        self.idle_kib = self.anonymous_kib()
        for account in ("main", "counted"):
            until(lambda name=account: self.get(f"/accounts/{name}")["status"] == "valid", 20,
                  "the account is registered")
        return self

    def __exit__(self, *_):
        self.service.kill()
        for process in (self.ours.process, self.theirs.process, self.dns.process):
            process.kill()
        self.relay.stop()

    def etag(self, path):
        return self._ask(path)[0].getheader("ETag")

    def get(self, path):
        return json.loads(self._ask(path)[1])

    def _ask(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=10)
        token = (self.service.data / "admin.token").read_text().strip()
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status == 200, (path, answer.status, body)
        return answer, body

    def proc(self, name):
        return Path(f"/proc/{self.service.process.popen.pid}/{name}").read_text()

    def anonymous_kib(self):
        return int(re.search(r"RssAnon:\s+(\d+)", self.proc("status"))[1])

    def cpu_seconds(self):
        return cpu_of(self.service.process.popen.pid)

    def threads(self):
        return int(re.search(r"Threads:\s+(\d+)", self.proc("status"))[1])

    def acme_requests(self):
        metrics = self.service.ops("/metrics")[1]
        return sum(map(int, re.findall(r"certwright_acme_requests_total\{[^}]*\} (\d+)", metrics)))

    def prefix(self):
        self.names += 1
        return f"r{self.names}"

    def rest(self, threads, count, account="main"):
        """Certificates over the API; `own_cpu` is the service's."""
        before, requests = self.cpu_seconds(), self.acme_requests()
        result = run("rest", f"http://127.0.0.1:{self.service.port}",
                     self.service.data / "admin.token", account, threads, count, self.prefix())
        warm = count + threads  # what warmed the callers up is in the service's counters too
        return {**result, "own_cpu": (self.cpu_seconds() - before) / warm,
                "requests": (self.acme_requests() - requests) / warm,
                "rate": count / result["seconds"]}

    def bare(self, threads, count):
        pebble = self.theirs.process.popen.pid
        before = cpu_of(pebble)
        result = run("bare", self.theirs.directory_url, self.theirs.ca, self.theirs.http_port,
                     threads, count, self.prefix())
        # What warmed the driver up is in Pebble's time too.
        return {**result, "own_cpu": result["cpu_seconds"] / count,
                "pebble_cpu": (cpu_of(pebble) - before) / (count + threads),
                "requests": result["requests"] / count, "rate": count / result["seconds"]}


class Floor:
    """A program of libmicrohttpd and SQLite alone."""

    def __init__(self, name, *arguments):
        self.port = free_port()
        self.popen = subprocess.Popen([PROGRAMS / f"bench_{name}", str(self.port), *arguments],
                                      stdin=subprocess.PIPE)
        until(self._answers, 10, "the floor answers")

    def _answers(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/row-500")
            return connection.getresponse().status in (200, 202)
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self):
        self.popen.stdin.close()
        self.popen.wait(10)


# ---- the measurements, each a list of pairs (ours, the floor's) ----


def issue_rounds(bed, rounds):
    """Adds pairs of rounds until there are enough; stops early where Pebble has wedged."""
    while len(rounds["many"]) < ROUNDS:
        rounds["many"].append((bed.rest(IN_FLIGHT, MANY), bed.bare(IN_FLIGHT, MANY)))
    while len(rounds["few"]) < ROUNDS:
        rounds["few"].append((bed.rest(1, FEW), bed.bare(1, FEW)))


def count_connections(bed, rounds):
    """Requests and new connections of a warm certificate; each connection has one handshake."""
    for kind, threads, count in (("counted_many", IN_FLIGHT, MANY), ("counted_few", 1, FEW)):
        bed.rest(threads, count, "counted")
        while len(rounds[kind]) < ROUNDS:
            before = bed.relay.accepted
            result = bed.rest(threads, count, "counted")
            rounds[kind].append((
                {**result, "connections": (bed.relay.accepted - before) / (count + threads)},))


def get_rounds(bed, rounds):
    token = bed.service.data / "admin.token"
    name = "r1-0.example.com"
    body = json.dumps(bed.get(f"/certificates/{name}"), separators=(",", ":")).encode()
    (bed.folder / "body").write_bytes(body)
    floor = Floor("floor", bed.folder / "floor.db", bed.folder / "body", "1000")
    try:
        for _ in range(ROUNDS):
            rounds["get"].append((
                run("load", "get", bed.service.port, f"/certificates/{name}", token, IN_FLIGHT,
                    GET_SECONDS),
                run("load", "get", floor.port, "/row-500", token, IN_FLIGHT, GET_SECONDS)))
            rounds["unchanged"].append((
                run("load", "get", bed.service.port, f"/certificates/{name}", token, IN_FLIGHT,
                    GET_SECONDS, bed.etag(f"/certificates/{name}")), rounds["get"][-1][1]))
    finally:
        floor.stop()
    rounds["body"] = len(body)


# ---- jobs that do not run: the account's CA is gone, or DNS does not show their records ----


class Waiting:
    """A service of its own with the account "main"."""

    def __init__(self, bed, name, authority, **config):
        self.service = Service(bed.folder / name, None, {
            "log_level": "warn", "request_limits": REQUEST_LIMITS, **config, "resources": {
                **config.get("resources", {}), "authorities": {"ca": authority},
                "accounts": {"main": {"authority": "ca", "contacts": [],
                                      "terms_of_service_agreed": True}}}})
        self.service.start()
        self.token = self.service.data / "admin.token"

    def post(self, count, prefix):
        return run("load", "post", self.service.port, "/certificates", self.token, IN_FLIGHT,
                   count, prefix)

    def get(self):
        return run("load", "get", self.service.port, "/accounts/main", self.token, IN_FLIGHT,
                   GET_SECONDS)

    def status(self, field):
        text = Path(f"/proc/{self.service.process.popen.pid}/status").read_text()
        return int(re.search(field + r":\s+(\d+)", text)[1])

    def counts(self, sample, number):
        return f"{sample} {number}\n" in self.service.ops("/metrics")[1]


def post_round(bed, ca, number):
    """The one worker waits for the CA's directory all the time, so that no job begins. The floor
    has none to begin either: what is measured is that a POST is accepted."""
    ca.hold("/dir")
    asked = len(ca.requests)
    waiting = Waiting(bed, f"posts{number}", ca.authority(), workers=1)
    try:
        until(lambda: len(ca.requests) > asked, 20, "the CA is asked")
        result = waiting.post(POSTS, "p")
        if not waiting.counts('certwright_jobs{kind="certificate.issue",state="queued"}', POSTS):
            sys.exit("the CA was not waited for as long as the POSTs came")
        return result
    finally:
        waiting.service.kill()
        ca.release("/dir")


def post_rounds(bed, rounds):
    ca = FakeCa(bed.folder / "silent").start()
    floor = Floor("post_floor", bed.folder / "posts.db")
    token = bed.service.data / "admin.token"  # the floor takes any
    try:
        for number in range(ROUNDS):
            rounds["post"].append((
                post_round(bed, ca, number),
                run("load", "post", floor.port, "/", token, IN_FLIGHT, POSTS, "p")))
    finally:
        floor.stop()
        ca.stop()


def wait_rounds(bed, rounds):
    """The provider says that it has placed the records, and DNS does not have them."""
    provider = DnsProvider(bed.dns)
    provider.sabotage = lambda path, fqdn, value: (204, value)
    waiting = Waiting(
        bed, "waits", bed.theirs.authority(), resolvers=[f"127.0.0.1:{bed.dns.dns_port}"],
        resolvers_only=True, workers=WORKERS, resources={"solvers": {"dns": {
            "type": "httpreq", "endpoint": provider.endpoint,
            "zones": [f"z{i}.example.com" for i in range(ZONES)],
            "propagation_timeout_seconds": 3600}}})
    try:
        idle = [waiting.get() for _ in range(ROUNDS)]
        memory = waiting.status("RssAnon")
        waiting.post(WAITS, "w")
        until(lambda: waiting.counts('certwright_jobs{kind="certificate.issue",state="waiting"}',
                                     WAITS), 60 + WAITS / 10, "all wait")
        rounds["waits"] = [(waiting.get(), before) for before in idle]
        rounds["waits_threads"] = waiting.status("Threads")
        rounds["waits_kib"] = waiting.status("RssAnon") - memory
    finally:
        waiting.service.kill()
        provider.stop()


# ---- many certificates, put into the database beside the program ----


def copy_rows(db, table, where, count, **changed):
    """Adds copies of one row, numbered by `i`. The row comes from a table of its own: from its
    own one, it would be looked for anew for each copy."""
    db.execute(f"CREATE TEMP TABLE original AS SELECT * FROM {table} WHERE {where} LIMIT 1")
    columns = [row[1] for row in db.execute(f"PRAGMA table_info ({table})")]
    values = ", ".join(changed.get(column, f"t.{column}") for column in columns)
    db.execute(f"INSERT INTO {table} ({', '.join(columns)})"
               " WITH RECURSIVE number (i) AS"
               f" (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < {count})"
               f" SELECT {values} FROM number, temp.original t")
    db.execute("DROP TABLE temp.original")


def fill(path, count):
    """So many certificates, each with its version and the job of its next renewal, like the first
    one. Its number is its id beyond all others."""
    db = sqlite3.connect(path, isolation_level=None)
    # Nobody else has it open. A million certificates are five gigabytes, in an order that no index
    # has: with the WAL and the small cache of always they take a quarter of an hour.
    for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):
        db.execute(f"PRAGMA {setting}").fetchall()
    [base] = db.execute("SELECT max (id) FROM certificate").fetchone()
    [source] = db.execute("SELECT certificate_id FROM version WHERE state = 'valid'"
                          " ORDER BY certificate_id LIMIT 1").fetchone()
    name = f"'s{base}-' || i || '.example.com'"
    copy_rows(db, "certificate", f"id = {source}", count, id=f"{base} + i", name=name,
              planning_jobs="0")  # until its job comes
    copy_rows(db, "version", f"certificate_id = {source} AND state = 'valid'", count,
              certificate_id=f"{base} + i", spki_sha256=f"printf ('%064x', {base} + i)")
    copy_rows(db, "job", f"kind = 'certificate.renew' AND resource_id = {source}", count,
              n="NULL", id=f"printf ('01%024d', {base} + i)", resource_id=f"{base} + i",
              resource_name=name)
    db.close()
    with open(path, "rb") as file:
        os.fsync(file)  # or the program's first commit waits for all that was written here
    return f"s{base}-{count}.example.com"


def median_ms(action):
    times = []
    for _ in range(15):
        begin = time.monotonic()
        action()
        times.append((time.monotonic() - begin) * 1000)
    return statistics.median(times)


def store_many(bed, count):
    """What the program needs when the database holds so many certificates more; its resident memory
    is what it has at the end."""
    bed.service.stop()
    last = fill(bed.service.data / "certwright.db", count)
    begin = time.monotonic()
    bed.service.start()
    started = time.monotonic() - begin
    bed.get(f"/certificates/{last}")
    idle = bed.anonymous_kib() / 1024
    return {"count": count, "start": started, "threads": bed.threads(), "idle": idle,
            "page": median_ms(lambda: bed.get("/certificates?page_size=50")),
            "one": median_ms(lambda: bed.get(f"/certificates/{last}")),
            "due": bed.rest(1, FEW)["latency"] * 1000,
            "busy": bed.anonymous_kib() / 1024,
            "resident": int(re.search(r"VmRSS:\s+(\d+)", bed.proc("status"))[1]) / 1024}


def measure():
    """All rounds. Pebble 2.4 can deadlock an order that is polled as it completes; then everything
    is started anew, and what was measured before stays."""
    rounds = {"many": [], "few": [], "counted_many": [], "counted_few": [], "get": [],
              "unchanged": [], "post": [], "stored": [], "restarts": 0}
    while True:
        with tempfile.TemporaryDirectory(prefix="certwright-bench.") as folder:
            with Bed(folder) as bed:
                try:
                    issue_rounds(bed, rounds)
                    count_connections(bed, rounds)
                except subprocess.CalledProcessError as e:
                    if not (bed.ours.wedged() or bed.theirs.wedged()) or rounds["restarts"] >= 5:
                        sys.exit(f"{e}\n{e.stderr}{bed.service.process.log()[-2000:]}")
                    rounds["restarts"] += 1
                    continue
                get_rounds(bed, rounds)
                rounds["idle_kib"], rounds["busy_kib"] = bed.idle_kib, bed.anonymous_kib()
                post_rounds(bed, rounds)
                wait_rounds(bed, rounds)
                for count in STORED:
                    rounds["stored"].append(store_many(bed, count))
                return rounds


# ---- the table ----


def median(pairs, side, key):
    return statistics.median(pair[side][key] for pair in pairs)


def ratio(pairs, key):
    """Ours over the floor's."""
    return statistics.median(ours[key] / floor[key] for ours, floor in pairs)


def verdict(value, target):
    """The last two cells; target is ("≥" or "≤", number), None where none is set."""
    if target is None:
        return "", ""
    reached = value >= target[1] if target[0] == "≥" else value <= target[1]
    return f"{target[0]} {target[1]}", "reached" if reached else "not yet"


def row(what, unit, pairs, key, target=None, scale=1.0):
    value = ratio(pairs, key)
    return (what, f"{median(pairs, 0, key) * scale:.1f} {unit}",
            f"{median(pairs, 1, key) * scale:.1f} {unit}", f"{value:.2f}", *verdict(value, target))


def plain(what, ours, floor="", unit="", target=None):
    """A row without a ratio; the target is for ours."""
    def text(value):
        return f"{value:.{0 if isinstance(value, int) else 1}f} {unit}".strip()
    return (what, text(ours), text(floor) if floor != "" else "", "", *verdict(ours, target))


def counted(pairs, how, requests):
    """What a warm certificate costs at the CA."""
    return [
        plain(f"ACME requests a warm certificate, {how}", median(pairs, 0, "requests"),
              target=("≤", requests)),
        plain(f"new connections (and handshakes) for it, {how}", median(pairs, 0, "connections"),
              target=("≤", 0)),
    ]


def stored_rows(rounds):
    """The targets of stored_table."""
    few, some, most = rounds["stored"][0], rounds["stored"][-2], rounds["stored"][-1]
    return [
        plain(f"anonymous memory, idle, {few['count']:,} certificates added", few["idle"],
              unit="MiB", target=("≤", 8)),
        plain(f"anonymous memory, idle, {some['count']:,} added", some["idle"], unit="MiB",
              target=("≤", 12)),
        plain(f"start, {most['count']:,} added", most["start"] * 1000, unit="ms",
              target=("≤", 1000)),
        plain(f"a page of 50, {most['count']:,} added", most["page"], unit="ms",
              target=("≤", 10)),
        row(f"POST to certificate, {most['count']:,} added, beside {few['count']:,}", "ms",
            [(most, few)], "due"),
    ]


def table(rounds):
    many, few, get, post = rounds["many"], rounds["few"], rounds["get"], rounds["post"]
    driver = [({"cpu": bare["own_cpu"]}, {"cpu": bare["pebble_cpu"]}) for _, bare in many]
    return [
        ("measure", "certwright", "floor", "ratio", "target", ""),
        row(f"certificates, {IN_FLIGHT} in flight", "/s", many, "rate", ("≥", 0.8)),
        row("POST to certificate, one by one", "ms", few, "latency", ("≤", 5), 1000),
        row(f"own CPU a certificate, {IN_FLIGHT} in flight", "ms", many, "own_cpu", ("≤", 1.8),
            1000),
        row("own CPU a certificate, one by one", "ms", few, "own_cpu", ("≤", 1.8), 1000),
        row("the bare driver's own CPU, beside its Pebble's", "ms", driver, "cpu", ("≤", 0.5),
            1000),
        *counted(rounds["counted_few"], "one by one", 7),
        *counted(rounds["counted_many"], f"{IN_FLIGHT} in flight", 8),
        row("GET of a certificate", "/s", get, "per_second", ("≥", 0.5)),
        row("GET that answers 304, beside the floor's 200", "/s", rounds["unchanged"],
            "per_second", ("≥", 0.6)),
        row("GET of a certificate, p99", "ms", get, "p99", None, 1000),
        row("POST accepted durably", "/s", post, "per_second", ("≥", 0.5)),
        row("POST accepted durably, p99", "ms", post, "p99", ("≤", 3), 1000),
        row(f"GET, p99, while {WAITS:,} jobs wait for DNS, beside none", "ms", rounds["waits"],
            "p99", ("≤", 2), 1000),
        plain(f"threads, {WAITS:,} jobs waiting", rounds["waits_threads"], target=("≤", 10)),
        plain(f"anonymous memory, {WAITS:,} jobs waiting, more by", rounds["waits_kib"] / 1024,
              unit="MiB", target=("≤", 10)),
        plain("anonymous memory, idle", rounds["idle_kib"] / 1024, unit="MiB"),
        plain("anonymous memory, after all this", rounds["busy_kib"] / 1024, unit="MiB"),
        *stored_rows(rounds),
    ]


def stored_table(rounds):
    head = ("certificates added", "start", "a page of 50", "one by name", "POST to certificate",
            "anonymous, idle", "after that", "resident", "threads")
    return [head] + [
        (f"{r['count']:,}", f"{r['start']:.2f} s", f"{r['page']:.1f} ms", f"{r['one']:.1f} ms",
         f"{r['due']:.1f} ms", f"{r['idle']:.1f} MiB", f"{r['busy']:.1f} MiB",
         f"{r['resident']:.1f} MiB",
         str(r["threads"])) for r in rounds["stored"]]


def version(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True,
                          text=True, check=False)
    return done.stdout or "?"


def print_table(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for number, line in enumerate(lines):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def main():
    load = os.getloadavg()[0]
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], text=True,
                            capture_output=True, check=False).stdout.strip()
    rounds = measure()
    packages = {"Pebble": "pebble", "libmicrohttpd": "libmicrohttpd-dev", "OpenSSL": "libssl-dev",
                "libcurl": "libcurl4-openssl-dev", "SQLite": "libsqlite3-dev"}
    print(f"{os.cpu_count()} processors ({platform.machine()}, Linux {platform.release()}), load {load:.1f} before the run; "
          + ", ".join(f"{name} {version(package)}" for name, package in packages.items())
          + f"; commit {commit}")
    print(f"Medians of {ROUNDS} rounds: {MANY} certificates in flight, {FEW} one by one, "
          f"{GET_SECONDS} s of GETs of {rounds['body']} bytes, {POSTS:,} POSTs; ratios are medians "
          "of the rounds'.")
    if rounds["restarts"]:
        print(f"Pebble wedged {rounds['restarts']} times and was started anew.")
    print()
    print_table(table(rounds))
    print()
    print_table(stored_table(rounds))


if __name__ == "__main__":
    main()
