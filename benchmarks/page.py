"""The page of a report: its size, how long it takes to make, and how fast the model writes in it.

    python benchmarks/page.py RUN [--repeat 5] [--length 2000]

`charrnn report RUN` is a whole process, with the start of Python. The page is opened from a file in headless Chromium
(`apt install chromium chromium-driver`, `pip install selenium`). It is ready when the model has read its weights,
counted from the beginning of the navigation. The model writes `length` characters at the config's temperature; what the
page does to show them is not in the time of the worker. Figures are medians, with the least and the most in brackets.
The processor's time is printed too, because other work on the machine changes it less: of the command, of all processes
of Chromium, and of the same engine in Node.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from machine import describe

from charrnn.report.page import ENGINE, scripts
from charrnn.report.page.packing import model_of, plan_of
from charrnn.run import load

NODE = """
const given = JSON.parse(require("fs").readFileSync(0, "utf8")), reader = new Reader(given.model);
const cpu = () => { const used = process.cpuUsage(); return (used.user + used.system) / 1e6; };
const speeds = [];
for (let seed = 0; seed < given.repeat; seed++) {
  reader.begin();
  const start = cpu();
  let count = 0;
  for (const _ of reader.write({...given.model.sampling, seed, length: given.length})) count++;
  speeds.push(count / (cpu() - start));
}
console.log(JSON.stringify(speeds));
"""


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--length", type=int, default=2000)
    arguments = parser.parse_args()
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.html"
        walls, processor = [], []
        for _ in range(arguments.repeat):
            wall, used = time.perf_counter(), _used()
            command = [sys.executable, "-m", "charrnn", "report", str(arguments.run), "-o", str(file), "--overwrite"]
            subprocess.run(command, check=True, capture_output=True)
            walls.append(time.perf_counter() - wall)
            processor.append(_used() - used)
        print(f"size            {file.stat().st_size / 1e6:.2f} MB")
        print(f"charrnn report  {shown(walls, 's')}, processor {shown(processor, 's')}")
        in_chromium(file, arguments.repeat, arguments.length)
    in_node(arguments.run, arguments.repeat, arguments.length)


def shown(values: list[float], unit: str) -> str:
    """The median, and the least and the most in brackets."""
    digits = 2 if median(values) < 100 else 0
    return f"{median(values):,.{digits}f} {unit} [{min(values):,.{digits}f} to {max(values):,.{digits}f}]"


def _used() -> float:
    """The seconds of processor time that ended children have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def in_chromium(file: Path, repeat: int, length: int) -> None:
    """Prints when the page is ready, and how fast the model writes in it."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        print("Chromium and its driver are not installed: the page is not opened")
        return
    from selenium import webdriver

    options: Any = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    ready, worker, page, processor = [], [], [], []
    try:
        for seed in range(repeat):
            browser.get(file.as_uri())
            ready.append(float(_until(browser, "return document.documentElement.dataset.ready")))
            browser.execute_script(
                "document.getElementById('length').value = arguments[0];"
                "document.getElementById('seed').value = arguments[1]",
                length,
                seed,
            )
            begun, used = time.perf_counter(), _used_by(browser.service.process.pid)
            browser.execute_script("document.getElementById('write').click()")
            worker.append(float(_until(browser, "return document.documentElement.dataset.speed")))
            count = browser.execute_script("return columns[0].written")
            page.append(count / (time.perf_counter() - begun))
            processor.append(count / max(1e-3, _used_by(browser.service.process.pid) - used))
    finally:
        browser.quit()
    print(f"in Chromium     ready after {shown(ready, 'ms')}")
    print(f"                {shown(worker, 'characters/s')} in the worker, {shown(page, 'characters/s')} with the page")
    if sys.platform == "linux":
        print(f"                {shown(processor, 'characters/s')} of processor time, all of Chromium")


def _used_by(root: int) -> float:
    """The seconds of processor time of a process and all below it, as Linux has them."""
    used, parents = {}, {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        parents[int(file.parent.name)] = int(fields[1])
        used[int(file.parent.name)] = int(fields[11]) + int(fields[12])
    below = {root}
    while more := {one for one, parent in parents.items() if parent in below} - below:
        below |= more
    return sum(used.get(one, 0) for one in below) / os.sysconf("SC_CLK_TCK")


def _until(browser: Any, script: str) -> Any:
    while not (found := browser.execute_script(script)):
        time.sleep(0.02)
    return found


def in_node(path: Path, repeat: int, length: int) -> None:
    """Prints the speed of the engine in Node."""
    node = shutil.which("node")
    if node is None:
        print("Node is not installed")
        return
    run = load(path, "cpu")
    given = {"model": model_of(run, plan_of(run), "float32"), "repeat": repeat, "length": length}
    code = "\n".join([scripts(*ENGINE), NODE])
    ran = subprocess.run([node, "-e", code], input=json.dumps(given), capture_output=True, text=True, check=True)
    print(f"in Node         {shown(json.loads(ran.stdout), 'characters/s')} of processor time")


if __name__ == "__main__":
    main()
