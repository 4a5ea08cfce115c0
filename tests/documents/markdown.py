"""What a Markdown file of this project consists of: parts(text) yields them in their order."""
import re
from dataclasses import dataclass, field


@dataclass
class Comment:
    """<!-- TEXT -->, at the beginning of a line."""
    line: int
    text: str


@dataclass
class Block:
    """Fenced, or indented by four blanks: then its language is "indented"."""
    line: int
    language: str
    lines: list = field(default_factory=list)


@dataclass
class Prose:
    """A paragraph, an item of a list or a heading; or one row of a table."""
    line: int
    lines: list
    is_table: bool = False


def parts(text):
    lines = text.splitlines()
    at = 0
    after_blank = True
    in_list = False
    while at < len(lines):
        line = lines[at]
        begin = at + 1
        if line.startswith("<!--"):
            inside = []
            while True:
                inside.append(lines[at])
                at += 1
                if "-->" in inside[-1] or at == len(lines):
                    break
            yield Comment(begin, "\n".join(inside)[len("<!--"):].split("-->")[0].strip())
            after_blank = True
        elif fence := re.match(r"\s*(```+)\s*(\S*)", line):
            block = Block(begin, fence[2])
            at += 1
            while at < len(lines) and not lines[at].strip().startswith(fence[1]):
                block.lines.append(lines[at])
                at += 1
            at += 1
            yield block
            after_blank = True
        elif line.startswith("    ") and after_blank and not in_list:
            block = Block(begin, "indented")
            while at < len(lines) and (lines[at].startswith("    ") or not lines[at].strip()):
                block.lines.append(lines[at][4:])
                at += 1
            while not block.lines[-1].strip():
                block.lines.pop()
                at -= 1
            yield block
        elif line.startswith("|"):
            yield Prose(begin, [line], is_table=True)
            at += 1
            after_blank = False
        elif not line.strip():
            after_blank = True
            at += 1
        else:
            item = re.match(r"\s*([-*]|\d+\.) ", line) is not None
            in_list = item or (in_list and line.startswith("  "))
            prose = Prose(begin, [line])
            at += 1
            while not line.startswith("#") and at < len(lines) and lines[at].strip() and not re.match(
                    r"\s*([-*]|\d+\.) |\||\s*```|<!--|#+ ", lines[at]):
                prose.lines.append(lines[at])
                at += 1
            yield prose
            after_blank = False
