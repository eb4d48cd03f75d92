"""A line of output is shown as a terminal shows it in the end, and nothing in it is lost or hidden."""

import pytest

from render.screen import terminal_line

LINES = {
    "plain ünï ✅": "plain ünï ✅",
    "  0 %\r 50 %\r100 %": "100 %",
    "downloading\r\x1b[Kdone": "done",
    "downloading\x1b[2K\rdone": "done",
    "ten of ten\x1b[3Gx\x1b[1K": "    of ten",
    "ab\x1b[D\x1b[2Cc\x1b[G\x1b[0J": "␛[0J",
    "abc\b\b12": "a12",
    "a\tb\r\tc": "a       c",
    "\x1b[1;31mred\x1b[0m \x1b]8;;http://e.com\x1b\\link\x1b]8;;\x07\x1b(B": "red link",
    "\0 \x07 \x1b \x7f \x0b \x1b[1A": "␀ ␇ ␛ ␡ ␋ ␛[1A",
    "\x85 \x9b1m \u2028 \u202eabc": r"\x85 \x9b1m \u2028 \u202eabc",
    "你好\rX": "X 好",
    "你好\x1b[2G.": " .好",
    "e\u0301a\r\u0301b": "ba",
    "\x1b[999999999Cx": "␛[999999999Cx",
}


@pytest.mark.parametrize("text", LINES)
def test_what_a_terminal_shows(text):
    assert terminal_line(text) == LINES[text]
