#!/usr/bin/env python3
"""Is every part of the hardening needed? Takes one part out of a model at a time, and sees which proofs fall.

usage: mutants.py [MODEL]           MODEL is part of a file's name; default: all

A mutant that no proof misses means that the part is not needed, or that the model is too weak to see it. ProVerif and exit codes as
in run.py; a mutant that ProVerif does not finish counts as unproved and is said so. The mutants stand in mutants.py of each folder.
At the end come the claims that no mutant breaks: each needs one, or a reason.
"""
import runpy
import sys
import tempfile

from run import HERE, find_prover, notes_of, prove


def mutants():
    """Those of every folder, as (folder, mutant)."""
    for path in sorted(HERE.glob("*/mutants.py")):
        for mutant in runpy.run_path(str(path))["MUTANTS"]:
            yield path.parent.name, mutant


def main():
    prover = find_prover()
    if not prover:
        print("ProVerif is not installed (opam install proverif): the mutants were not checked", file=sys.stderr)
        return 77
    passed = failed = 0
    standing = {}
    for folder, (name, part, changes, claim) in mutants():
        model = folder + "/" + name
        if len(sys.argv) > 1 and sys.argv[1] not in model:
            continue
        text = (HERE / (model + ".pv")).read_text()
        notes = notes_of(text)
        for old, new in changes:
            if old not in text:
                sys.exit("%s does not say: %s" % (model, old))
            text = text.replace(old, new)
        with tempfile.NamedTemporaryFile("w", suffix=".pv") as file:
            file.write(text)
            file.flush()
            verdicts, trouble = prove(prover, file.name, 120)
        if len(verdicts) == len(notes):
            fallen = [note.name for note, verdict in zip(notes, verdicts) if note.says == "yes" and verdict != "true"]
            standing.setdefault(model, {note.name for note in notes if note.says == "yes"}).difference_update(fallen)
            good, what = claim in fallen, ", ".join(fallen) or "nothing"
        else:
            good, what = trouble.startswith("no answer"), "not finished, hence not proved" if trouble.startswith("no answer") else trouble
        passed, failed = passed + good, failed + (not good)
        print("%s %s without %s: %s" % ("ok  " if good else "FAIL", model, part, what), flush=True)
    for model, claims in standing.items():
        if claims:
            print("no mutant of %s breaks %s" % (model, ", ".join(sorted(claims))))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
