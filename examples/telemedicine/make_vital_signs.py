#!/usr/bin/env python3
"""Makes vital_signs.csv: ten minutes of a patient who climbs a flight of stairs, a row a second. Nobody was measured for it.

usage: make_vital_signs.py [FILE]      with FILE - to standard output; the file in this folder is what it writes
"""
import math
import random
import sys

SECONDS = 600
CLIMBS_AT, CLIMBS_FOR = 180, 45  # seconds


def effort(second):
    """0 at rest, up to 1 on the stairs, and slowly back."""
    if second < CLIMBS_AT:
        return 0.0
    if second < CLIMBS_AT + CLIMBS_FOR:
        return 1 - math.exp(-(second - CLIMBS_AT) / 15)
    return (1 - math.exp(-CLIMBS_FOR / 15)) * math.exp(-(second - CLIMBS_AT - CLIMBS_FOR) / 70)


def rows(chance):
    yield "second,pulse,oxygen,breaths,temperature"
    drift = 0.0
    for second in range(SECONDS):
        drift = 0.95 * drift + chance.gauss(0, 0.5)
        breathing = math.sin(second * 2 * math.pi / 4.3)  # the pulse follows the breath
        pulse = 68 + 52 * effort(second) + 2 * breathing + drift
        oxygen = 98 - 4 * effort(second - 12) + chance.gauss(0, 0.3)
        breaths = 14 + 12 * effort(second - 4) + chance.gauss(0, 0.4)
        temperature = 36.7 + 0.2 * effort(second - 60) + chance.gauss(0, 0.02)
        yield f"{second},{pulse:.0f},{min(oxygen, 100):.0f},{breaths:.0f},{temperature:.1f}"


def main(arguments):
    text = "\n".join(rows(random.Random(1))) + "\n"
    if arguments == ["-"]:
        sys.stdout.write(text)
        return
    with open(arguments[0] if arguments else "vital_signs.csv", "w", encoding="ascii") as file:
        file.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
