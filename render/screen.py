"""What a terminal shows of a line of output in the end: pages know outputs in no other form."""

import re
from unicodedata import category, east_asian_width

# What moves within the line or erases some of it; what only colours or names something; the rest.
PARTS = re.compile(
    r"\x1b\[(?P<number>\d{0,3})(?P<kind>[CDGK])"
    r"|\x1b(?:\[[?\d;:]*[hlm]|\][^\x07\x1b]*(?:\x07|\x1b\\)|\(B)"
    r"|(?P<letter>.)",
    re.DOTALL,
)
PICTURES = {chr(code): chr(0x2400 + code) for code in range(32)} | {"\x7f": "\u2421"}
REORDERING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def terminal_line(text: str) -> str:
    """The line as it stands on a terminal: no colours, tabs as columns, `\\r` goes back.

    What no terminal shows stays visible, and so does what would reorder the text of the page: a
    control character as its picture, others as the recorder writes bytes that are no text.
    """
    if text.isprintable():
        return text
    cells: list[str] = []
    at = 0
    for part in PARTS.finditer(text.replace("\r", "\x1b[G").replace("\b", "\x1b[D")):
        kind, letter, number = part["kind"], part["letter"], int(part["number"] or 0)
        if kind == "G":
            at = max(number - 1, 0)
        elif kind == "K" and number == 1:
            cells[: at + 1] = " " * min(at + 1, len(cells))
        elif kind == "K":
            del cells[0 if number else at :]
        elif kind:
            at = max(at + max(number, 1) * (1 if kind == "C" else -1), 0)
        elif letter == "\t":
            at = at // 8 * 8 + 8
        elif letter:
            at = put(cells, at, letter)
    return "".join(cells)


def put(cells: list[str], at: int, letter: str) -> int:
    """Write a letter into its cell; return the next one. A wide letter leaves its second cell empty."""
    if category(letter) in ("Mn", "Me"):  # it belongs to the letter before
        cells += " " * (at - len(cells))
        if at:
            cells[at - 1 - (not cells[at - 1])] += letter
        return at
    end = at + 1 + (east_asian_width(letter) in "WF")
    cells += " " * (end - len(cells))
    if not cells[at]:  # of a wide letter half is overwritten
        cells[at - 1] = " "
    if cells[end : end + 1] == [""]:
        cells[end] = " "
    if category(letter) in ("Cc", "Zl", "Zp") or letter in REORDERING:
        letter = PICTURES.get(letter) or ascii(letter)[1:-1]
    cells[at:end] = [letter, ""][: end - at]
    return end
