"""/metrics: what a monitoring system reads."""

import re

import pem

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)')


def parse(text):
    """{name: [(labels, value)]}; every line must be of Prometheus' text format."""
    found, typed = {}, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            typed.add(line.split()[2])
        elif not line.startswith("#"):
            match = SAMPLE.fullmatch(line)
            assert match, f"not a sample: {line!r}"
            name, labels, value = match.groups()
            pairs = dict(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', labels or ""))
            found.setdefault(name, []).append((pairs, float(value)))
            family = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in typed or family in typed, f"{name} has no TYPE"
    return found


def test_certificates_jobs_and_requests(certwright, pebble, names):
    service = certwright(pebble)
    api = service.api
    api.put_account()
    [name] = names()
    api.succeeded(api.post_certificate(name))
    metrics = parse(service.ops("/metrics")[1])
    assert parse(api.get("/metrics").text).keys() == metrics.keys()

    leaf = pem.load(api.pem(name, "cert.pem"))
    [(labels, expiry)] = metrics["certwright_certificate_not_after_timestamp_seconds"]
    assert labels == {"name": name, "authority": "pebble"}
    assert expiry == pem.expiry_of(leaf)
    [(labels, ready)] = metrics["certwright_certificate_ready"]
    assert labels["name"] == name and ready == 1

    assert metrics["certwright_certificates"] == [({"ready": "true"}, 1), ({"ready": "false"}, 0)]
    assert metrics["certwright_certificates_failing"] == [({}, 0)]
    assert metrics["certwright_certificates_first_not_after_timestamp_seconds"] == [({}, expiry)]

    jobs = {(labels["kind"], labels["state"]): value
            for labels, value in metrics["certwright_jobs"]}
    assert jobs[("certificate.issue", "succeeded")] == 1
    assert any(name.startswith("certwright_acme_requests") for name in metrics)
    assert any(name.startswith("certwright_http_requests") for name in metrics)
