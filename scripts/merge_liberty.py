#!/usr/bin/env python3
"""Joins the liberty files of one library (cells spread over several, maybe gzipped) into one.

usage: merge_liberty.py DIR OUT
The header (units, templates) of the first file is kept; the cells of all are put behind it. Tables that
only other headers define are added too.
"""
import gzip
import pathlib
import re
import sys


def read(path):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as file:
        return re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)


def groups(body):
    """(head, text) of each top-level group or statement inside a library's braces."""
    at = 0
    while at < len(body):
        brace, semicolon = body.find("{", at), body.find(";", at)
        if brace < 0 and semicolon < 0:
            return
        if 0 <= semicolon and (brace < 0 or semicolon < brace):
            yield body[at:semicolon].strip(), body[at:semicolon + 1]
            at = semicolon + 1
            continue
        depth, end = 1, brace + 1
        while depth:
            nxt = re.compile(r"[{}]").search(body, end)
            depth += 1 if nxt.group() == "{" else -1
            end = nxt.end()
        yield body[at:brace].strip(), body[at:end]
        at = end


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    files = sorted(p for p in folder.iterdir() if p.name.endswith((".lib", ".lib.gz")))
    if not files:
        print(f"{folder} holds no .lib or .lib.gz file", file=sys.stderr)
        sys.exit(2)
    parts, seen = [], set()
    for index, path in enumerate(files):
        text = read(path)
        start = text.index("{") + 1
        for head, group in groups(text[start:text.rindex("}")]):
            is_cell = re.match(r"cell\s*\(", head)
            if is_cell or index == 0 or ("(" in head and "{" in group and head not in seen):
                if head in seen and not is_cell:
                    continue
                seen.add(head)
                parts.append(group)
    out.write_text("library (merged) {\n" + "\n".join(parts) + "\n}\n")


if __name__ == "__main__":
    main()
