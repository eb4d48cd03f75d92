"""What `python -m recorder run` prints of a run, and the picture that it writes."""

import re
import xml.etree.ElementTree as ET

import pytest

from recorder.recording import Line
from render import terminal
from tests.recordings import recording
from tests.test_timeline import hung

ESCAPE = re.compile(r"\x1b\[\d+m")


def test_a_hang_is_told_with_its_ring_and_its_pipe():
    lines = terminal.describe(hung()).splitlines()
    text = " ".join(lines)
    assert "hung (kernel), ended by the recorder after 2.00 s" in text
    assert "Who waits for whom: The parent waits in join(), line 25" in text
    assert "which is full: 1,000 of 1,000 bytes." in text
    assert (
        lines[-1]
        == "pipe: up to 1,000 of 1,000 bytes, could be read by the parent and the worker, written by the worker"
    )


@pytest.mark.parametrize("colour", [True, False])
def test_colours_where_they_are_wanted(colour):
    run = recording(status=1, lines=(Line(0.5, "hello"),))
    text = terminal.describe(run, colour)
    assert bool(ESCAPE.search(text)) == colour
    assert ESCAPE.sub("", text) == terminal.describe(run)
    assert ("\x1b[31mexit status 1\x1b[0m" in text) == colour


def test_the_picture_is_a_file_of_its_own():
    root = ET.fromstring(terminal.picture(hung()))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    (inner,) = root
    assert float(inner.get("width")) + float(inner.get("x")) < float(root.get("width"))
    assert float(inner.get("height")) < float(root.get("height"))
    assert "padding" not in inner.get("style", "")
