"""CONTRIBUTING's threat model names the tests that prove it; here is whether they are there."""

import re
from pathlib import Path

HERE = Path(__file__).parent
UNITS = HERE.parent / "unit"
FUZZERS = HERE.parent / "fuzz"


def threat_model():
    text = (HERE.parents[1] / "CONTRIBUTING.md").read_text()
    return text.partition("## Threat model\n")[2].partition("\n## ")[0]


def is_there(file, name):
    """Whether a test of that name is run: pytest takes any, cmocka those of a table below them."""
    if file.endswith(".py"):
        return re.search(rf"^def {name}\(", (HERE / file).read_text(), re.MULTILINE)
    _, defined, rest = (UNITS / file).read_text().partition(f"static void {name}(void **state)\n")
    return defined and re.search(rf"\b{name}\b", rest)


def test_each_test_that_it_names_is_there():
    named = re.findall(r"`(test_\w+\.(?:py|c))::(\w+)`", threat_model())
    assert len(named) > 60
    assert [one for one in named if not is_there(*one)] == []
    fuzzers = re.findall(r"fuzzers? ((?:`\w+`(?:, )?)+)", threat_model())
    for name in re.findall(r"\w+", " ".join(fuzzers)):
        assert (FUZZERS / f"fuzz_{name}.c").exists(), name
