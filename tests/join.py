#!/usr/bin/python3
"""join.py OUTPUT SOURCE...: several test files as one, because most of what compiling a test takes is what all of them include. Names
do not meet: the nameless namespace of each file gets the file's name. join.py --fits SOURCE...: prints those that can be joined, all
of whose tests and helpers stand in one nameless namespace."""
import os
import pathlib
import re
import sys

OPENS = "namespace {"
CLOSES = "}  // namespace"


def fits(lines):
    if lines.count(OPENS) != 1 or lines.count(CLOSES) != 1 or any(line.startswith("#define") for line in lines):
        return False
    after = lines[lines.index(CLOSES) + 1:]
    return all(not line or line.startswith("}  // namespace ") for line in after)


def joined(sources, folder):
    out = []
    for source in sources:
        lines = source.read_text().splitlines()
        if not fits(lines):
            sys.exit(f"{source}: not everything is in one nameless namespace any more: run cmake again, then it is compiled alone")
        name = re.sub(r"\W", "_", "/".join(source.with_suffix("").parts[-3:]))
        shown = os.path.relpath(source, folder)  # not absolute: then ccache knows it in every copy of the tree
        out += [f'#line 1 "{shown}"', *(f"namespace {name} {{" if line == OPENS else line for line in lines)]
    return "\n".join(out) + "\n"


def main():
    if sys.argv[1] == "--fits":
        print(";".join(name for name in sys.argv[2:] if fits(pathlib.Path(name).read_text().splitlines())), end="")
        return
    output = pathlib.Path(sys.argv[1])
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(joined([pathlib.Path(name) for name in sys.argv[2:]], os.getcwd()))


main()
