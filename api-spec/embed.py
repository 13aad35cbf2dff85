#!/usr/bin/python3
"""embed.py OPENAPI.yaml OUT.c: the document as compact JSON in a C source."""

import json
import pathlib
import sys

import yaml

HEADER = """/* Made of openapi.yaml by embed.py. */
#include "api-spec/openapi.h"

"""


def c_string(text):
    """text as C string literals of at most 80 bytes, one a line; all ASCII, no trigraph."""
    lines = []
    for start in range(0, len(text), 80):
        part = text[start:start + 80]
        escaped = part.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")
        lines.append(f'    "{escaped}"')
    return "\n".join(lines)


def main(source, target):
    document = yaml.safe_load(pathlib.Path(source).read_text(encoding="utf-8"))
    text = json.dumps(document, separators=(",", ":"))
    pathlib.Path(target).write_text(
        f"{HEADER}const char openapi_json[] =\n{c_string(text)};\n\n"
        f"const size_t openapi_json_size = {len(text)};\n", encoding="ascii")


if __name__ == "__main__":
    main(*sys.argv[1:])
