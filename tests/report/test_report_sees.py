"""A report says how far back its model looks and which unit does what, as the commands do, and no more than they do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from charrnn.report.chapters.reach import SAMPLE, reach
from charrnn.report.chapters.units import Live
from charrnn.report.document import report
from charrnn.report.memory import memory, part_of, targets_of
from charrnn.report.units import Unit
from charrnn.run import Run


def words(html: str) -> str:
    """What a reader of the page reads, in both languages."""
    return re.sub(r"<[^>]*>", "", re.sub(r"<(script|style|textarea).*?</\1>", "", html, flags=re.DOTALL))


def test_it_names_the_span_that_is_measured_on_the_same_sample(planted_run: Run) -> None:
    found = memory(planted_run, targets_of(part_of([planted_run])[0], SAMPLE))
    said = words(reach(planted_run, lambda _: None))
    assert (f"at most {found.span} character" if found.span else "further than 256 characters") in said
    assert f"{found.targets:,} held-out characters" in said and "charrnn inspect memory run" in said
    for k, bits in zip(found.known, found.bits, strict=True):
        assert f"<td class=number>{k}</td><td class=number>{bits:.3f}</td>" in reach(planted_run, lambda _: None)


def test_a_planted_unit_is_named_and_can_be_chosen_in_the_model_of_the_page(planted_run: Run) -> None:
    made = report([planted_run])
    (button,) = re.findall(r'data-model="0" data-register="(.*?)" data-unit="(\d+)"', made.html)
    follows = re.search(r"layer 1, h\[(\d+)\] follows “inside quotes”", words(made.html))
    assert follows is not None and follows[1] == button[1]
    assert "跟踪“引号之内”" in words(made.html)
    models = json.loads(made.html.partition('id="models">')[2].partition("</script>")[0])
    assert button[0] in [name for name, *_ in models[0]["plan"]["units"]]
    assert made.quoted[str(planted_run.path)] > 600  # the passage of surprise, and what the unit colours


def test_an_untrained_network_has_no_unit_that_does_anything(
    tmp_path: Path, trained: Callable[..., Run], planted: Callable[[int], str]
) -> None:
    said = words(report([trained(tmp_path / "a", planted(20_000), 1, 1e-12)]).html)
    assert "No unit was found that follows something beyond the controls. Looked for: inside quotes" in said
    assert " follows “" not in said and 'class="see"' not in said


def test_without_quotes_neither_text_nor_names_of_the_text_are_shown(
    planted_run: Run, tmp_path: Path, trained: Callable[..., Run]
) -> None:
    made = report([planted_run], quotes=False)
    assert " follows “inside quotes”" in words(made.html) and 'class="quote"' not in made.html
    assert made.quoted == {}
    play = "".join(f"{name}:\nGood morrow, and so on.\nWell met.\n\n" for name in ["ZWENTIBOLD", "KUNIGUNDE"] * 400)
    run = trained(tmp_path / "play", play, 1)
    assert "ZWENTIBOLD speaks" in words(report([run]).html)
    own = report([run], quotes=False).html
    assert "one speaker speaks" in words(own) and "某人 说话" in words(own)
    # What the config asks for and what the model wrote are its own: only the corpus must not be there.
    assert not re.search("ZWENTIBOLD|KUNIGUNDE", own)


def test_a_register_is_found_by_layer_and_name() -> None:
    live = Live(3, [["trunk.layers.0.h"], ["trunk.layers.0.c"], ["trunk.layers.10.h"], ["trunk.layers.1.h"]])
    assert live.register(Unit(0, 1, "c", 5)) == "trunk.layers.0.c"
    assert live.register(Unit(1, 0, "h", 5)) == "trunk.layers.1.h"
    assert live.register(Unit(2, 0, "h", 5)) is None
