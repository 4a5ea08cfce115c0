#!/usr/bin/env python3
"""Proves the claims of the schemes: runs every model here and compares each verdict with the one written above its query.

usage: run.py [--markdown] [--timeout SECONDS] [MODEL ...]      MODEL is part of a file's name; default: all
       run.py --notes                                           needs no ProVerif: a note for each query, and the READMEs' tables

A model is <name>.pv, the form a scheme has here, or <name>@<form>.pv: @paper as published, any other a step between the two.
Above each query stands what it says, in the queries' order:

  (* claim NAME, yes: SENTENCE *)                       must be proved
  (* claim NAME, no: SENTENCE Attack: ONE LINE *)       must be broken; ProVerif finds a trace
  (* claim NAME, unproved: SENTENCE Attack: ONE LINE *) must not be proved; for equivalences, where ProVerif gives no trace
  (* run NAME: SENTENCE *)                              must be possible, so that nothing is proved about an empty protocol

The program is $PROVERIF, else proverif on the PATH; 2.05 is the version the verdicts come from. Ends with "N passed, N failed".
Exit 0: all as written; 1: a verdict differs, or no model was found; 77: no ProVerif, nothing was checked.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
NOTE = re.compile(r"\(\*\s*(?:claim\s+(?P<claim>[\w-]+),\s*(?P<says>yes|no|unproved)|run\s+(?P<run>[\w-]+)):\s*(?P<text>.*?)\*\)", re.S)
EXPECTED = {"yes": "true", "no": "false", "unproved": "cannot be proved", "run": "false"}
ANSWER = {"true": "yes", "false": "no", "cannot be proved": "unproved"}


class Note:
    """What a model says about one of its queries."""

    def __init__(self, match):
        text, _, attack = " ".join(match["text"].split()).partition(" Attack: ")
        self.name = match["claim"] or match["run"]
        self.says = match["says"] or "run"
        self.text, self.attack = text, attack
        self.expected = EXPECTED[self.says]


def find_prover():
    return os.environ.get("PROVERIF") or shutil.which("proverif")


def notes_of(text):
    return [Note(match) for match in NOTE.finditer(text)]


def verdicts_of(output):
    """The verdicts of ProVerif's verification summary, in the order of the queries."""
    _, _, summary = output.partition("Verification summary:\n")
    found = []
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*- )|\n(?=Associated )", summary):
        line = " ".join(paragraph.split())
        if line.startswith(("- Restriction", "- Axiom", "- Lemma", "Associated")):
            continue
        verdict = re.search(r"(cannot be proved|is false|is true)(?: \(.*\))?\.", line)
        if verdict:
            found.append(verdict[1].removeprefix("is "))
    return found


def prove(prover, path, timeout):
    """The verdicts, and what went wrong if there are none."""
    try:
        run = subprocess.run([prover, str(path)], capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return [], "no answer in %g s" % timeout
    return verdicts_of(run.stdout), (run.stdout + run.stderr)[-600:]


def shown(note, verdict):
    """What a person reads: a run is good news when ProVerif finds it."""
    if note.says == "run":
        return "possible" if verdict == "false" else "impossible"
    return ANSWER[verdict]


def queries_of(text):
    """How many things a model asks: those of its queries, secrets that might be guessed, or the one equivalence."""
    text = re.sub(r"\(\*.*?\*\)", "", text, flags=re.S)
    count = 0
    for query in re.findall(r"^query\b(.*?)\.\s*$", text, re.S | re.M):
        parts = [" ".join(part.split()) for part in query.split(";")]
        count += len([part for part in parts if not re.fullmatch(r"(\w+(, \w+)*: \w+(, )?)+", part)])
    count += len(re.findall(r"^weaksecret\b", text, re.M))
    return count or (1 if re.search(r"\bchoice\[|^equivalence\b", text, re.M) else 0)


def check_notes():
    """Complaints about models whose notes and queries differ in number, and tables that say what no model says."""
    complaints, results = [], {}
    for path in sorted(HERE.glob("*/*.pv")):
        text = path.read_text()
        notes = notes_of(text)
        if len(notes) != queries_of(text):
            complaints.append("%s: %d queries, %d notes" % (path.relative_to(HERE), queries_of(text), len(notes)))
        results.setdefault(path.parent, []).append((path, [(note, note.expected) for note in notes]))
    for folder, its in results.items():
        rows = (folder / "README.md").read_text().splitlines()
        written = {row for row in rows if re.search(r"\| (yes|no|unproved) \|", row)}
        made = {line for line in markdown(its) if line.startswith("| ") and not line.startswith("| claim |")}
        complaints += ["%s/README.md says what no model says: %s" % (folder.name, row) for row in sorted(written - made)]
        complaints += ["%s/README.md does not say: %s" % (folder.name, row) for row in sorted(made - written)]
    print("\n".join(complaints) or "%d models, each query with its note, each claim in its table" % sum(map(len, results.values())))
    return 1 if complaints or not results else 0


def markdown(results):
    """Lines: one row for each claim, the published form beside ours."""
    families = {}
    for path, pairs in results:
        family, _, form = path.stem.partition("@")
        for note, verdict in pairs:
            if note.says != "run":
                families.setdefault(family, {}).setdefault(note.name, {})[form] = (note, verdict)
    for family, claims in families.items():
        forms = sorted({form for row in claims.values() for form in row}, key=lambda form: (form == "", form != "paper", form))
        yield "\n### %s\n" % family
        yield "| claim | query | %s | attack |" % " | ".join("@" + form if form else "`%s`" % family for form in forms)
        yield "|---|---|%s---|" % ("---|" * len(forms))
        for name, row in claims.items():
            notes = [row[form][0] for form in reversed(forms) if form in row]
            attack = next((note.attack for note in notes if note.attack), "")
            cells = [shown(*row[form]) if form in row else "-" for form in forms]
            yield "| %s | %s | %s | %s |" % (notes[0].text, name, " | ".join(cells), attack)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--markdown", action="store_true", help="print the claims as the tables of README.md")
    parser.add_argument("--timeout", type=float, default=600, help="seconds a model may take (600)")
    parser.add_argument("models", nargs="*", help="part of a file's name")
    parser.add_argument("--notes", action="store_true", help="compare notes, queries and the READMEs' tables")
    options = parser.parse_args()
    if options.notes:
        return check_notes()

    prover = find_prover()
    if not prover:
        print("ProVerif is not installed (opam install proverif): the models were not checked", file=sys.stderr)
        return 77

    say = (lambda *_: None) if options.markdown else (lambda line: print(line, flush=True))
    passed = failed = 0
    results = []
    for path in sorted(HERE.glob("*/*.pv")):
        if options.models and not any(part in path.stem for part in options.models):
            continue
        notes = notes_of(path.read_text())
        started = time.monotonic()
        verdicts, trouble = prove(prover, path, options.timeout)
        say("%s/%s (%.1f s)" % (path.parent.name, path.stem, time.monotonic() - started))
        if len(verdicts) != len(notes):
            failed += max(1, len(notes))
            print("FAIL %s: %d queries, %d verdicts: %s" % (path.name, len(notes), len(verdicts), trouble))
            continue
        for note, verdict in zip(notes, verdicts):
            good = verdict == note.expected
            passed, failed = passed + good, failed + (not good)
            say("  %s%-10s %s: %s" % ("" if good else "FAIL ", shown(note, verdict), note.name, note.text))
        results.append((path, list(zip(notes, verdicts))))
    if options.markdown:
        print("\n".join(markdown(results)))
    print("%d passed, %d failed" % (passed, failed), file=sys.stderr if options.markdown else sys.stdout)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
