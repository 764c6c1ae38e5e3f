"""What a model writes."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from charrnn.report.chapters.parts import heading, note, shortened
from charrnn.report.page import both
from charrnn.run import Run

SAMPLES = 1_000_000
"""The most bytes of samples.txt that are read."""
OVER_TIME = 6
"""The most samples of the training that are shown."""
TEMPERATURES = (0.3, 0.6, 0.9, 1.2)
WRITTEN = 300
"""The most characters of a sample at each temperature."""


def over_time(run: Run) -> str:
    """The samples that the model wrote during its training."""
    found = _samples(run.path / "samples.txt")
    if not found:
        return ""
    if len(found) > OVER_TIME:
        found = [found[i * (len(found) - 1) // (OVER_TIME - 1)] for i in range(OVER_TIME)]
    shown = [
        f"<div><h4>{both(f'step {step:,}', f'第 {step:,} 步')}</h4><pre>{escape(shortened(text))}</pre></div>"
        for step, text in found
    ]
    return (
        heading("What it wrote as it learnt", "边学边写", 3)
        + note("Samples from one prompt, in the order of the training.", "同一开头，按训练先后。")
        + f'<div class="samples">{"".join(shown)}</div>'
    )


def _samples(file: Path) -> list[tuple[int, str]]:
    try:
        with file.open("rb") as stream:
            text = stream.read(SAMPLES).decode("utf-8", "replace")
    except OSError:
        return []
    parts = re.split(r"^=== step (\d{1,15})\n", text, flags=re.MULTILINE)[1:]
    return [(int(step), own.strip("\n")) for step, own in zip(parts[::2], parts[1::2], strict=True)]


def by_temperature(run: Run) -> str:
    """The same seed at several temperatures. Raises CharrnnError where the model does not write."""
    shown = []
    length = min(WRITTEN, run.config.sampling.length)
    for temperature in TEMPERATURES:
        text = run.sample(temperature=temperature, length=length, seed=0, unknown="skip")[0].text
        shown.append(f"<div><h4>{temperature}</h4><pre>{escape(shortened(text))}</pre></div>")
    return (
        heading("By temperature", "温度的影响", 3)
        + note(
            "The same random numbers at each temperature: low is careful and repeats itself, high is bold and errs.",
            "随机数相同，只变温度：低则谨慎、重复，高则大胆、出错。",
        )
        + f'<div class="samples">{"".join(shown)}</div>'
    )
