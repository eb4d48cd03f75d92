"""The built site in a browser: what a reader sees, copies, finds, and reaches with the keyboard."""

import contextlib
import functools
import gzip
import http.server
import re
import shutil
import sys
import threading
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from render.runs import EXAMPLES
from tests import harness
from tests.harness import IN_CI
from tests.test_search import you_see
from tests.test_site import INCLUDED, SOURCES, page_of

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
FLAGS += ["--in-process-gpu"]  # it takes a tenth less
FLAGS += ["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"]
PAGES = [*map(page_of, SOURCES), "404.html"]
# What takes long is looked at on one page of each kind, light or dark; in CI on all, in every look.
LOOKS = [("light", 1280), ("dark", 360)]
KINDS = ["index.html", "queue.html", "faults/trust-empty.html", "404.html"]
KINDS += ["which-channel.html", "faults/symptoms.html", "reference.html"]
CODE = ("queue.html", "faults/trust-empty.html")  # one of them is light, one is dark
OPENED = {"the menu": [".md-header", ".md-sidebar--primary"], "the search": [".md-header"]}
PARTS = 4 if IN_CI else 1  # each waits for the network to be still, again and again
if IN_CI:
    LOOKS, KINDS = [*LOOKS, ("light", 360), ("dark", 1280)], PAGES
OPEN = "document.querySelectorAll('details').forEach(each => (each.open = true))"
PROGRAMS = [
    (page_of(file), program)
    for file in SOURCES
    for program in INCLUDED.findall(file.read_text(encoding="utf-8"))
    if page_of(file) in KINDS
]
CLIPBOARD = "navigator.clipboard.readText()"


@pytest.fixture(scope="session")
def site(project):
    return project / "site"


@pytest.fixture(scope="module")
def server(site):
    """The address of a server of the site."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        needed = IN_CI and sys.platform == "linux"  # .ci/run installs it
        (pytest.fail if needed else pytest.skip)("there is no chromium on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def window(browser, server):
    """Opens browser windows; in each, nothing may fail and nothing may ask another host."""
    with contextlib.ExitStack() as opened:

        def open_window(width=1280, scheme="light", **options):
            size = {"width": width, "height": 800}
            context = browser.new_context(
                viewport=size, color_scheme=scheme, base_url=server, **options
            )
            opened.callback(context.close)
            context.set_default_timeout(1000 * harness.TIMEOUT)
            context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server)
            page = context.new_page()
            page.asked, page.wrong = [], []
            page.on("request", lambda request: page.asked.append(request.url))
            page.on("requestfailed", failed)
            page.on("pageerror", lambda error: page.wrong.append(str(error)))
            page.on(
                "console", lambda said: said.type == "error" and page.wrong.append(said.text)
            )
            opened.callback(check, page)
            return page

        def failed(request):
            if request.failure != "net::ERR_ABORTED":  # the page was left before it came
                request.frame.page.wrong.append(request.url)

        def check(page):
            assert not page.wrong
            assert all(url.startswith((server, "file:", "data:")) for url in page.asked)

        yield open_window


def copied(page, button):
    """What a copy button puts on the clipboard."""
    page.evaluate("navigator.clipboard.writeText('nothing was copied')")
    button.click()
    page.wait_for_function(f"{CLIPBOARD}.then(text => text !== 'nothing was copied')")
    return page.evaluate(CLIPBOARD)


def shown(page, program):
    """The block that shows a program; what it is folded into is opened."""
    page.evaluate(OPEN)
    title = page.locator(".name", has_text=re.compile(f"^{re.escape(Path(program).name)}$"))
    return page.locator(".program", has=title)


def test_there_are_programs_to_copy():
    assert len(PROGRAMS) > 5 and {page for page, _ in PROGRAMS} <= set(PAGES)


@pytest.mark.parametrize(
    ("name", "program"), [each for each in PROGRAMS if each[1].endswith("_totals.py")]
)
def test_a_copied_program_runs(window, tmp_path, name, program):
    page = window()
    page.goto(name)
    file = tmp_path / program
    file.write_text(
        copied(page, shown(page, program).locator(".copy")), encoding="utf-8", newline="\n"
    )
    status, out, err = harness.run(tmp_path, str(file), "--workers", 3, "--count", 1000)
    assert (status, err) == (0, "") and out.endswith("\nTotal: 3,000\n")


@pytest.mark.parametrize("part", range(PARTS))
def test_a_page_of_each_kind(window, part):
    """It comes light and stands still, fits a small screen and paper, and gives what is copied."""
    page, came = window(360), []
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    page.on("response", lambda response: came.append(response))
    for name in KINDS[part::PARTS]:
        came.clear()
        page.set_viewport_size({"width": 360, "height": 800})
        page.goto(name, wait_until="networkidle")
        assert_light_and_still(page, name, came)
        page.set_viewport_size({"width": 320, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, name
        page.set_viewport_size({"width": 794, "height": 800})  # A4; its margins take of it
        page.emulate_media(media="print")
        assert_fits_its_paper(page, name)
        page.emulate_media(media="screen")
        page.set_viewport_size({"width": 1280, "height": 800})
        page.evaluate(OPEN)
        assert_console_blocks_are_copied_as_typed(page, name)
        assert_programs_are_copied_and_downloaded(page, name)


def test_commands_to_type_are_copied_without_their_prompt(window):
    page = window()
    page.goto("rebuild.html")
    assert page.locator(".gp").count() > 2
    assert_console_blocks_are_copied_as_typed(page, "rebuild.html")


def assert_light_and_still(page, name, came):
    bodies = [response.body() for response in came]
    weight = sum(len(gzip.compress(body)) for body in bodies)
    assert not any("search" in response.url for response in came), name
    assert len(bodies) <= 10 and weight <= 100_000, f"{name}: {len(bodies)}, {weight}"
    shifts = page.evaluate(
        "new Promise(give => new PerformanceObserver(list => give(list.getEntries()"
        ".reduce((sum, one) => sum + one.value, 0))).observe("
        "{type: 'layout-shift', buffered: true}) || setTimeout(give, 200, 0))"
    )
    assert shifts == 0, f"{name}: {shifts}"


def assert_fits_its_paper(page, name):
    wide = page.evaluate(
        "[...document.querySelectorAll('article pre > code')]"
        ".filter(code => code.scrollWidth > code.clientWidth + 1).length"
    )
    assert not wide, name
    for figure in page.locator("article .pair figure").all():  # beside each other too small
        box, article = figure.bounding_box(), page.locator("article").bounding_box()
        assert box["width"] > 0.9 * article["width"], name
    assert not page.locator(".md-header").is_visible(), name


def assert_console_blocks_are_copied_as_typed(page, name):
    blocks = page.locator(".highlight", has=page.locator(".gp")).all()
    assert blocks or name != "queue.html"
    for block in blocks:
        text = block.locator("code").text_content()
        commands = re.findall(r"^\$ (.+)$", text, re.MULTILINE)
        block.scroll_into_view_if_needed()  # then it gets its button
        assert copied(page, block.locator("[data-md-type=copy]")) == "\n".join(commands), name
    assert not page.locator(".md-code__nav:not([role=none])").count(), name


def assert_programs_are_copied_and_downloaded(page, name):
    for program in [file for where, file in PROGRAMS if where == name]:
        block, file = shown(page, program), (EXAMPLES / program).read_bytes()
        assert copied(page, block.locator(".copy")).encode() == file, f"{name}: {program}"
        block.get_by_text("Copied", exact=True).wait_for()
        with page.expect_download() as download:
            block.locator("a[download]").click()
        assert Path(download.value.path()).read_bytes() == file, f"{name}: {program}"
        assert download.value.suggested_filename == Path(program).name


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_axe_finds_nothing(window, scheme, width):
    page, axe, found = window(width, scheme, reduced_motion="reduce"), Axe(), []
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

    def look(what):
        options = {"runOnly": rules, "resultTypes": ["violations"]}
        # Code looks the same everywhere, and so do the rows of a long table.
        repeated = {"exclude": ["pre > code", "tr:nth-child(n+9)", "tbody:nth-of-type(n+5)"]}
        context = None if IN_CI or what in CODE else OPENED.get(what, repeated)
        for violation in axe.run(page, context, options).response["violations"]:
            found.extend(
                f"{what}: {violation['id']}: {node['html'][:200]}"
                for node in violation["nodes"]
            )

    things, turn = [*KINDS, "the menu", "the search"], LOOKS.index((scheme, width))
    for name in things if IN_CI else things[turn :: len(LOOKS)]:
        page.goto(name if name in KINDS else "queue.html")
        if name == "the menu":
            page.evaluate("document.getElementById('__drawer').click()")
        elif name == "the search":
            search(page, "queue")
        else:
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        look(name)
    assert not found, "\n".join(found)


def type_in(page, words):
    """Paste all but the last letter, as the search answers after each."""
    page.locator(".md-search__input:focus").wait_for()
    page.keyboard.insert_text(words[:-1])
    page.keyboard.type(words[-1])


def search(page, words):
    """Type words into the search; return the addresses of what it finds."""
    page.keyboard.press("/")
    type_in(page, words)
    page.locator(".md-search-result__item").first.wait_for()
    links = page.locator(".md-search-result__item > .md-search-result__link").all()
    return [link.get_attribute("href") for link in links]


@pytest.fixture
def symptoms(window):
    """The list of symptoms, the rows that it shows, and its filter."""
    page = window()
    page.goto("faults/symptoms.html")
    label = page.get_by_label("Words on your screen")
    return page, page.locator(".symptoms li:visible"), label


def test_the_list_of_symptoms_can_be_filtered(symptoms):
    page, shown, words = symptoms
    before = shown.all_inner_texts()
    words.fill("hangs join")
    assert 0 < shown.count() < len(before)
    assert "join()" in shown.first.inner_text()
    words.fill("freeze_support")  # a tag of its page
    assert "main guard" in shown.first.inner_text()
    assert page.locator("article h2:visible").count() == 1
    words.fill("AttributeError: module 'multiprocessing' has no attribute 'Empty'")
    assert shown.count() > 1 and "'Empty'" in shown.first.inner_text()
    words.fill("")
    assert shown.all_inner_texts() == before


PASTED = {
    "BrokenPipeError: [Errno 32] Broken pipe": "large-argument dead-worker",
    "TypeError: cannot pickle '_thread.lock' object": "unpicklable-put",
    "OSError: [Errno 24] Too many open files: '/dev/shm'": "open-files",
    "AttributeError: Can't get attribute 'f' on <module '__main__' from 'x.py'>": "notebook",
    'File "x.py", line 3, in <module> raise EOFError': "dead-worker no-main-guard",
    "Process Process-7:": "worker-exception",
}


def test_the_list_of_symptoms_knows_what_people_paste(symptoms, site):
    _, shown, words = symptoms
    for pasted, wanted in PASTED.items():
        words.fill(pasted)
        assert 0 < shown.count() < 20, pasted
        links = [link.get_attribute("href") for link in shown.locator("a").all()]
        assert {f"{name}.html" for name in wanted.split()} <= set(links), pasted
    for fault, said in you_see(site):
        words.fill(said)
        assert shown.locator(f"a[href='{fault}.html']").count(), said


def test_words_that_are_everywhere_lead_to_no_chance_hit(symptoms):
    """ "my" begins MySQL: what hangs comes first all the same."""
    _, shown, words = symptoms
    words.fill("my program hangs")
    assert shown.first.locator("a").first.get_attribute("href") == "join-before-get.html"


def test_what_is_not_in_the_list_of_symptoms_is_searched_on_all_pages(symptoms):
    page, shown, words = symptoms
    words.fill("Celery & Redis?")
    assert shown.count() == page.locator("article h2:visible").count() == 0
    page.get_by_role("link", name="Search all pages for these words").click()
    page.locator(".md-search-result__item").first.wait_for()
    assert page.locator("[name=query]").input_value() == "Celery & Redis?"


def assert_each_is_answered(page):
    """Type into the search, which is empty and has the focus, what broke one like it."""
    found = page.locator(".md-search-result__item").first
    for typed in ("Process Process-1:", 'EOFError: "x" [1] ^ ~', "multiprocesing"):
        type_in(page, typed)
        found.wait_for()
        for key in ("Control+A", "Backspace"):
            page.keyboard.press(key)
        found.wait_for(state="detached")


def test_the_search_answers_in_a_browser_what_it_answers_in_the_tests(window):
    page = window()
    page.goto("index.html")
    page.keyboard.press("/")
    assert_each_is_answered(page)


def test_the_keyboard_is_enough(window):
    page = window()
    page.goto("queue.html")
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to content"
    page.keyboard.press("Enter")
    assert page.url.endswith("#queue")
    page.goto("queue.html")  # following a link closes the search, some time later
    search(page, "EOFError")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "queue.html" not in url)
    page.goto("queue.html")
    press_until(page, ".program .copy")
    page.keyboard.press("Enter")
    page.wait_for_function(f'{CLIPBOARD}.then(text => text.startsWith(\'"""\'))')


def press_until(page, selector):
    """Press Tab until an element has the focus, and see that whatever had it can be seen."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(f"document.activeElement.matches('{selector}')"):
            return
    raise AssertionError(f"the Tab key does not reach {selector}")


def test_the_keyboard_opens_the_menu_of_a_narrow_page(window):
    page = window(360, reduced_motion="reduce")
    for key in ("Enter", " "):
        page.goto("queue.html")
        press_until(page, "[aria-label=Menu]")
        page.keyboard.press(key)
        press_until(page, ".md-sidebar--primary a")
        assert page.locator(":focus").is_visible()
        page.evaluate("document.getElementById('__drawer').click()")
    page.keyboard.press("Tab")
    assert not page.evaluate("document.activeElement.matches('.md-sidebar--primary *')")


def test_code_that_is_cut_at_an_edge_shows_it(window):
    page = window(360)
    page.goto("queue.html")
    code = page.locator("article pre > code").first
    code.scroll_into_view_if_needed()
    box = code.bounding_box()
    looks = []
    for at in ("0", "code.scrollWidth"):
        code.evaluate(f"code => {{ code.scrollLeft = {at} }}")
        # No text is there.
        below = {"y": box["y"] + box["height"] - 4, "width": 4, "height": 3}
        left, right = box["x"] + 1, box["x"] + box["width"] - 5
        looks += [page.screenshot(clip=below | {"x": x}) for x in (left, right)]
    assert looks[0] == looks[3], "where there is no more it is plain"
    assert looks[0] not in looks[1:3]


def test_light_and_dark(window):
    paper = "getComputedStyle(document.body).backgroundColor"
    for scheme in ("dark", "light") if IN_CI else ("dark",):
        page = window(scheme=scheme)
        page.goto("index.html")
        first = page.evaluate(paper)
        press_until(page, "[name=colours]")
        page.keyboard.press("Enter")
        page.wait_for_function(f"{paper} !== '{first}'")
        second = page.evaluate(paper)
        page.goto("queue.html")
        assert page.evaluate(paper) == second, "the choice holds on the next page"
        press_until(page, "[name=colours]")
        page.keyboard.press("Enter")
        assert page.evaluate(paper) == first
        page.emulate_media(color_scheme="light" if scheme == "dark" else "dark")
        page.wait_for_function(f"{paper} === '{second}'")  # it follows the system again


LUMA = """name => {
  const [red, green, blue] = getComputedStyle(document.querySelector(".program code"))
    .getPropertyValue(name).match(/[0-9.]+/g).map(Number);
  return 0.3 * red + 0.6 * green + 0.1 * blue;
}"""


@pytest.mark.parametrize("scripts", [True, False])
def test_code_is_as_dark_as_its_reader_has_it(browser, site, scripts):
    """Without scripts as the system has it; on paper always light."""
    context = browser.new_context(color_scheme="dark", java_script_enabled=scripts)
    with contextlib.closing(context):
        page = context.new_page()
        page.goto((site / "queue.html").as_uri())
        assert is_dark(page)
        page.emulate_media(**{"media": "print"} if scripts else {"color_scheme": "light"})
        page.reload()  # else the colours change slowly
        assert not is_dark(page)


def is_dark(page):
    """Whether the page and its code are dark."""
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    dark = int(re.findall(r"\d+", paper)[0]) < 128
    assert (page.evaluate(LUMA, "color") > 128) == dark
    return dark


def test_a_folder_without_a_server(window, site):
    page = window()
    page.goto((site / "index.html").as_uri())
    for name in ("pipe.html", "index.html"):
        page.locator(f"article a[href='{name}'], header a[href='{name}']").first.click()
        page.wait_for_url(f"**/{name}")
    found = search(page, "EOFError")
    assert found and all(url.startswith(site.as_uri()) for url in found)
    for key in ("Control+A", "Backspace"):
        page.keyboard.press(key)
    page.locator(".md-search-result__item").first.wait_for(state="detached")
    assert_each_is_answered(page)
