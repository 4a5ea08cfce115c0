#!/usr/bin/env python3
"""Checks docs/mqtt.md: every statement of the standards that binds a server stands there once, and every test it names exists.
And docs/overload.md: every limit that can be set stands there with its default, with who shares it and which test shows it.

usage: check_statements.py DOCUMENT BUILD_FOLDER NAME=PROGRAM...
       check_statements.py --limits DOCUMENT SEALMQ NAME=PROGRAM...

NAME is a ctest entry whose PROGRAM knows --gtest_list_tests; other entries are asked of ctest.
"""
import pathlib
import re
import subprocess
import sys

# By section: the numbers of its statements. Those that bind clients only, and that a server cannot check, are left out.
MQTT_5 = """
1.5.4: 1-3; 1.5.5: 1; 1.5.7: 1; 2.1.3: 1; 2.2.1: 2-6; 2.2.2: 1; 3.1.0: 1-2; 3.1.2: 1-19 21-30; 3.1.3: 1-12; 3.1.4: 1-6; 3.2.0: 1-2;
3.2.2: 1-3 6-10 12-13 15-22; 3.3.1: 1-13; 3.3.2: 1-9 11-20; 3.3.4: 1-7 9-10; 3.4.2: 1-3; 3.5.2: 1-3; 3.6.1: 1; 3.6.2: 1-3; 3.7.2: 1-3; 3.8.1: 1;
3.8.3: 1-5; 3.8.4: 1-8; 3.9.2: 1-2; 3.9.3: 1-2; 3.10.1: 1; 3.10.3: 1-2; 3.10.4: 1-6; 3.11.2: 1-2; 3.11.3: 1-2; 3.12.4: 1; 3.14.0: 1;
3.14.1: 1; 3.14.2: 1-4; 3.14.4: 1-3; 3.15.1: 1; 3.15.2: 1-3; 4.1.0: 1-2; 4.2.0: 1; 4.3.1: 1; 4.3.2: 1-5; 4.3.3: 1-13; 4.4.0: 1-2; 4.5.0: 1;
4.6.0: 5-6; 4.7.0: 1; 4.7.1: 1-2; 4.7.2: 1; 4.7.3: 1-4; 4.8.2: 1-6; 4.9.0: 1-3; 4.12.0: 1-2 4-7; 4.12.1: 1-2; 4.13.1: 1; 4.13.2: 1; 6.0.0: 1-2 4
"""
MQTT_3_1_1 = """
1.4.0: 1-3; 2.2.2: 1-2; 2.3.1: 1 4-7; 3.1.0: 1-2; 3.1.2: 1-22 24; 3.1.3: 1-6 8-11; 3.1.4: 1-5; 3.2.0: 1; 3.2.2: 1-6; 3.3.1: 1-12; 3.3.2: 1-3;
3.3.4: 1; 3.3.5: 1-2; 3.6.1: 1; 3.8.1: 1; 3.8.3: 1-4; 3.8.4: 1-6; 3.9.3: 1-2; 3.10.1: 1; 3.10.3: 1-2; 3.10.4: 1-6; 3.12.4: 1; 3.14.1: 1; 3.14.4: 3;
4.1.0: 1-2; 4.3.1: 1; 4.3.2: 1-2; 4.3.3: 1-2; 4.4.0: 1; 4.5.0: 1; 4.6.0: 1 5-6; 4.7.1: 1-3; 4.7.2: 1; 4.7.3: 1-4; 4.8.0: 1-2; 6.0.0: 1-2 4;
7.0.0: 1-2; 7.1.1: 1
"""


def numbers(text):
    for section, spans in re.findall(r"([\d.]+): ([\d\- ]+)", text.replace("\n", " ")):
        for span in spans.split():
            first, _, last = span.partition("-")
            for number in range(int(first), int(last or first) + 1):
                yield f"{section}-{number}"


def cases(program):
    """Full names, and for those that run with several parameters also what they have in common."""
    names, suite = set(), ""
    for line in subprocess.run([program, "--gtest_list_tests"], check=True, capture_output=True, text=True).stdout.splitlines():
        name = line.split("#")[0].strip()
        if not line.startswith(" "):
            suite = name
        else:
            names.add(suite + name)
            names.add(re.sub(r"/\d+$", "", re.sub(r"^\w+/", "", suite) + name))
    return names


def rows(document):
    """(title, statement, words, how it is shown) of each table row."""
    title = None
    for line in document.splitlines():
        if line.startswith("## "):
            title = line[3:]
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if len(cells) == 3 and re.match(r"\d", cells[0]):
            yield title, *cells
        elif cells and cells[0] != "statement" and not cells[0].startswith("---"):
            yield title, "?" + line, "", ""


def limit_rows(document, first="limit"):
    """The cells of each row of a table whose first column is headed `limit`, or otherwise."""
    header = None
    for line in document.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else None
        if cells is None:
            header = None
        elif header is None:
            header = cells
        elif header[0] == first and not cells[0].startswith("---"):
            yield cells


def says(cell, number):
    """Whether `cell` has that default: as it is, or in larger units."""
    ways = [str(number), f"{number} s"]
    if number > 0:
        ways += [f"{number // unit}{name}" for unit, name in ((1 << 20, " MB"), (1000, " s"), (86400, " days")) if number % unit == 0]
    return any(re.search(rf"(?<!\d){re.escape(way)}(?!\d)", cell) for way in ways)


def limits(path, sealmq, *programs):
    known = set().union(*(cases(pair.split("=", 1)[1]) for pair in programs))
    tests = pathlib.Path(path).resolve().parent.parent / "tests"
    functions = set()
    for file in (tests / "interop").glob("*.py"):
        text = file.read_text(encoding="utf-8")
        functions |= set(re.findall(r"^ +def test_(\w+)\(self", text, re.M))
        for pattern in (r"self\.under\((\w+)", r"self\.measure\(broker, \"(\w+)\""):  # an attack on a broker with little memory
            functions |= set(re.findall(pattern, text))

    def exists(test):
        if test in functions:
            return True
        start = test.rstrip("…").removesuffix("*")
        return any(name == test or (start != test and name.startswith(start)) for name in known)

    help_text = subprocess.run([sealmq, "broker", "--help-settings"], check=True, capture_output=True, text=True).stdout
    section = help_text.split("[limits]", 1)[1].split("\n[", 1)[0]
    settings = dict(re.findall(r"^  ([a-z_]+)  \(number, (\d+)\)$", section, re.MULTILINE))
    complaints, named, shown = [], set(), 0
    with open(path, encoding="utf-8") as file:
        document = file.read()
    for cells in limit_rows(document):
        names = re.findall(r"`([a-z_]+)`", cells[0])
        named.update(names)
        complaints += [f"{name}: no setting of [limits]" for name in names if name not in settings]
        if len(cells) != 5 or not all(cells):
            complaints.append(f"{cells[0]}: an incomplete row")
            continue
        if not cells[0].endswith("of it"):  # a part of a limit that has a row, or a table, of its own
            complaints += [f"{name}: its default is {settings[name]}, not {cells[1]}" for name in names
                           if name in settings and not says(cells[1], int(settings[name]))]
        shown_by = re.findall(r"`([^`]+)`", cells[4])
        complaints += [f"{cells[0]}: there is no test {test}" for test in shown_by if not exists(test)]
        if not shown_by:
            complaints.append(f"{cells[0]}: no test shows it")
        shown += 1
    for cells in limit_rows(document, "full"):
        shown_by = re.findall(r"`([^`]+)`", cells[-1])
        complaints += [f"{cells[0]} of the memory: there is no test {test}" for test in shown_by if not exists(test)]
        if not shown_by:
            complaints.append(f"{cells[0]} of the memory: no test shows it")
        shown += 1
    complaints += [f"{name}: a setting of [limits] without a row" for name in sorted(set(settings) - named)]
    print("\n".join(complaints) or f"{shown} limits, each with a share and a test that exists")
    return 1 if complaints else 0


def main(path, build, *programs):
    known = {name: cases(program) for name, program in (pair.split("=", 1) for pair in programs)}
    listing = subprocess.run(["ctest", "-N", "--test-dir", build], check=True, capture_output=True, text=True).stdout
    entries = set(re.findall(r"Test +#\d+: (\S+)", listing))
    complaints, seen = [], {"MQTT 5.0": [], "MQTT 3.1.1": []}
    shown = 0
    with open(path, encoding="utf-8") as file:
        document = file.read()
    for title, statement, words, how in rows(document):
        seen.setdefault(title, []).append(statement)
        if not words or not how:
            complaints.append(f"{title} {statement}: an incomplete row")
        for test in how.split("<br>"):
            if re.match(r"(n/a|not shown): \w", test):
                continue
            match = re.fullmatch(r"`(\w+)(?: (\S+))?`", test)
            if match is None:
                complaints.append(f"{title} {statement}: neither a test nor a reason: {test}")
            elif match[1] not in entries:
                complaints.append(f"{title} {statement}: no such ctest entry: {match[1]}")
            elif match[1] in known and match[2] not in known[match[1]]:
                complaints.append(f"{title} {statement}: {match[1]} has no test {match[2]}")
            elif match[1] not in known and match[2]:
                complaints.append(f"{title} {statement}: cases of {match[1]} cannot be checked")
        shown += "`" in how
    for title, text in (("MQTT 5.0", MQTT_5), ("MQTT 3.1.1", MQTT_3_1_1)):
        wanted, there = list(numbers(text)), seen.pop(title)
        complaints += [f"{title} {n}: missing" for n in wanted if n not in there]
        complaints += [f"{title} {n}: not a statement for servers" for n in there if n not in wanted]
        complaints += [f"{title} {n}: stands twice" for n in set(there) if there.count(n) > 1]
    complaints += [f"a table under an unknown title: {title}" for title in seen]
    print("\n".join(complaints) or f"{shown} statements are shown by tests that exist")
    return 1 if complaints else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    if sys.argv[1] == "--limits":
        sys.exit(limits(*sys.argv[2:]))
    sys.exit(main(*sys.argv[1:]))
