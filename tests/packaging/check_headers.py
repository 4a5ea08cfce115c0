#!/usr/bin/python3
"""check_headers.py SOURCE BUILD: every header of the product is the first thing that some source file of BUILD includes, and that file
has been compiled since either changed. A header that needs others before it does not get that far. Also tries the check, and the
compiler, on headers that do not hold up.
"""
import json
import pathlib
import shlex
import subprocess
import sys
import tempfile

FOLDERS = ("include", "src", "schemes")


def first_include(source):
    """What its first #include names, as a path from SOURCE or a folder of headers; nothing if that is in angle brackets."""
    for line in source.read_text().splitlines():
        if line.startswith("#include"):
            return line.split('"')[1] if '"' in line else None
    return None


def commands_of(build):
    """Source file -> (its compile command, the folder that runs in)."""
    entries = json.loads((build / "compile_commands.json").read_text())
    return {pathlib.Path(entry["file"]): (shlex.split(entry["command"]), entry["directory"]) for entry in entries}


def uncovered(source, build, commands):
    """Headers that no compiled source file includes first."""
    covered = set()
    for file, (command, folder) in commands.items():
        ours = file.is_relative_to(source / "src") or file.is_relative_to(source / "schemes") or "headers_alone" in file.parts
        if not ours or not (name := first_include(file)):
            continue
        compiled = pathlib.Path(folder, command[command.index("-o") + 1])
        for header in (source / name, source / "src" / name, source / "include" / name):
            if header.exists() and compiled.exists() and compiled.stat().st_mtime >= header.stat().st_mtime:
                covered.add(header)
    headers = {header for folder in FOLDERS for header in (source / folder).rglob("*.h")}
    return sorted(str(header.relative_to(source)) for header in headers - covered)


def check_of_the_check(source, build, commands):
    """A header that lacks an include does not compile, and one that no unit has is named."""
    command, folder = next(value for file, value in commands.items() if "headers_alone" in file.parts)
    compiler = [word for word in command[:command.index("-o")] if not word.endswith("ccache")]
    with tempfile.TemporaryDirectory() as made:
        for text, compiles in (("#include <string>\nstd::string name();\n", True), ("std::string name();\n", False)):
            pathlib.Path(made, "some.h").write_text("#pragma once\n" + text)
            pathlib.Path(made, "unit.cpp").write_text('#include "some.h"\n')
            done = subprocess.run([*compiler, "-fsyntax-only", f"{made}/unit.cpp"], cwd=folder, capture_output=True, text=True)
            assert (done.returncode == 0) == compiles, done.stderr
    without = {file: value for file, value in commands.items() if file.name != "include_sealmq_bytes.h.cpp"}
    assert "include/sealmq/bytes.h" in uncovered(source, build, without)


def main():
    source, build = map(pathlib.Path, sys.argv[1:])
    commands = commands_of(build)
    check_of_the_check(source, build, commands)
    left_out = uncovered(source, build, commands)
    for header in left_out:
        print(f"{header}: not compiled alone since it changed; build the target headers_alone")
    return 1 if left_out else 0


if __name__ == "__main__":
    sys.exit(main())
