"""What the site offers beside its pages: the programs, the text for machines, the site as a zip."""

import io
import os
import shutil
import zipfile

import downloads
from recorder.store import EXAMPLES
from tests.test_site import SHOWN


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
    first = downloads.packed(content, "programs", zipfile.ZIP_STORED)
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert first == downloads.packed(content, "programs", zipfile.ZIP_STORED)


def test_the_zip_of_the_site_is_the_site(project):
    with zipfile.ZipFile(project / "site" / downloads.OFFLINE) as archive:
        found = set(names(archive))
        assert {f"between-processes/{name}" for name in ("index.html", "style.css")} <= found
        for name in found:
            file = project / "site" / name.removeprefix("between-processes/")
            assert archive.read(name) == file.read_bytes()


def test_machines_read_the_outputs(project):
    text = (project / "site/llms-full.txt").read_text(encoding="utf-8")
    assert 'exec="on"' not in text and "<svg" not in text and not SHOWN.search(text)
    assert "Total: 5,000,000\n" in text
    assert (EXAMPLES / "queue_totals.py").read_text(encoding="utf-8") in text
    listed = (project / "site/llms.txt").read_text(encoding="utf-8")
    assert "(queue.md)" in listed and (project / "site/queue.md").is_file()


def test_what_is_made_below_docs_follows_the_programs(tmp_path, monkeypatch):
    examples, made = tmp_path / "examples", tmp_path / "programs"
    shutil.copytree(EXAMPLES, examples)
    monkeypatch.setattr(downloads, "EXAMPLES", examples)
    monkeypatch.setattr(downloads, "PROGRAMS", made)
    downloads.before()
    before = os.stat(made / "programs.zip")
    downloads.before()
    assert os.stat(made / "programs.zip") == before, "nothing changed, nothing written"
    (examples / "pipe_totals.py").unlink()
    downloads.before()
    assert not (made / "pipe_totals.py").exists() and (made / "queue_totals.py").exists()
