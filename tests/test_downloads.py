"""What the site offers beside its pages: the programs, the text for machines, the site as a zip."""

import io
import re
import zipfile

import downloads
from render import blocks
from render.runs import EXAMPLES
from tests.recordings import recording


def names(archive):
    return [entry.filename for entry in archive.infolist()]


def test_the_zip_of_the_programs_is_the_files(project):
    with zipfile.ZipFile(project / "site/programs/programs.zip") as archive:
        assert archive.testzip() is None and "programs/queue_totals.py" in names(archive)
        for name in names(archive):
            file = project / "examples" / name.removeprefix("programs/")
            assert archive.read(name) == file.read_bytes()
            assert (project / "site" / name).read_bytes() == file.read_bytes()


def test_a_zip_is_the_same_for_the_same_content():
    content = {"a.py": b"print(1)\n", "b/c.py": b"\xc3\xa9\r\n"}
    first = downloads.make_zip(content, "programs", zipfile.ZIP_STORED)
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert first == downloads.make_zip(content, "programs", zipfile.ZIP_STORED)


def test_the_zip_of_the_site_is_the_site(project):
    with zipfile.ZipFile(project / "site" / downloads.OFFLINE) as archive:
        found = set(names(archive))
        there = {
            file.relative_to(project / "site") for file in (project / "site").rglob("*.*")
        }
        missing = {file for file in there if f"between-processes/{file}" not in found}
        assert all(
            file.suffix in (".map", ".gz", ".zip") or "lunr" in file.parts for file in missing
        )
        for name in found:
            file = project / "site" / name.removeprefix("between-processes/")
            assert archive.read(name) == file.read_bytes()


def test_machines_read_what_people_read(project):
    text = (project / "site/llms-full.txt").read_text(encoding="utf-8")
    for markup in ('exec="on"', "--8<--", "#!figure", "<svg", "{ .", "{ download", "¶"):
        assert markup not in text, markup
    assert not re.search("^ *:::", text, re.MULTILINE)
    assert "Total: 500,000\n" in text
    listed = (project / "site/llms.txt").read_text(encoding="utf-8")
    assert "(queue.md)" in listed and (project / "site/queue.md").is_file()


def test_machines_read_every_program_that_a_page_shows(project):
    text = (project / "site/llms-full.txt").read_text(encoding="utf-8")
    shown = 0
    for file in EXAMPLES.rglob("[!_]*.py"):
        pages = [p for p in (project / "docs").rglob("*.md") if "programs" not in p.parts]
        name = file.relative_to(EXAMPLES).as_posix()
        if any(f"programs/{name}\n" in page.read_text(encoding="utf-8") for page in pages):
            assert file.read_text(encoding="utf-8") in text, name
            shown += 1
    assert shown > 50


def test_code_ends_no_fence_and_a_picture_is_told():
    page = """<article><h1>A title<a class="headerlink" href="#x">¶</a></h1>
    <button>Copy</button><div class="language-console highlight"><pre><code>$ x
````
--8&lt;-- "y"
</code></pre></div><div><svg class="bp-picture" aria-label="Timeline"><desc>It ran.</desc><svg></svg></svg></div></article>"""
    text = downloads.as_markdown(page)
    assert text.startswith("# A title\n") and "Copy" not in text
    assert '`````console\n$ x\n````\n--8<-- "y"\n`````\n' in text
    assert "Picture: Timeline: It ran." in text


def test_a_row_that_heads_a_group_is_no_second_head_of_its_table():
    head = "<thead><tr><th>Program</th><th>Time</th></tr></thead>"
    group = '<tbody><tr><th colspan="2" scope="rowgroup">A page</th></tr>'
    page = f"<article><table>{head}{group}<tr><td>x.py</td><td>1 s</td></tr></tbody></table></article>"
    lines = downloads.as_markdown(page).splitlines()
    assert [line for line in lines if "---" in line] == [lines[1]]
    assert lines[2].startswith("| A page |")


def test_a_drawing_is_told_before_its_caption():
    figure = (
        '<svg class="bp-picture" aria-label="A"><desc>B.</desc><svg></svg><text>t</text></svg>'
    )
    page = f"<article><figure>{figure}<figcaption>C.</figcaption></figure></article>"
    assert downloads.as_markdown(page).startswith("Picture: A: B.\n\nC.")


def test_a_picture_is_told_whatever_frame_it_stands_in():
    """A picture of messages can be scrolled: behind it stands no end of a frame."""
    picture = '<svg aria-label="A"><desc>B.</desc><text>t</text></svg>'
    page = f"<article><div>{picture}<p>C.</p></div></article>"
    assert downloads.as_markdown(page).startswith("Picture: A: B.\n\nC.")


def test_of_two_pictures_under_one_legend_both_are_told(monkeypatch):
    runs = {"x_broken": recording(ended="hang", evidence="kernel"), "x_fixed": recording()}
    monkeypatch.setattr(blocks, "recording_of", runs.get)
    text = downloads.as_markdown(f"<article>{blocks.pair('x')}</article>")
    assert text.startswith("broken **hangs for ever**")
    assert text.count("Picture: Timeline of python hello.py") == 2
    assert "fixed **" in text and "ran waited" not in text
