#!/usr/bin/env python3
"""What holds for every document of the project, whatever it says.

usage: check.py PATH-OF-SEALMQ [DOCUMENT.md...]

- Every fenced block says what it is, and every command in a document is run by follow.py or says why it is not.
- Links, paths, options and settings exist. No placeholder is left.
- Prose has at most 100 columns and sentences at most 25 words; a table is as wide as it has to be, and so is what a program prints.

Without documents: all, and it counts what is not run.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import markdown  # noqa: E402

COLUMNS = 100
WORDS = 25
LEFT_OUT = {"build", "node_modules", ".git", ".cache"}

# The first word of a line that somebody is to type.
COMMANDS = {"sealmq", "./dev", "cmake", "ctest", "mosquitto", "mosquitto_sub", "mosquitto_pub", "python3", "openssl", "systemctl", "curl",
            "apt-get", "sudo", "doctor_view", "patient_monitor", "hostile_broker.py", "cd", "npm", "node", "pkg-config", "g++", "dpkg"}
OURS = {"sealmq", "pub", "sub", "broker", "identity", "key", "authority", "card", "doctor", "bench", "demo"}
LANGUAGES = {"console", "toml", "text", "cpp", "python", "json", "ini", "cmake", "yaml"}  # text: nothing to type, nothing to compile
QUOTED = {"cpp", "python", "cmake", "ini", "yaml", "json"}
TOP_FOLDERS = {"bench", "cmake", "docs", "examples", "include", "models", "packaging", "schemes", "src", "tests", "tools"}
SOURCES = (".cpp", ".h", ".md", ".py", ".mjs", ".pv")
ABBREVIATIONS = r"\b(?:e\.g|i\.e|etc|vs|cf|[A-Z])\.$"


class Checker:
    def __init__(self, program):
        self.findings = []
        self.not_run = []
        self.files = [path for path in SOURCE.rglob("*") if not LEFT_OUT & set(path.relative_to(SOURCE).parts) and path.is_file()]
        self.names = {path.name for path in self.files}
        self.options = options_of(program)
        self.settings = settings_of(program)

    def say(self, line, what):
        self.findings.append(f"{self.path.relative_to(SOURCE)}:{line}: {what}")

    def check(self, path):
        self.path = path
        text = path.read_text(encoding="utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            if found := re.search(r"@[A-Z]+@", line):
                self.say(number, f"a placeholder is left: {found[0]}")
        if path.name == "CHANGELOG.md":
            return  # one line for each change, about options and files as they were then
        about = {}
        for part in markdown.parts(text):
            if isinstance(part, markdown.Comment):
                word, _, rest = part.text.partition(":")
                about[word.split("\n")[0]] = rest.strip()
            elif isinstance(part, markdown.Block):
                self.block(part, about)
                about = {}
            else:
                self.prose(part)

    # Blocks --------------------------------------------------------------------------------------------------------------

    def block(self, block, about):
        typed = [re.sub(r"^(\$ +)?([A-Z_]+=\S* )*", "", line) for line in block.lines]
        first_words = [line.split()[0] for line in typed if line.strip()]
        looks_typed = any(line.startswith("$ ") for line in block.lines) or any(word in COMMANDS for word in first_words)
        if "not run" in about:
            if len(about["not run"].split()) < 2:
                self.say(block.line, "why is it not run?")
            self.not_run.append(f"{self.path.relative_to(SOURCE)}:{block.line}: {about['not run']}")
        elif block.language == "indented":
            if looks_typed:
                self.say(block.line, "a command in an indented block is not run: fence it as ```console")
        elif block.language not in LANGUAGES:
            self.say(block.line, f"a block of {block.language or 'what?'}: one of {' '.join(sorted(LANGUAGES))}")
        elif block.language == "console" and not looks_typed and "terminal" not in about:
            self.say(block.line, "no command in it: is it text?")
        elif block.language == "text" and looks_typed:
            self.say(block.line, "a command that is not run: ```console, or <!-- not run: REASON -->")
        elif block.language in QUOTED and not {"from", "file", "more of"} & set(about):
            self.say(block.line, "where is it from? <!-- from: PATH -->, or <!-- not run: REASON -->")
        if block.language in ("console", "indented", "toml"):
            for number, line in enumerate(block.lines, block.line + 1):
                if line.startswith("$ ") or (block.language == "console" and line.startswith("    ")):
                    if len(line) > COLUMNS:
                        self.say(number, f"{len(line)} columns: go on in another line with \\")
                if line.removeprefix("$ ").startswith("sealmq "):
                    self.options_exist(number, line)

    # Prose ---------------------------------------------------------------------------------------------------------------

    def prose(self, prose):
        for number, line in enumerate(prose.lines, prose.line):
            if len(line) > COLUMNS and not prose.is_table and not re.fullmatch(r"\S+|\[[^]]*\]\(\S+\)\S?", line.strip()):
                self.say(number, f"{len(line)} columns")
            for target in re.findall(r"\]\(([^)\s]+)\)", line):
                self.link_leads_somewhere(number, target)
            for code in re.findall(r"`([^`]+)`", line):
                self.code(number, code)
        text = " ".join(line.strip() for line in prose.lines)
        text = text.replace("\\|", "/").replace("||", "//")
        cells = text.strip("|").split("|") if prose.is_table else [text]
        for cell in cells:
            if prose.is_table and self.path.parent.parent.name == "models":
                break  # made from the models
            for sentence in sentences(cell):
                is_bytes = "//" in sentence or "‖" in sentence
                if words(sentence) > WORDS and not is_bytes:
                    self.say(prose.line, f"{words(sentence)} words: {sentence[:90]}")

    def link_leads_somewhere(self, number, target):
        if re.match(r"[a-z]+:", target):
            return
        file, _, anchor = target.partition("#")
        path = (self.path.parent / file).resolve() if file else self.path
        if not path.exists():
            self.say(number, f"no such file: {target}")
        elif anchor and anchor not in anchors(path):
            self.say(number, f"no such heading: {target}")

    def code(self, number, code):
        for path in re.findall(r"(?<![\w./<*-])[\w.@-]+(?:/[\w.@*-]+)+/?|(?<![*\w-])[\w@-]+\.\w+\b", code):
            if path.split("/")[0] in TOP_FOLDERS and "/" in path:
                if not list(SOURCE.glob(path.rstrip("/"))):
                    self.say(number, f"no such file: {path}")
            elif path.endswith(SOURCES) and not path.startswith("NAME") and path not in self.names and "/" not in path:
                self.say(number, f"no file of the project: {path}")
        if code.split()[0] in OURS or code.startswith("--"):
            self.options_exist(number, code)
        if found := re.match(r"([a-z_]+\.)?([a-z]+_[a-z_]+)( = |$)", code):
            if found[3] and found[2] not in self.settings and (found[1] or "") + found[2] not in self.settings:
                self.say(number, f"no such setting: {code}")

    def options_exist(self, number, text):
        for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", re.sub(r"'[^']*'", "", text.split(" | ")[0].split(" # ")[0])):
            if option not in self.options:
                self.say(number, f"no such option: {option}")


def sentences(text):
    """Splits prose where a sentence ends; what stands between backquotes is one word."""
    text = re.sub(r"`[^`]*`", "CODE", re.sub(r"\]\([^)]*\)", "]", text))
    text = re.sub(r"<br>", ". ", text)
    text = re.sub(r"^\s*(?:[-*]|\d+\.|#+) ", "", text)
    found, begin = [], 0
    for end in re.finditer(r"[.!?:][\"')*]*(?=\s|$)|\s[·–]\s", text):
        if end[0] == "." and re.search(ABBREVIATIONS, text[:end.end()]):
            continue
        found.append(text[begin:end.end()].strip())
        begin = end.end()
    return [sentence for sentence in [*found, text[begin:].strip()] if sentence]


def words(sentence):
    return sum(1 for word in sentence.split() if re.search(r"\w", word))


def anchors(path):
    found = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"#+ (.*)", line):
            found.add(re.sub(r"[^\w\- ]", "", heading[1].lower()).replace(" ", "-"))
    return found


def printed_by(*words_of_command):
    return subprocess.run(words_of_command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60).stdout


def options_of(program):
    """All that any help names, and the options of the project's own scripts."""
    commands = [json.loads(line) for line in printed_by(program, "help", "--json").splitlines()]
    texts = [name for command in commands for option in command["options"] for name in option["names"]]
    for folder in "bench", "examples", "models", "tools":
        for path in (SOURCE / folder).rglob("*"):
            if path.is_file() and path.stat().st_size < 100000:
                texts += re.findall(r"(--[a-z-]+)[\"')]", path.read_text(encoding="utf-8", errors="replace"))
    return set(re.findall(r"--[a-z][a-z0-9-]*", " ".join(texts))) | {"--help", "--help-all"}


def settings_of(program):
    text = printed_by(program, "broker", "--help-settings") + printed_by(program, "broker", "--help")
    names = set(re.findall(r"[a-z][a-z_]*(?:\.[a-z][a-z_]*)?", text))
    return names | {name.rpartition(".")[2] for name in names}


def documents():
    for folder, folders, files in os.walk(SOURCE):
        folders[:] = sorted(set(folders) - LEFT_OUT)
        for name in sorted(files):
            if name.endswith(".md"):
                yield pathlib.Path(folder) / name


def main(program, *paths):
    checker = Checker(program)
    for path in [pathlib.Path(path).resolve() for path in paths] or documents():
        checker.check(path)
    print("\n".join(checker.findings), file=sys.stderr)
    if not paths:
        print(f"{len(checker.not_run)} blocks are not run:", *checker.not_run, sep="\n  ")
    return 1 if checker.findings else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
