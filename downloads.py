"""Makes what the site offers beside its pages.

Before a build: each program as a file, all of them as a zip, and the picture that goes with a link to
the site, below `docs/`. After it: each page's Markdown with the outputs in it, and the site as a zip.
MkDocs calls it through hooks.py; Zensical ignores hooks, so there it is `python downloads.py` before,
and `python downloads.py site` after.
"""

import contextlib
import io
import os
import re
import sys
import zipfile
from pathlib import Path

from recorder.pages import BLOCK

ROOT = Path(__file__).parent
DOCS, EXAMPLES = ROOT / "docs", ROOT / "examples"
PROGRAMS, CARD, MARK = (
    DOCS / "programs",
    DOCS / "assets/card.png",
    ROOT / "overrides/assets/mark.svg",
)
OFFLINE = "between-processes.zip"


def before() -> None:
    """Put what the pages link to below `docs/`, and take away what is no longer there."""
    found = {
        file.relative_to(EXAMPLES).as_posix(): file.read_bytes()
        for file in sorted(EXAMPLES.rglob("[!_]*.py"))
    }
    files = found | {"programs.zip": packed(found, "programs", zipfile.ZIP_STORED)}
    for name, content in files.items():
        put(PROGRAMS / name, content)
    for file in PROGRAMS.rglob("*.*"):
        if file.relative_to(PROGRAMS).as_posix() not in files:
            file.unlink(missing_ok=True)
    made_from = max(MARK.stat().st_mtime, Path(__file__).stat().st_mtime)
    if not CARD.exists() or CARD.stat().st_mtime < made_from:
        put(CARD, card())


def card() -> bytes:
    """The picture that is shown with a link to the site: the mark, and what the site is about."""
    import vl_convert

    mark = MARK.read_text(encoding="utf-8").replace(
        "<svg ", '<svg x="80" y="165" width="300" height="300" '
    )
    drawn = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1200 630" width="1200" height="630">
      <rect width="1200" height="630" fill="#fdfcf9"/>{mark}
      <g fill="#1e2a33" font-family="Charter, Bitstream Charter, Cambria, Liberation Serif, serif">
        <text x="450" y="275" font-size="88" font-weight="700">Between</text>
        <text x="450" y="370" font-size="88" font-weight="700">Processes</text>
        <text x="452" y="445" font-size="37" fill="#55626c">Queue and Pipe in Python, by programs that ran</text>
      </g></svg>"""
    return bytes(vl_convert.svg_to_png(drawn))


def after(site: Path) -> None:
    """Add the text for machines and the zip to a site that was just built."""
    listed, texts = "", []
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for name in re.findall(r"^ +- .*?(\S+\.md)$", config, re.MULTILINE):
        source = (DOCS / name).read_text(encoding="utf-8")
        texts.append(text := told(source))
        put(site / name, text.encode())
        about = re.search(r'^description: *"?(.+?)"?$', source, re.MULTILINE)
        title = re.search(r"^# (.+)", text, re.MULTILINE)
        listed += f"- [{title[1] if title else name}]({name}): {about[1] if about else ''}\n"
    named = re.findall(r"^site_(?:name|description): (.+)", config, re.MULTILINE)
    head = "# {}\n\n> {}\n\n".format(*named)
    put(
        site / "llms.txt",
        f"{head}All in one file: [llms-full.txt](llms-full.txt)\n\n## Pages\n\n{listed}".encode(),
    )
    put(site / "llms-full.txt", "\n".join([head, *texts]).encode())
    content = {
        file.relative_to(site).as_posix(): file.read_bytes()
        for file in sorted(site.rglob("*.*"))
        if file.is_file() and file.name != OFFLINE
        if file.suffix not in (".map", ".gz") and "lunr" not in file.parts
    }
    put(site / OFFLINE, packed(content, "between-processes", zipfile.ZIP_DEFLATED))


def told(source: str) -> str:
    """A page's Markdown with what its blocks printed and the programs it shows, and its pictures in words."""

    def printed(block: re.Match[str]) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(block[1], {"__name__": "__page__"})
        return output.getvalue()

    text = re.sub(r"\A---\n.*?\n---\n+", "", source, flags=re.DOTALL)
    text = BLOCK.sub(printed, text)
    text = re.sub(
        r'^--8<-- "(.+)"\n',
        lambda found: (EXAMPLES / found[1]).read_text("utf-8"),
        text,
        flags=re.MULTILINE,
    )
    picture = r'<svg[^>]*aria-label="([^"]*)".*?<desc>(.*?)</desc>.*?</svg>'
    text = re.sub(picture, r"Picture: \1: \2", text, flags=re.DOTALL)
    return re.sub(r"</?(?:data|q|div|figure|figcaption)\b.*?>", "", text)


def packed(content: dict[str, bytes], folder: str, method: int) -> bytes:
    """A zip that is the same for the same content, whenever and wherever it is made."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in content.items():
            entry = zipfile.ZipInfo(f"{folder}/{name}")  # with the date of 1980
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, method)
    return file.getvalue()


def put(file: Path, content: bytes) -> None:
    """Write a file whole, and only when it changes: `mkdocs serve` watches what is below `docs/`."""
    if file.is_file() and file.read_bytes() == content:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}-{os.getpid()}")
    new.write_bytes(content)
    new.replace(file)


if __name__ == "__main__":
    after(Path(sys.argv[1])) if len(sys.argv) > 1 else before()
