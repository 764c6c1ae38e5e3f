"""The model in JavaScript computes what the model computes, and writes what `charrnn sample` writes."""

from __future__ import annotations

import json
import shutil
import subprocess
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.config import ModelConfig
from charrnn.generation.fast.numpy_way import NumpyStepper
from charrnn.generation.fast.plan import RECURRENCES, Plan, make_plan
from charrnn.models import build_model
from charrnn.report.page import ENGINE, scripts
from charrnn.report.page.packing import Precision, model_of, packed, plan_of
from charrnn.run import Run

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not installed: the page's model is not tested")

V = 30
VARIANTS: dict[str, dict[str, object]] = {
    **{cell: {"cell": cell} for cell in RECURRENCES},
    "rnn relu": {"cell": "rnn", "activation": "relu"},
    "mlp": {"cell": "mlp", "context": 3, "num_layers": 2},
    "mlp relu": {"cell": "mlp", "context": 1, "activation": "relu"},
    **{
        f"{cell} with all": {
            "cell": cell,
            "num_layers": 2,
            "input_layers": 1,
            "output_layers": 2,
            "residual": True,
            "norm": norm,
            "tie_embedding": True,
            "embedding_size": 20,
        }
        for cell, norm in zip(RECURRENCES, cycle(["layer", "rms"]), strict=False)
    },
    "odd widths": {"cell": "gru", "hidden_size": 83, "output_layers": 1},
}


def in_node(script: str, given: Any) -> Any:
    """What a script gives that has the engine, and `given`."""
    assert NODE is not None
    whole = "\n".join(
        [
            scripts(*ENGINE),
            'const given = JSON.parse(require("fs").readFileSync(0, "utf8"));',
            f"const result = (() => {{ {script} }})();",
            "process.stdout.write(JSON.stringify(result));",
        ]
    )
    ran = subprocess.run([NODE, "-e", whole], input=json.dumps(given), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout)


def planned(variant: str) -> Plan:
    config = ModelConfig.model_validate({"hidden_size": 20, "embedding_size": 6} | VARIANTS[variant])
    model = build_model(config, V, seed=1)
    for one in model.parameters():  # biases, which begin as zeros, too
        one.data += 0.05 * one.data.new_tensor(np.random.default_rng(one.numel()).standard_normal(one.shape))
    plan = make_plan(config, V, {name: one.detach().numpy() for name, one in model.state_dict().items()})
    assert plan is not None
    return plan


def logits(plans: dict[str, Plan], precision: Precision, ids: list[int]) -> Any:
    script = """
        const found = {};
        for (const [name, plan] of Object.entries(given.plans)) {
            const network = new Network(plan);
            found[name] = given.ids.map(id => Array.from(network.step(id)));
        }
        return found;
    """
    return in_node(script, {"plans": {name: packed(plan, precision) for name, plan in plans.items()}, "ids": ids})


IDS = np.random.default_rng(5).integers(0, V, 60).tolist()


def expected(plan: Plan) -> Any:
    stepper = NumpyStepper(plan)
    stepper.begin([IDS[0]], 1)
    rows = [stepper.logits()[0]]
    for one in IDS[1:]:
        stepper.step(np.array([one]))
        rows.append(stepper.logits()[0])
    return np.array(rows)


def test_every_cell_with_a_plan_has_the_same_logits() -> None:
    plans = {variant: planned(variant) for variant in VARIANTS}
    found = logits(plans, "float32", IDS)
    for variant, plan in plans.items():
        # The state of "rnn relu" grows without bound, and with it what single precision rounds.
        np.testing.assert_allclose(found[variant], expected(plan), atol=1e-4, rtol=1e-5, err_msg=variant)


def test_halves_are_read_as_numpy_reads_them() -> None:
    plan = planned("lstm")
    rounded = planned("lstm")
    for i, op in enumerate(rounded.ops):
        halves = [None if one is None else one.astype(np.float16).astype(np.float32) for one in (op.weight, op.bias)]
        rounded.ops[i] = op.__class__(op.kind, op.into, op.of, op.also, *halves)
    found = logits({"halves": plan}, "float16", IDS)["halves"]
    assert np.abs(np.array(found) - expected(rounded)).max() < 1e-4
    assert np.abs(np.array(found) - expected(plan)).max() > 1e-6  # they were rounded
    odd = np.array([0, -0.0, 6e-8, -6.1e-5, 65504, -1, 0.333], np.float16)
    read = in_node("return Array.from(fromHalves(Uint16Array.from(given)));", odd.view(np.uint16).tolist())
    assert np.array_equal(np.array(read, np.float16), odd)


def test_a_tied_embedding_is_written_once() -> None:
    sizes = [size for _, size, _ in packed(planned("lstm with all"), "float32")["arrays"]]
    assert sizes.count(V * 20) == 1


@pytest.mark.parametrize("seed", [0, 1, 7, 2**32 - 1, 2**32 + 5, 2**53 - 1])
def test_random_numbers_are_those_of_numpy(seed: int) -> None:
    script = "const own = new Random(given); return Array.from({length: 5000}, () => own.exponential());"
    drawn = np.random.default_rng(np.random.SeedSequence(seed)).standard_exponential(5000)
    assert np.abs(np.array(in_node(script, seed)) / drawn - 1).max() < 1e-9


def test_even_those_from_the_tail_and_the_edges_of_the_ziggurat() -> None:
    script = """
        const own = new Random(3);
        let sum = 0, most = 0;
        for (let i = 0; i < 300000; i++) { const x = own.exponential(); sum += x; if (x > most) most = x; }
        return [sum, most, own.exponential()];
    """
    drawn = np.random.default_rng(3).standard_exponential(300_001)
    assert in_node(script, None) == pytest.approx([drawn[:-1].sum(), drawn[:-1].max(), drawn[-1]], rel=1e-9)


TEXT = "the cat sat on the mat.\nthe dog sat on the log.\n" * 40
POEMS = "山高水又長，\n月下獨還鄉。\n\n床前一盞燈，\n窗外雨無聲。\n\n" * 40


def trained(folder: Path, text: str, **sections: Any) -> Run:
    folder.mkdir()
    (folder / "text.txt").write_text(text, encoding="utf-8")
    base: dict[str, Any] = {
        "corpus": {"path": str(folder / "text.txt")} | sections.pop("corpus", {}),
        "model": {"hidden_size": 12, "embedding_size": 6},
        "training": {"steps": 15, "batch_size": 4, "window": 12, "learning_rate": 0.05, "kernels": "plain"},
        "sampling": {"prompt": "", "length": 17},
    }
    return charrnn.train(charrnn.Config.model_validate(base | sections), out=folder / "run", quiet=True, device="cpu")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("page")
    return {
        "stream": trained(folder / "stream", TEXT),
        "documents": trained(folder / "documents", POEMS, corpus={"mode": "documents"}, model={"cell": "gru"}),
        "byte": trained(folder / "byte", TEXT + "é秋", vocab={"kind": "byte"}),
    }


def written(run: Run, prompt: str, form: Any = None, **settings: Any) -> str:
    """What the page writes after a prompt."""
    script = """
        const reader = new Reader(given.model), places = given.form
            && verse(reader.alphabet, reader.ideographs, given.form[0], given.form[1], given.form[2]);
        reader.read(reader.alphabet.encode(given.prompt));
        let text = "";
        for (const [piece] of reader.write(given.settings, places)) text += piece;
        return text;
    """
    model = model_of(run, plan_of(run), "float32")
    given = {"model": model, "prompt": prompt, "settings": model["sampling"] | settings, "form": form}
    return str(in_node(script, given))


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.0, "length": 100}, {"top_k": 5}, {"top_p": 0.8}])
def test_the_page_writes_what_the_command_writes(runs: dict[str, Run], settings: dict[str, Any]) -> None:
    own = {"length": 1000, "seed": 11, "temperature": 0.8} | settings
    text = runs["stream"].sample("the cat", **own)[0].text
    assert len(text) == len("the cat") + own["length"]
    assert written(runs["stream"], "the cat", **own) == text[len("the cat") :]


def test_also_with_a_penalty_in_bytes_and_to_the_end_of_a_document(runs: dict[str, Run]) -> None:
    penalty: dict[str, Any] = {"length": 200, "seed": 2, "repetition_penalty": 1.3, "temperature": 0.9}
    assert written(runs["stream"], "a", **penalty) == runs["stream"].sample("a", **penalty)[0].text[1:]
    plain: dict[str, Any] = {"length": 300, "seed": 5, "temperature": 0.7}
    found = runs["byte"].sample("é the", **plain)[0].data
    assert found is not None
    assert written(runs["byte"], "é the", **plain) == found[len("é the".encode()) :].decode("utf-8", "replace")
    ended = 0
    for seed in range(5):
        text = runs["documents"].sample("山", length=60, seed=seed, temperature=1.0)[0].text
        assert written(runs["documents"], "山", length=60, seed=seed, temperature=1.0) == text[1:]
        ended += len(text) < 61
    assert ended  # or the test says nothing of the end


@pytest.mark.parametrize(("length", "lines", "acrostic"), [(5, 4, ""), (7, 4, "山水"), (5, 2, "月床")])
def test_a_poem_is_that_of_the_command(runs: dict[str, Run], length: int, lines: int, acrostic: str) -> None:
    run = runs["documents"]
    form = run.verse(f"{length}x{lines}", acrostic=acrostic)
    for seed in range(3):
        text = run.sample("", seed=seed, constraint=form, length=500, temperature=0.8)[0].text
        assert written(run, "", (length, lines, acrostic), seed=seed, temperature=0.8) == text
        assert all(text.splitlines()) and text.count("，") + text.count("。") == lines


def test_a_unit_that_is_held_stays_and_changes_what_comes_and_can_be_let_go() -> None:
    script = """
        const found = {};
        for (const [name, plan] of Object.entries(given.plans)) {
            const network = new Network(plan), [register] = plan.units[0];
            const read = () => {
                network.begin();
                for (const id of given.ids) network.step(id);
                return Array.from(network.registers.logits);
            };
            const before = read();
            network.hold([[register, 3, 0.7]]);
            const held = read(), value = network.registers[register][3];
            network.hold([]);
            found[name] = {before, held, value, after: read()};
        }
        return found;
    """
    plans = {variant: packed(planned(variant), "float32") for variant in VARIANTS}
    for one in in_node(script, {"plans": plans, "ids": IDS}).values():
        assert one["value"] == pytest.approx(0.7)
        assert one["after"] == one["before"] != one["held"]


def test_a_text_that_changes_is_read_as_if_it_were_new(runs: dict[str, Run]) -> None:
    script = """
        const reader = new Reader(given.model), fresh = text => {
            const other = new Reader(given.model);
            other.read(other.alphabet.encode(text));
            return [other.bits, Array.from(other.logProbs)];
        };
        return given.texts.map(text => {
            reader.read(reader.alphabet.encode(text));
            reader.likeliest(Math.min(1, reader.ids.length), 5);  // looks back, and returns
            return [[reader.bits.slice(), Array.from(reader.logProbs)], fresh(text)];
        });
    """
    model = model_of(runs["stream"], plan_of(runs["stream"]), "float32")
    texts = ["the cat", "the cat sat", "the dog", "", "~ unknown", "the dog sat"]
    for own, fresh in in_node(script, {"model": model, "texts": texts}):
        np.testing.assert_allclose(own[0], fresh[0], atol=1e-9)
        np.testing.assert_allclose(own[1], fresh[1], atol=1e-9)


def test_the_bits_are_those_of_the_run(runs: dict[str, Run], tmp_path: Path) -> None:
    text = "the dog sat on the mat.\n"
    file = tmp_path / "own.txt"
    file.write_text(text, encoding="utf-8")
    script = "const r = new Reader(given.model); r.read(r.alphabet.encode(given.text)); return r.bits;"
    model = model_of(runs["stream"], plan_of(runs["stream"]), "float32")
    scored = runs["stream"].score(file, by="line")[0].bits
    np.testing.assert_allclose(in_node(script, {"model": model, "text": text}), scored, atol=1e-4)
