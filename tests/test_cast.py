"""The drawings of render/cast.toml: their names are their programs', and their words find room."""

import copy
import re

import pytest

from render import cast, signs
from render.runs import EXAMPLES, ROOT, PageError
from tests.pictures import Picture

NAMES = list(cast.descriptions())
FAULTS = [name for name in NAMES if cast.descriptions()[name]["program"].startswith("faults/")]


def picture(name):
    found = Picture(re.search(r"<svg.*</svg>", cast.figure_of(name))[0])
    for pixels in (288, 340, 480, 760):
        found.check_words_at(pixels)
    return found


def words(drawn):
    return [one.text for group in drawn.root.findall("g") for one in group.findall("text")]


@pytest.fixture
def description(monkeypatch):
    """Change a copy of a description, and draw that."""
    told = copy.deepcopy(cast.descriptions())
    monkeypatch.setattr(cast, "descriptions", lambda: told)
    return told


@pytest.fixture
def program(monkeypatch, tmp_path, description):
    """Change a program of a drawing, and draw that."""

    def change(name, old, new):
        file = EXAMPLES / description[name]["program"]
        assert old in file.read_text()
        (tmp_path / "changed.py").write_text(file.read_text().replace(old, new))
        description[name]["program"] = "changed.py"
        return name

    monkeypatch.setattr(cast, "EXAMPLES", tmp_path)
    return change


@pytest.mark.parametrize("name", NAMES)
def test_each_drawing_is_small_and_its_words_find_room(name):
    text = cast.figure_of(name)
    assert len(text.encode()) <= 4_000
    sizes = [float(one.get("font-size", 13)) for one in picture(name).root.iter()]
    assert all(12 <= size <= 14 for size in sizes)
    assert "`" not in text


@pytest.mark.parametrize("name", NAMES)
def test_each_drawing_stands_on_a_page(name):
    asked = re.compile(rf'^drawing\(.*"{name}".*\)$', re.MULTILINE)
    assert any(asked.search(page.read_text()) for page in (ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("name", NAMES)
def test_the_colour_of_trouble_is_for_what_is_broken_only(name):
    troubled = {part.get("fill") for part in picture(name).root} | {
        part.get("stroke") for part in picture(name).root.iter()
    }
    assert (signs.TROUBLE in troubled) == (name in FAULTS)
    assert ("Broken: " in picture(name).description) == (name in FAULTS)


@pytest.mark.parametrize(
    ("name", "old"),
    [
        ("one_worker", "results.put"),
        ("one_worker", "count_up"),
        ("join_before_get", ".join"),
        ("one_to_many", '"camera"'),
        ("fork_with_threads", "hold"),
        ("many_pipes", "sender.send"),
    ],
)
def test_a_name_that_the_program_has_not_stops_the_build(program, name, old):
    new = '"other"' if old.startswith('"') else f"{old}_else"
    with pytest.raises(
        PageError, match=rf"cast\.toml, {name}: .*changed\.py (has no|does not say)"
    ):
        cast.drawing(program(name, old, new))


def test_there_are_as_many_workers_as_the_program_has(program, description):
    name = program("shared_pipe_end", "WORKERS = 4", "WORKERS = 3")
    workers = [word for word in words(picture(name)) if word.startswith("worker")]
    assert workers == ["worker 1", "worker 2", "worker 3"]


def test_the_number_of_workers_may_be_what_main_takes_by_default():
    assert cast.Program("recipes/request_reply.py").count("workers") == 3


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("colour", "red", "what is colour"),
        ("program", "nowhere.py", "no program examples/nowhere.py"),
        ("way", {"kind": "telepathy"}, "telepathy"),
        ("way", {"kind": "queue", "colour": 1}, "colour"),
        ("left", [{"name": "ghost"}], "nobody of the cast"),
        ("left", [{"name": "worker", "many": "range(7)"}], r"has no range\(7\)"),
        ("left", [{"name": "worker", "lines": ["a very long line of words"]}], "too wide"),
    ],
)
def test_what_is_wrong_with_a_description_is_said(description, key, value, says):
    description["five_workers"][key] = value
    with pytest.raises(PageError, match=says):
        cast.drawing("five_workers")


def test_an_unknown_drawing_is_a_page_error():
    with pytest.raises(PageError, match="no drawing named 'nobody'"):
        cast.drawing("nobody")


def test_the_caption_is_html_with_code_and_drawings_stand_beside_each_other():
    html = cast.drawing("queue", "simple_queue")
    assert html.count("<figure>") == 2
    assert "<code>simple.put()</code> writes by itself" in html
