import itertools
import random
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from contract import Contract
from dns_provider import DnsProvider
from fake_ca import FakeCa
from pebble import Challtestsrv, Pebble
from process import free_port
from seed import SEED
from service import BINARY, Service


def pytest_configure():
    if not Path(BINARY).exists():
        raise pytest.UsageError(f"{BINARY} is not there: run ./dev build, or ./dev test")


def pytest_report_header():
    return f"SEED={SEED}"


def pytest_collection_modifyitems(items):
    """xdist hands neighbours to one worker, and the parts of the longest test are neighbours: the
    long ones change places with one another, always in the same way."""
    places = [i for i, item in enumerate(items) if item.get_closest_marker("long")]
    shuffled = [items[i] for i in places]
    random.Random(len(places)).shuffle(shuffled)
    for place, item in zip(places, shuffled):
        items[place] = item


WEDGED = pytest.StashKey()
RUNS_MAX = 3


def pebbles_of(item):
    """Every Pebble that the test has to do with."""
    shared = item.funcargs.get("pebble")
    return ([shared] if shared else []) + getattr(item.funcargs.get("pebble_with"), "made", [])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    """
    Pebble can lock itself up for ever when an order is polled at the moment it completes. A test
    that failed with such a Pebble has told nothing: it is run again, with a new one, and says so.
    """
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for _ in range(RUNS_MAX):
        item.stash[WEDGED] = False
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if not item.stash[WEDGED]:
            break
        item.warn(pytest.PytestWarning("Pebble has locked itself up; the test was run again"))
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the last lines of what certwright and Pebble said."""
    report = (yield).get_result()
    if report.when != "call" or not report.failed:
        return
    item.stash[WEDGED] = any(p.process.running and p.wedged() for p in pebbles_of(item))
    for name in ("certwright", "pebble", "pebble_with"):
        value = item.funcargs.get(name)
        for process in getattr(value, "processes", lambda: [])():
            lines = process.log().splitlines()[-60:]
            report.sections.append((f"{process.log_path}, its end", "\n".join(lines)))


@pytest.fixture(scope="session")
def contract():
    return Contract()


@pytest.fixture(scope="session")
def http01_port():
    """Where Pebble looks for http-01, so where certwright's responder listens in every test."""
    return free_port()


@pytest.fixture(scope="session")
def challtestsrv(tmp_path_factory):
    server = Challtestsrv(tmp_path_factory.mktemp("challtestsrv"))
    server.start()
    yield server
    server.process.kill()


@pytest.fixture(scope="session")
def shared_pebble(tmp_path_factory, challtestsrv, http01_port):
    server = Pebble(tmp_path_factory.mktemp("pebble"), challtestsrv.dns_port, http01_port)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def pebble(shared_pebble):
    """The one Pebble of the session; a test that finds it wedged or gone gets a new one."""
    if not shared_pebble.process.running or shared_pebble.wedged():
        shared_pebble.restart()
    return shared_pebble


@pytest.fixture
def pebble_with(tmp_path, challtestsrv, http01_port):
    """A factory of Pebbles of the test's own: pebble_with(env={…}, config={…}, strict=True)."""
    made = []

    def make(**how):
        server = Pebble(tmp_path / f"pebble-{len(made)}", challtestsrv.dns_port, http01_port, **how)
        made.append(server)
        server.start()
        return server

    make.made = made
    make.processes = lambda: [server.process for server in made]
    yield make
    for server in made:
        server.stop()


@pytest.fixture
def certwright(tmp_path, contract, http01_port):
    """
    A factory: certwright(pebble, resources={…}, key=value…) is a running service that knows the
    authority "pebble". At the test's end it must stop cleanly, unless the test has ended it.
    """
    made = []

    def make(pebble=None, *, resources=None, env=None, arguments=(), start=True, **config):
        resources = {kind: dict(items) for kind, items in (resources or {}).items()}
        if pebble is not None:
            resources.setdefault("authorities", {}).setdefault("pebble", pebble.authority())
        config.setdefault("http01_listen", f"127.0.0.1:{http01_port}")
        service = Service(tmp_path / f"certwright-{len(made)}", contract,
                          {**config, "resources": resources}, env, arguments)
        made.append(service)
        return service.start() if start else service

    make.processes = lambda: [service.process for service in made]
    yield make
    # All are ended before any of them is judged.
    ends = []
    for service in made:
        try:
            service.stop()
            service.check_database()
        except AssertionError as e:
            ends.append(str(e))
    assert not ends, "\n".join(ends)


@pytest.fixture
def fake(tmp_path):
    """A CA that says what the test scripts; at the end no request may have been a bad one."""
    ca = FakeCa(tmp_path / "fake").start()
    yield ca
    ca.stop()


@pytest.fixture
def provider(challtestsrv):
    """A DNS provider with lego's httpreq protocol."""
    server = DnsProvider(challtestsrv)
    yield server
    server.stop()


@pytest.fixture
def resolvers(challtestsrv):
    """
    The part of the config by which certwright asks challtestsrv, the only server that knows the
    tests' zones. They have no name servers there, so that the resolvers' word must do.
    """
    return {"resolvers": [f"127.0.0.1:{challtestsrv.dns_port}"], "resolvers_only": True}


@pytest.fixture
def names(request):
    """names(n) gives n DNS names that no other test uses, so that nothing is left from them."""
    count = itertools.count()
    stem = request.node.name.lower()
    label = "".join(c if c.isalnum() else "-" for c in stem)[:40].strip("-")

    def take(n=1):
        return [f"n{next(count)}.{label}.example.com" for _ in range(n)]

    return take
