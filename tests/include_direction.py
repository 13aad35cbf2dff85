"""Proves that includes point down: server over store over acme over acme/base.

Within server, access knows none of its neighbours and http only that, api may use http; engine, solver and deploy may
not use http or api, and outside serves the latter two. Only the lowest floor of each library may know that library.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')

# Each floor with those whose headers it may include, its own among them.
ALLOWED = {
    "api-spec": {"api-spec"},
    "acme/base": {"acme/base"},
    "acme": {"acme", "acme/base"},
    "store": {"store", "acme", "acme/base"},
    "server/access": {"server/access", "acme", "acme/base"},
    "server/config": {"server/config", "server/access", "store", "acme", "acme/base"},
    "server/http": {"server/http", "server/access", "acme", "acme/base"},
    "server/outside": {"server/outside", "acme", "acme/base"},
    "server/solver": {"server/solver", "server/outside", "server/config", "store", "acme",
                      "acme/base"},
    "server/deploy": {"server/deploy", "server/outside", "acme", "acme/base"},
    "server/engine": {"server/engine", "server/solver", "server/deploy", "server/outside",
                      "server/config", "store", "acme", "acme/base"},
    "server/api": {"server/api", "api-spec", "server/http", "server/access", "server/config", "server/engine",
                   "server/solver", "server/deploy", "server/outside", "store", "acme",
                   "acme/base"},
}
ALLOWED["server"] = set(ALLOWED) | {"server"}

# A library's headers, and the only floors that may know them.
LIBRARIES = {
    r"microhttpd\.h": {"server/http"},
    r"sqlite3\.h": {"store"},
    r"ldns/.*": {"server/solver"},
}


def floor_of(path):
    """The longest floor that path lies in, or None."""
    fitting = [floor for floor in ALLOWED if path.startswith(floor + "/")]
    return max(fitting, key=len) if fitting else None


def complaints_about(path):
    name = path.relative_to(ROOT).as_posix()
    floor = floor_of(name)
    if floor is None:
        yield f"{name}: lies on no floor"
        return
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        own, library = match.groups()
        if own and not (ROOT / own).exists():
            yield f'{name}:{number}: "{own}" is not written from the project root'
        elif own and floor_of(own) not in ALLOWED[floor]:
            yield f'{name}:{number}: {floor} includes "{own}"'
        for pattern, floors in LIBRARIES.items():
            if library and re.fullmatch(pattern, library) and floor not in floors:
                yield f"{name}:{number}: <{library}> is for {', '.join(sorted(floors))} alone"


def main():
    files = [path for top in ("acme", "store", "server") for path in sorted((ROOT / top).rglob("*"))
             if path.suffix in (".c", ".h")]
    found = [complaint for path in files for complaint in complaints_about(path)]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
