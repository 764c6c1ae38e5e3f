"""The page in headless Chromium: it opens, writes, shows what else was likely, and speaks two languages."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra charrnn[serve] is not installed")
pytest.importorskip("selenium", reason="selenium is not installed")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if CHROMIUM is None or DRIVER is None:
    pytest.skip("chromium and chromium-driver are not installed (apt brings them)", allow_module_level=True)

# ruff: noqa: E402
import uvicorn
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from charrnn.desk.app import create_app
from charrnn.desk.guard import Access
from charrnn.desk.limits import Limits
from charrnn.run import Run

WIDTHS = [(390, 844), (1600, 1000)]


@pytest.fixture(scope="module")
def address(served: list[Run]) -> Iterator[str]:
    config = uvicorn.Config(create_app(served, Limits(), Access()), log_config=None, ws="none", loop="asyncio")
    server, own = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [own]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{own.getsockname()[1]}/"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(params=WIDTHS, ids=["phone", "desk"])
def browser(request: pytest.FixtureRequest, tmp_path: Path, address: str) -> Iterator[Any]:
    width, height = request.param
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for one in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--lang=en"):
        options.add_argument(one)
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.get(address)
    until(driver, lambda: driver.execute_script("return 'ready' in document.body.dataset"))
    yield driver
    log: list[dict[str, str]] = driver.get_log("browser")  # type: ignore[no-untyped-call]
    messages = [one["message"] for one in log if "400" not in one["message"]]
    driver.quit()
    assert messages == []


def until(driver: Any, holds: Any) -> None:
    WebDriverWait(driver, 30, poll_frequency=0.05).until(lambda _: holds())


def one(driver: Any, selector: str) -> Any:
    return driver.find_element(By.CSS_SELECTOR, selector)


def text(driver: Any, sheet: int = 0) -> str:
    script = "return [...document.querySelectorAll('.text')[arguments[0]].children].map(x => x.textContent).join('')"
    return str(driver.execute_script(script, sheet))


def write(driver: Any, prompt: str, **fields: str) -> None:
    for name, value in {"prompt": prompt, **fields}.items():
        script = "let e = document.getElementsByName(arguments[0])[0]; e.value = arguments[1];"
        driver.execute_script(script + "e.dispatchEvent(new Event('input', {bubbles: true}))", name, value)
    one(driver, "button.main").click()
    written(driver)


def written(driver: Any) -> None:
    until(driver, lambda: not driver.find_elements(By.CSS_SELECTOR, "[aria-busy]") and text(driver))


def test_it_writes_what_the_library_writes(browser: Any, served: list[Run]) -> None:
    write(browser, "春", seed="4", length="20")
    assert text(browser) == served[0].sample("春", seed=4, length=20)[0].text
    assert "seed 4" in one(browser, ".note").text
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    shades = browser.execute_script(
        "return [...document.querySelectorAll('.text span:not(.you)')].map(x => x.style.getPropertyValue('--surprise'))"
    )
    assert shades and all(0 <= float(shade) <= 1 for shade in shades)
    write(browser, "龘")
    assert "not in the model's vocabulary" in one(browser, ".note").text


def test_another_character_is_taken_and_written_on_from(browser: Any) -> None:
    write(browser, "春", seed="4", length="20")
    before = text(browser)
    one(browser, ".text span:nth-child(3)").click()
    until(browser, lambda: one(browser, "#choices li button").is_displayed())
    buttons = browser.find_elements(By.CSS_SELECTOR, "#choices li button")
    assert len(buttons) > 3 and browser.switch_to.active_element == buttons[0]
    other = next(button for button in buttons if button.get_attribute("aria-current") is None)
    character = browser.execute_script("return arguments[0].firstChild.data", other)
    other.click()
    until(browser, lambda: text(browser) != before)
    written(browser)
    assert text(browser)[:3] == before[:2] + character


def test_hovering_shows_what_else_was_likely(browser: Any) -> None:
    if browser.execute_script("return innerWidth") < 500:
        pytest.skip("a phone has no pointer that hovers")
    write(browser, "春", seed="4", length="20")
    ActionChains(browser).move_to_element(one(browser, ".text span:nth-child(2)")).perform()
    until(browser, lambda: one(browser, "#choices").is_displayed())
    assert "%" in one(browser, "#choices ul").text


def test_the_keyboard_is_enough(browser: Any) -> None:
    write(browser, "春", seed="4", length="20")
    one(browser, ".text").send_keys(Keys.HOME, Keys.ARROW_RIGHT, Keys.ENTER)
    until(browser, lambda: one(browser, "#choices").is_displayed())
    browser.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not one(browser, "#choices").is_displayed()
    assert browser.switch_to.active_element == one(browser, ".text")
    one(browser, "#prompt").send_keys("眠", Keys.CONTROL, Keys.ENTER)
    until(browser, lambda: text(browser).startswith("春眠"))
    written(browser)


def test_it_speaks_both_languages_and_keeps_what_lies_on_the_desk(browser: Any) -> None:
    write(browser, "春", seed="4", length="20")
    before = text(browser)
    one(browser, ".keep").click()
    Select(one(browser, "#language")).select_by_value("zh")
    assert one(browser, "button.main").text == "写"
    assert "种子 4" in one(browser, ".note").text and "seed" not in one(browser, ".note").text
    assert browser.execute_script("return document.documentElement.lang") == "zh-Hans"
    browser.refresh()
    until(browser, lambda: browser.execute_script("return 'ready' in document.body.dataset"))
    assert one(browser, "button.main").text == "写" and text(browser) == before
    assert one(browser, "#drafts p").text.strip() == before.strip()
    one(browser, "#drafts button:last-child").click()
    assert not browser.find_elements(By.CSS_SELECTOR, "#drafts li")


def test_two_models_write_side_by_side(browser: Any, served: list[Run]) -> None:
    one(browser, "#two").click()
    Select(browser.find_elements(By.CSS_SELECTOR, ".run")[1]).select_by_visible_text("poems")
    write(browser, "春", seed="4", length="20", unknown="skip")
    until(browser, lambda: text(browser, 1))
    written(browser)
    assert text(browser) == text(browser, 1) == served[0].sample("春", seed=4, length=20)[0].text


def test_every_field_and_button_has_a_name(browser: Any) -> None:
    nameless = browser.execute_script(
        """return [...document.querySelectorAll('button, input, select, textarea, [role]')].filter(x =>
        x.checkVisibility() && !x.textContent.trim() && !x.getAttribute('aria-label') && !x.labels?.length
        && x.id !== 'said')
        .map(x => x.outerHTML)"""
    )
    assert nameless == []
