"""What a notebook and a prompt show of a run and of a sample."""

from __future__ import annotations

import io
import re
import sys
import types
import warnings
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

import charrnn
from charrnn.generation.sampler import Sample
from charrnn.notebook import HEIGHT, WIDTH, as_html, svg
from charrnn.terminal import bar, printable

numbers = st.floats(-1e15, 1e15)
curves = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=700)


@given(curves)
def test_every_curve_stays_in_its_frame_and_ends_where_it_ends(curve: list[tuple[float, float]]) -> None:
    line, end = ElementTree.fromstring(svg(curve))
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert points[-1] == (float(end.attrib["cx"]), float(end.attrib["cy"]))
    assert len(points) == min(len(curve), 300)


@given(st.text(), st.text(), curves | st.just([]))
def test_a_strangers_names_and_texts_are_text(line: str, sample: str, curve: list[tuple[float, float]]) -> None:
    found, texts = list[str](), list[str]()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            found.append(tag)

        def handle_data(self, data: str) -> None:
            texts.append(data)

    reader = Reader()
    reader.feed(as_html(line, curve, sample))
    reader.close()
    assert set(found) <= {"p", "div", "svg", "polyline", "circle", "br", "small", "pre"}
    assert printable(line) in "".join(texts) and printable(sample) in "".join(texts)


@given(st.text())
def test_a_sample_is_its_text(text: str) -> None:
    sample, shown = Sample(text, -1.0, 0), list[str]()
    assert str(sample) == text
    sample._repr_pretty_(types.SimpleNamespace(text=shown.append), False)
    assert shown == [printable(text)]


def test_a_run_shows_what_it_is_and_how_it_went(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("text.txt").write_text("to be, or not to be <b>&amp; " * 60, encoding="utf-8")
    sections = {"corpus": {"path": "text.txt"}, "model": {"hidden_size": 8}, "training": {"batch_size": 4, "window": 8}}
    run = charrnn.train(sections, steps=8, out="a<b>c", quiet=True)
    best = min(line["val_bits_per_char"] for line in run.history() if "val_bits_per_char" in line)
    assert repr(run) == f"Run a<b>c: lstm 1 × 8, {best:.2f} bits"
    html = run._repr_html_()
    assert "Run a&lt;b&gt;c: lstm" in html and "<b>" not in html
    assert len(run.curve()) == len(re.findall(r"\d+\.\d,\d+\.\d", html))
    blocks = re.split(r"=== step \d+\n", (run.path / "samples.txt").read_text(encoding="utf-8"))
    assert run.last_sample() == blocks[-1].strip("\n") != ""
    for name in ("samples.txt", "metrics.jsonl"):
        (run.path / name).unlink()
    for file in run.path.glob("checkpoints/*/*"):
        file.unlink()
    assert run._repr_html_() == "<p>Run a&lt;b&gt;c: lstm 1 × 8</p>"


def test_a_bar_in_a_notebook_needs_no_widgets_and_says_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = types.ModuleType("IPython")
    kernel.get_ipython = lambda: types.SimpleNamespace(config={"IPKernelApp": {}})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    for name in [name for name in sys.modules if re.match(r"tqdm\.(auto|notebook|autonotebook)", name)]:
        monkeypatch.delitem(sys.modules, name)
    out = io.StringIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with bar(total=3, desc="read", file=out) as shown:
            shown.update(3)
        with bar(hidden=True, total=3, file=out) as hidden:
            hidden.update(3)
    assert caught == []
    assert "read: 100%" in out.getvalue()


def test_where_there_is_no_terminal_there_is_no_bar() -> None:
    out = io.StringIO()
    with bar(total=3, desc="read", file=out) as shown:
        shown.update(3)
    assert out.getvalue() == ""
