"""What a run printed stands on a page as a terminal shows it, and as text, wherever it goes."""

import html
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup

from recorder.recording import Line
from render import blocks, requests, results, site
from render.build import build
from render.measured import Figures
from render.runs import PageError, Run
from render.screen import terminal_line
from tests.recordings import MACHINE, recording

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


FOREIGN = "<b>&amp;"
SAFE = html.escape(FOREIGN)
SHOWN = {
    "console": lambda _: blocks.console("x"),
    "last line": blocks.telling_line,
    "start methods": lambda _: blocks.start_method_table("x"),
    "stacks": lambda _: blocks.stuck("x").partition("<details")[2],
    "symptoms": lambda one: " ".join(site.words_on_screen(one)),
    "runs": lambda _: str([*site.run_rows(Run("x", "x.py"))]),
    "figure": lambda one: Figures(one).Error,
    "results": lambda _: results.html_table("", ["a"], {FOREIGN: ["1"]}, ""),
    "program": lambda _: blocks.program("programs/x.py"),
    "difference": lambda _: blocks.changes("x.py", "y.py"),
    "failure": lambda _: requests.answer(f"'{FOREIGN}'.x", {}),
}


@pytest.mark.parametrize("place", SHOWN)
def test_foreign_text_is_escaped_once(monkeypatch, place):
    ran = recording(
        arguments=(FOREIGN,),
        lines=(Line(0.5, f"Error: {FOREIGN}"),),
        ended="hang",
        evidence="kernel",
    )
    stuck = replace(ran.processes[0], stack=(f"in {FOREIGN}",))
    ran = replace(ran, processes=(stuck, *ran.processes[1:]))
    monkeypatch.setattr(build, "recordings", lambda _: [ran])
    monkeypatch.setattr(build, "fail", str)
    monkeypatch.setattr(blocks, "read_program", lambda name: f"# {FOREIGN} {name}\n")
    shown = SHOWN[place](ran).replace("<wbr>", "")
    assert SAFE in shown and FOREIGN not in shown and html.escape(SAFE) not in shown


def test_the_lines_that_matter_are_lit_and_no_others():
    shown = BeautifulSoup(
        blocks.program("programs/queue_totals.py", "worker.join"), "html.parser"
    )
    lit = [line.get_text() for line in shown.select(".lit")]
    assert lit and all("worker.join" in line for line in lit)
    with pytest.raises(PageError, match=r"light with worker\.joyn"):
        blocks.program("programs/queue_totals.py", "worker.joyn")


def test_of_a_traced_run_no_figure_is_told(monkeypatch):
    monkeypatch.setattr(build, "recordings", lambda _: [recording()])
    with pytest.raises(PageError, match="in_order_trace is traced"):
        _ = requests.Names()["in_order_trace"]


def test_what_is_said_of_a_run_is_said_of_it(monkeypatch):
    machine = replace(MACHINE, cores=7)
    ran = recording(wall=1.5, cpu=0.25, peak_memory=3 * 2**20, machine=machine)
    ran = replace(ran, start_method="spawn")
    monkeypatch.setattr(build, "recordings", lambda _: [ran])
    figures = Figures(ran)
    cells = [figures.wall, figures.cpu, figures.peak_memory]
    values = [cell.partition('value="')[2].partition('"')[0] for cell in cells]
    assert values == ["1.50 s", "0.25 s", "3 MiB"]
    assert [list(row[2:5]) for row in site.run_rows(Run("x", "x.py"))] == [cells]
    assert "Recorded 2026-01-02 03:04 UTC on 7 cores" in blocks.caption("x")
    assert blocks.caption("x").endswith("<code>spawn</code>.</p>")
