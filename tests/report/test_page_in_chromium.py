"""The page in a browser, opened from a file: it is quiet, it is quick to be there, and it writes."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.report.document import report
from charrnn.run import Run

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if CHROMIUM is None or DRIVER is None:
    pytest.skip("Chromium and its driver are not installed: the page is not opened", allow_module_level=True)
webdriver: Any = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: the page is not opened")

EVIL = "</script><script>window.hurt=1</script><img src=x onerror=window.hurt=1>"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("browser")
    (folder / "text.txt").write_text(f"山高水長。\n月下 the cat\n{EVIL}\n" * 60, encoding="utf-8")
    config: dict[str, Any] = {
        "corpus": {"path": str(folder / "text.txt")},
        "model": {"hidden_size": 16, "embedding_size": 8},
        "training": {"steps": 30, "batch_size": 4, "window": 16, "learning_rate": 0.05, "kernels": "plain"},
        "sampling": {"prompt": EVIL, "length": 60},
    }
    own = charrnn.Config.model_validate(config)
    return charrnn.train(own, out=folder / "<img src=x onerror=window.hurt=1>", quiet=True, device="cpu")


@pytest.fixture(scope="module")
def browser(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(report([run, run]).html, encoding="utf-8")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--lang=en-US"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.get(file.as_uri())
    until(driver, "return document.documentElement.dataset.ready")
    yield driver
    driver.quit()


def until(driver: Any, script: str) -> Any:
    """What a script gives, as soon as it gives something."""
    for _ in range(600):
        if found := driver.execute_script(script):
            return found
        time.sleep(0.1)
    raise AssertionError(script)


def write(driver: Any, **fields: Any) -> list[str]:
    """What stands in both columns when they have written, with these fields set."""
    for name, value in fields.items():
        driver.execute_script("document.getElementById(arguments[0]).value = arguments[1]", name, value)
    driver.execute_script("columns.forEach(column => { column.root.dataset.done = ''; })")
    driver.find_element("id", "write").click()
    until(driver, "return columns.every(column => column.root.dataset.done)")
    script = "return columns.map(own => own.pieces.map(piece => piece[0]).join(''))"
    return list(driver.execute_script(script))


def test_it_writes_what_the_command_writes(run: Run, browser: Any) -> None:
    own = {"length": 200, "seed": 7, "temperature": 0.8}
    text = run.sample("月下", length=200, seed=7, temperature=0.8)[0].text
    assert write(browser, text="月下", **own) == [text, text]
    browser.execute_script("columns[0].pick(3); columns[0]._hold(1)")  # and one unit in the left one is held
    held = write(browser, text="月下", **own)
    assert held[0] != text and held[1] == text
    browser.execute_script("columns[0]._hold(null); columns[0]._bySurprise()")
    assert write(browser, text="月下", **own) == [text, text]
    seen = "return document.querySelector('.reading').textContent.replaceAll('↵', '')"
    assert browser.execute_script(seen) == text


def test_a_unit_is_coloured_from_its_lowest_to_its_highest_value_and_its_slider_stays_while_it_is_held(
    browser: Any,
) -> None:
    bounds = "const own = columns[0].find('level'); return [own.min, own.max]"
    coloured = "return [...columns[0].marks].filter(mark => /\\b[np]\\d/.test(mark.className)).length"
    browser.execute_script("changeText('the cat\\n月下'); columns[0].pick(2)")
    until(browser, coloured)
    until(browser, "return columns[0].ranges.size")
    before = browser.execute_script(bounds)
    assert float(before[0]) < float(before[1])
    for end in ("n9", "p9"):
        assert browser.execute_script(
            "return columns[0].root.querySelectorAll('.reading .' + arguments[0]).length", end
        )
    browser.execute_script("columns[0]._hold(-0.001)")
    until(browser, "return columns[0].find('scale').textContent.includes('everywhere')")
    assert browser.execute_script(coloured) == 0 and browser.execute_script(bounds) == before
    assert "-0.00" not in browser.execute_script("return columns[0].root.textContent")
    browser.execute_script("columns[0]._hold(null); columns[0]._bySurprise()")


def test_it_reads_along_and_names_what_it_does_not_know(run: Run, browser: Any) -> None:
    for text in ("山高", "山高水", "the", "", "山Ω\n水"):
        browser.execute_script("changeText(arguments[0])", text)
        script = "return columns[0].pieces.map(piece => piece[0]).join('') === arguments[0] || ''"
        until(browser, script.replace("arguments[0]", json.dumps(text)))
        until(browser, f"return columns[0].count === {len(text)} || ''")
    assert "Ω" in browser.find_element("id", "told").text


def test_a_poem_begins_its_lines_with_the_acrostic_or_says_why_there_is_none(browser: Any) -> None:
    asked = "document.getElementById('verse').open = true; document.getElementById('form').value = '5x4';"
    browser.execute_script(asked)
    poem = write(browser, text="", acrostic="山月", seed=3)[0]
    lines = re.split("[，。]\n?", poem)
    assert [len(line) for line in lines] == [5, 5, 5, 5, 0] and [line[0] for line in lines[:2]] == ["山", "月"]
    for name, value in (("acrostic", "Ω"), ("acrostic", "山月山月山"), ("text", "the")):
        browser.execute_script("document.getElementById(arguments[0]).value = arguments[1]; refreshAll()", name, value)
        until(browser, "return document.getElementById('told').textContent")
        browser.execute_script("document.getElementById('acrostic').value = ''")
    browser.execute_script("document.getElementById('form').value = ''; changeText('')")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_it_fits_and_speaks_one_language_at_a_time(browser: Any, width: int, language: str) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    if browser.execute_script("return document.documentElement.lang") != language:
        browser.find_element("id", "language").click()
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    seen = "return [...document.querySelectorAll('[lang]')].filter(one => one.offsetParent).map(one => one.lang)"
    assert set(browser.execute_script(seen)) - {"und"} == {language}


def test_nothing_of_the_run_became_code_and_nothing_was_asked_for(browser: Any) -> None:
    write(browser, text=EVIL, length=50, seed=1)
    assert browser.execute_script("return window.hurt === undefined && !document.querySelector('img')")
    assert not [line for line in browser.get_log("browser") if line["level"] in ("SEVERE", "WARNING")]
    sent = [json.loads(line["message"])["message"] for line in browser.get_log("performance")]
    asked = [one["params"]["request"]["url"] for one in sent if one["method"] == "Network.requestWillBeSent"]
    assert all(url.startswith(("file:", "blob:", "data:")) for url in asked)
    assert any(Path(url).name == "report.html" for url in asked)  # or nothing was heard
