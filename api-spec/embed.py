#!/usr/bin/python3
"""embed.py OPENAPI.yaml OUT.c: the document as compact JSON and as a page, in a C source."""

import json
import pathlib
import sys

import yaml

import page

HEADER = """/* Made of openapi.yaml by embed.py and page.py. */
#include "api-spec/openapi.h"

"""


def c_string(text):
    """text as C string literals of at most 80 bytes, one a line; all ASCII, no trigraph."""
    lines = []
    for start in range(0, len(text), 80):
        part = text[start:start + 80]
        escaped = part.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")
        escaped = escaped.replace("\n", "\\n")
        lines.append(f'    "{escaped}"')
    return "\n".join(lines)


def main(source, target):
    document = yaml.safe_load(pathlib.Path(source).read_text(encoding="utf-8"))
    html, policy = page.render(document)
    texts = {"openapi_json": json.dumps(document, separators=(",", ":")),
             "openapi_page": html.encode("ascii", "xmlcharrefreplace").decode("ascii")}
    out = [HEADER, f"const char openapi_page_policy[] =\n{c_string(policy)};\n"]
    for name, text in texts.items():
        out.append(f"\nconst char {name}[] =\n{c_string(text)};\n\n"
                   f"const size_t {name}_size = {len(text)};\n")
    pathlib.Path(target).write_text("".join(out), encoding="ascii")


if __name__ == "__main__":
    main(*sys.argv[1:])
