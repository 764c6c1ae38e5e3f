from __future__ import annotations

import json
import re
import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.cli.configs import schema
from charrnn.config import EXCLUSIVE, Config, CorpusConfig, parse_interval
from charrnn.errors import CharrnnError
from charrnn.experiments import variants
from charrnn.loading import (
    NULLS,
    _Loader,
    apply_override,
    configs_folder,
    dump,
    explained,
    find_config,
    load_config,
    parse_config,
    parse_run_config,
    ready_made,
)

CORPUS = "corpus: {name: tang}\n"


def message(text: str, overrides: tuple[str, ...] = ()) -> str:
    """What a user is told of this config."""
    with pytest.raises(CharrnnError) as raised:
        parse_config(text, "my.yaml", overrides)
    return raised.value.for_command


def keys_of(section: str) -> list[str]:
    model: Any = Config.model_fields[section].annotation
    return list(model.model_fields)


SECTIONS = list(Config.model_fields)
KEYS = [(section, key) for section in SECTIONS for key in keys_of(section)]


@given(st.sampled_from(KEYS), st.integers(0, 30), st.sampled_from(string.ascii_lowercase))
def test_a_misspelt_key_is_told_with_its_line_and_the_nearest(path: tuple[str, str], at: int, letter: str) -> None:
    section, key = path
    wrong = key[:at] + letter + key[at:]
    if wrong in keys_of(section):
        return
    lines = ["corpus:", "  name: tang"] + [f"{section}:"] * (section != "corpus") + [f"  {wrong}: 3"]
    told = message("\n".join(lines))
    assert f"my.yaml, line {len(lines)}: {section}.{wrong}: unknown key (nearest: " in told
    nearest = re.search(r"\(nearest: (\w+)\)", told)
    assert nearest is not None
    assert nearest[1] in keys_of(section)
    assert len(key) < 6 or nearest[1] == key or key.startswith(nearest[1])
    assert all(valid in told for valid in keys_of(section))


def test_an_unknown_section_is_told_with_its_line_and_the_nearest() -> None:
    assert "my.yaml, line 3: trainin: unknown section (nearest: training)" in message(CORPUS + "\ntrainin: {steps: 3}")
    assert "my.yaml, line 2: corpus.name: unknown section (nearest: corpus)" in message(CORPUS + "corpus.name: tang")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model:\n  hidden_size: big", r"line 3: model\.hidden_size: expected .*integer, not 'big'"),
        ("model:\n  hidden_size: 1.5", r"line 3: model\.hidden_size: expected .*integer.*not 1\.5"),
        ("training:\n  batch_size: true", r"line 3: training\.batch_size: expected .*integer, not True"),
        ("training: {learning_rate: fast}", r"line 2: training\.learning_rate: expected a number, not 'fast'"),
        ("training: {clip_value: 1e48}", r"line 2: training\.clip_value: expected .*1000000000.*not 1e\+48"),
        ("training: {tensorboard: yes}", r"line 2: training\.tensorboard: expected a boolean, not 'yes'"),
        ("sampling: {prompt: 3}", r"line 2: sampling\.prompt: expected a text, not 3"),
        ("model: {cell: lsmt}", r"line 2: model\.cell: expected .*'lstm'.* or .*, not 'lsmt'"),
        ("model: [lstm]", r"line 2: model: expected .*section.*not \['lstm'\]"),
        ("model:", r"line 2: model: expected .*section.*not nothing"),
        ("vocab: {3: 4}", r"line 2: vocab.*3"),
        ("training: {warmup: 5}", r"line 2: training\.warmup: expected a text, not 5"),
        ("training: {warmup: 5 lines}", r"line 2: training\.warmup: expected an amount .*'500 steps'"),
        ("training: {warmup: 0%}", r"line 2: training\.warmup: expected an amount above 0"),
        ("model: {num_layers: 0}", r"line 2: model\.num_layers: expected greater than or equal to 1, not 0"),
        ("model: {num_layers: 65}", r"line 2: model\.num_layers: expected less than or equal to 64, not 65"),
        ("model: {dropout: 1}", r"line 2: model\.dropout: expected less than 1, not 1"),
        ("training: {learning_rate: 0}", r"line 2: training\.learning_rate: expected greater than 0, not 0"),
        ("training: {minutes: .inf}", r"line 2: training\.minutes: expected a finite number, not inf"),
        ("training: {minutes: .nan}", r"line 2: training\.minutes: expected a finite number, not nan"),
        ("training: {minutes: 1e999}", r"line 2: training\.minutes: expected a finite number, not inf"),
        ("training: {seed: -1}", r"line 2: training\.seed: expected greater than or equal to 0, not -1"),
        ("training: {seed: 0x" + "f" * 6000 + "}", r"line 2: training\.seed: expected less than"),
        (
            "training: {steps: 3, epochs: 2}",
            r"line 2: training: expected training\.steps or training\.epochs",
        ),
        (
            "model: {tie_embedding: true, output_layers: 1}",
            r"line 2: model: expected model\.embedding_size equal .*256.*64",
        ),
        ("model: {cell: mingru, weight_dropout: 0.5}", r"line 2: model: expected no model\.weight_dropout.*mingru"),
        ("model: {cell: ngram, embedding_dropout: 0.5}", r"line 2: model: expected no model\.embedding_dropout.*ngram"),
        ("training: {average_after: soon}", r"line 2: training\.average_after: expected an amount above 0"),
        ("training: {decay_at: [10%, x]}", r"line 2: training\.decay_at.*expected an amount above 0"),
        ("model: {cell: mlp}\ntraining: {slowness_penalty: 1}", r".*expected no training\.slowness_penalty.*mlp"),
        ("model: {activation: relu}", r"line 2: model: expected no model\.activation.*lstm"),
        ("model: {recurrent_init: identity}", r"line 2: model: expected no model\.recurrent_init.*lstm"),
        ("model: {cell: rnn, recurrent_init: eye}", r"line 2: model\.recurrent_init: expected 'identity'"),
        ("model: {forget_bias: chorno}", r"line 2: model\.forget_bias: expected 'chrono'"),
        ("model: {chrono_range: 64}", r"line 2: model: expected no model\.chrono_range.*1 and not chrono"),
        ("model: {forget_bias: chrono, chrono_range: 2}", r"line 2: model\.chrono_range: expected greater than"),
    ],
)
def test_a_wrong_value_is_told_with_what_was_expected(text: str, told: str) -> None:
    assert re.search(r"^my\.yaml, " + told, message(CORPUS + text), re.M)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", r"corpus: missing.*tiny-shakespeare"),
        ("# nothing yet", r"corpus: missing"),
        ("model: {cell: gru}", r"corpus: missing"),
        ("corpus: {}", r"line 1: corpus: expected exactly one of corpus\.name .* and corpus\.path"),
        ("corpus: {name: a, path: b}", r"line 1: corpus: expected exactly one of"),
        ("corpus: {path: [a, 3]}", r"line 1: corpus\.path.*expected a text.*3"),
        ("corpus: {path: a, split: [0.5, 0.4, 0]}", r"corpus\.split; their sum is 0\.9"),
        ("corpus: {path: a, split: [0, 0.5, 0.5]}", r"the first above 0"),
        ("corpus: {path: a, split: [0.5, 0.5]}", r"line 1: corpus\.split: expected .*3"),
        ("corpus: {path: a, split: [0.5, x, 0.5]}", r"line 1: corpus\.split\.1: expected a number, not 'x'"),
        ("corpus: tang", r"line 1: corpus: expected .*section.*not 'tang'"),
        ("tang", r"sections such as .* were expected, not 'tang'"),
        ("- corpus", r"sections such as .* were expected, not \['corpus'\]"),
        ("42", r"sections such as .* were expected, not 42"),
    ],
)
def test_a_config_without_a_corpus(text: str, told: str) -> None:
    assert re.search(r"^my\.yaml.*" + told, message(text))


def test_every_mistake_is_told_at_once() -> None:
    told = message(CORPUS + "model: {cel: gru}\ntraining:\n  steps: 0\n  seed: x").splitlines()
    assert [line.split(": ")[:2] for line in told] == [
        ["my.yaml, line 2", "model.cel"],
        ["my.yaml, line 4", "training.steps"],
        ["my.yaml, line 5", "training.seed"],
    ]


def test_a_long_value_is_cut() -> None:
    assert len(message(CORPUS + f"model: {{cell: {'x' * 10_000}}}")) < 300


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model:\n  cell: gru\n  cell: lstm", r"line 4: model\.cell: given twice \(first on line 3\)"),
        ("corpus: {name: x}", r"line 2: corpus: given twice \(first on line 1\)"),
        ("model: &m {cell: gru}\nvocab: *m", r"line 3: not valid YAML: an alias"),
        ("training: {steps: *x}", r"line 2: not valid YAML: an alias"),
        ("model: {cell: gru", r"line \d: not valid YAML"),
        ("model:\n\tcell: gru", r"line 3: not valid YAML"),
        ("a: b: c", r"line 2: not valid YAML: mapping values are not allowed here"),
        ("---\na: 1", r"line 2: not valid YAML"),
        ("? [a]\n: 1", r"not valid YAML"),
        ("x: \0", r"not valid YAML"),
        ("x: " + "[" * 3000, r"my\.yaml"),
        ("x: " + "[" * 20 + "]" * 20, r"line 2: x[.0]+: nested too deeply"),
        ("x: !!python/object/apply:os.getcwd []", r"line 2: not valid YAML"),
        ("training: {tensorboard: !!bool maybe}", r"my\.yaml"),
        ("training: {seed: !!int ''}", r"my\.yaml"),
        ("training: {seed: !!float ''}", r"my\.yaml"),
        ("training: {seed: !!int x}", r"my\.yaml"),
        ("sampling: {prompt: !!timestamp x}", r"my\.yaml"),
        ("sampling: {prompt: !!binary x}", r"my\.yaml"),
        ('sampling: {prompt: "\\UFFFFFFFF"}', r"my\.yaml"),
        ("training: {seed: " + "9" * 5000 + "}", r"my\.yaml"),
        ("vocab: !!set {char}", r"my\.yaml"),
        ("vocab: !!omap [kind: char]", r"my\.yaml"),
    ],
    ids=lambda value: value[:30],
)
def test_what_is_no_config_is_refused(text: str, told: str) -> None:
    assert re.search(told, message(CORPUS + text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, 0.004) for text in ("4e-3", "4E-3", "4.0e-3", "+.004", "0.004", "4.e-3")),
        *((word, word) for word in ("no", "yes", "on", "off", "y", "n", "No", "0o17", "1:30", "2024-01-01", "1.2.3")),
        *((word, True) for word in ("true", "True", "TRUE")),
        *((word, False) for word in ("false", "False", "FALSE")),
        *((word, None) for word in ("~", "null", "")),
        *((text, number) for text, number in (("10", 10), ("-3", -3), ("0x1F", 31), ("010", 10), ("08", 8), ("0", 0))),
        ("1e3", 1000.0),
        ("'4e-3'", "4e-3"),
        ('"春\\n"', "春\n"),
    ],
)
def test_scalars_are_read_as_in_yaml_1_2(text: str, value: object) -> None:
    found = yaml.load(text, _Loader)
    assert found == value
    assert type(found) is type(value)


def test_numbers_of_a_config() -> None:
    config = parse_config(CORPUS + "training: {learning_rate: 4e-3, minutes: 2, seed: 0x10}")
    assert (config.training.learning_rate, config.training.minutes, config.training.seed) == (0.004, 2.0, 16)


def test_overrides_are_applied_in_their_order() -> None:
    config = parse_config(
        CORPUS, overrides=["model.cell=gru", "training.learning_rate=4e-3", "model.cell=rnn", "vocab.max_size=null"]
    )
    assert (config.model.cell, config.training.learning_rate, config.vocab.max_size) == ("rnn", 0.004, None)
    assert parse_config("", overrides=["corpus.path=[a.txt, b.txt]"]).corpus.path == ["a.txt", "b.txt"]
    assert parse_config(CORPUS + "sampling:", overrides=["sampling.prompt=a=b"]).sampling.prompt == "a=b"
    assert parse_config(CORPUS, overrides=["sampling.prompt='no: 3'"]).sampling.prompt == "no: 3"


@pytest.mark.parametrize("override", ["training.minutes=3", " training.minutes = 3", "training . minutes=3"])
@pytest.mark.parametrize("given_length", ["steps: 100", "epochs: 2", "minutes: 7", ""])
def test_one_length_of_training_takes_the_place_of_another(given_length: str, override: str) -> None:
    config = parse_config(CORPUS + f"training: {{{given_length}}}", overrides=[override])
    assert (config.training.minutes, config.training.steps, config.training.epochs) == (3, None, None)


def test_one_source_takes_the_place_of_the_other() -> None:
    assert parse_config(CORPUS, overrides=["corpus.path=a.txt"]).corpus.name is None
    assert parse_config("corpus: {path: a.txt}", overrides=["corpus.name=tang"]).corpus.path is None
    assert ("corpus.name", "corpus.path") in EXCLUSIVE


def test_taking_a_length_away_leaves_the_others() -> None:
    config = parse_config(CORPUS + "training: {steps: 100}", overrides=["training.minutes=null"])
    assert (config.training.minutes, config.training.steps) == (None, 100)


def test_the_last_of_two_lengths_counts() -> None:
    config = parse_config(CORPUS, overrides=["training.steps=5", "training.minutes=3"])
    assert (config.training.minutes, config.training.steps) == (3, None)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("minutes", r"--set minutes: key\.path=value was expected"),
        ("=3", r"--set =3: key\.path=value was expected"),
        (".=3", r"--set \.=3: key\.path=value was expected"),
        ("training.=3", r"--set training\.=3: key\.path=value was expected"),
        ("minutes=3", r"--set minutes=3: a section and a key were expected"),
        ("trainingminutes=3", r"nearest: training\.minutes"),
        ("a.b.c=3", r"--set a\.b\.c=3: a section and a key were expected"),
        ("training.minuts=3", r"--set training\.minuts=3: training\.minuts: unknown key \(nearest: minutes\)"),
        ("trainin.minutes=3", r"trainin: unknown section \(nearest: training\)"),
        ("training.minutes=x", r"--set training\.minutes=x: training\.minutes: expected a number, not 'x'"),
        ("training.minutes=-1", r"--set training\.minutes=-1: training\.minutes: expected greater than 0, not -1"),
        ("training.minutes=[", r"--set training\.minutes=\[: the value is not valid YAML"),
        ("training.minutes=*a", r"--set training\.minutes=\*a: the value is not valid YAML"),
        ("training.minutes=!!int ''", r"--set training\.minutes=!!int '': the value is not valid YAML"),
        ("training.minutes=!!bool x", r"--set training\.minutes=!!bool x: the value is not valid YAML"),
        ('sampling.prompt="\\UFFFFFFFF"', r"--set sampling\.prompt=.*: the value is not valid YAML"),
        ("sampling.prompt=\udc80", r"--set sampling\.prompt=.*: the value is not valid YAML"),
    ],
)
def test_a_wrong_override_is_told_as_it_was_written(override: str, told: str) -> None:
    assert re.search(told, message(CORPUS, (override,)))


def test_an_override_does_not_hide_the_file_s_own_mistake() -> None:
    assert "my.yaml, line 2: training: expected" in message(CORPUS + "training: 3", ("training.minutes=3",))


def test_the_schema_prints_and_knows_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    schema()
    document = json.loads(capsys.readouterr().out)
    for section, key in KEYS:
        model: Any = Config.model_fields[section].annotation
        assert document["$defs"][model.__name__]["properties"][key]["description"]
    assert set(document["properties"]) == set(SECTIONS)


@pytest.mark.parametrize("name", sorted(ready_made()))
def test_every_ready_made_config_loads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "_sized", lambda config, *_: config)  # it would download the corpus
    text = ready_made()[name].read_text(encoding="utf-8")
    assert text.startswith("# ")
    if "\nsweep:" in text:
        configs = list(variants.load_sweep(name).values())
        assert len(configs) > 1
    else:
        configs = [load_config(name)]
        assert configs == [load_config(configs_folder() / f"{name}.yaml")]
    assert all(parse_config(dump(config)) == config for config in configs)


def test_there_are_ready_made_configs() -> None:
    assert {"demo", "shakespeare"} <= set(ready_made())
    assert list(ready_made()) == sorted(ready_made())


@pytest.mark.parametrize("name", ["shakespear", "nowhere/my.yaml", "a" * 300, "a\0", ".", ""])
def test_no_such_config_is_told_with_the_ready_made_ones(name: str) -> None:
    with pytest.raises(CharrnnError, match=r"no such file.*demo") as raised:
        find_config(name)
    assert ("(nearest: shakespeare)" in str(raised.value)) == (name == "shakespear")


def test_a_file_comes_before_a_ready_made_config_of_that_name() -> None:
    Path("demo").write_text("corpus: {path: mine.txt}", encoding="utf-8")
    assert load_config("demo").corpus.path == "mine.txt"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"corpus: {name: \xff}", "my.yaml: not UTF-8 at byte 15"),
        (b"#" * 1_000_001, "my.yaml: larger than 100,000 bytes; is it the text itself?"),
        ("corpus: {name: 春}".encode("utf-16"), "my.yaml: not UTF-8 at byte 0"),
    ],
    ids=["latin", "large", "utf-16"],
)
def test_what_is_no_page_of_utf_8_is_refused(content: bytes, told: str) -> None:
    Path("my.yaml").write_bytes(content)
    with pytest.raises(CharrnnError, match=re.escape(told)):
        load_config("my.yaml")


def test_a_config_with_a_byte_order_mark_and_other_line_ends() -> None:
    Path("my.yaml").write_bytes("\ufeffcorpus:\r\n  name: 唐\r\n".encode())
    assert load_config("my.yaml").corpus.name == "唐"


@given(st.sampled_from(["steps", "minutes", "epochs"]), st.integers(1, 10**6), st.sampled_from(["", " ", "  "]))
def test_intervals(unit: str, amount: int, space: str) -> None:
    assert parse_interval(f"{space}{amount}{space}{unit}{space}") == (amount, unit)
    assert parse_interval(f"{amount} {unit[:-1]}") == (amount, unit)
    assert parse_interval(f"{amount / 8}{space}%") == (amount / 8, "%") or amount / 8 < 1e-4


@given(st.text(max_size=10) | st.from_regex(r"-?[0-9.]+ ?(steps|hours|%%|)", fullmatch=True))
def test_other_texts_are_no_intervals(text: str) -> None:
    try:
        amount, unit = parse_interval(text)
    except ValueError:
        return
    assert amount > 0
    assert re.search(r"\d\s*(step|minute|epoch|%)", text)
    assert unit in ("steps", "minutes", "epochs", "%")


ANY_TEXT = st.text(max_size=12) | st.sampled_from(["no", "4e-3", "08", "1e5", "~", "null", "\x85", "a\u2028", "\ud800"])
CONFIGS = st.fixed_dictionaries(
    {
        "corpus": st.fixed_dictionaries(
            {"split": st.sampled_from([[0.9, 0.1, 0.0], [1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])},
            optional={"mode": st.sampled_from(["stream", "documents", None]), "encoding": ANY_TEXT},
        ).flatmap(
            lambda corpus: (
                st.fixed_dictionaries({"name": ANY_TEXT}) | st.fixed_dictionaries({"path": st.lists(ANY_TEXT)})
            ).map(lambda source: corpus | source)
        )
    },
    optional={
        "vocab": st.fixed_dictionaries({}, optional={"max_size": st.none() | st.integers(1, 10**9)}),
        "training": st.fixed_dictionaries(
            {},
            optional={
                "learning_rate": st.floats(0, 1000, exclude_min=True),
                "minutes": st.floats(0, 525_600, exclude_min=True),
                "clip_norm": st.none() | st.floats(0, exclude_min=True, allow_infinity=False),
                "warmup": st.none() | st.sampled_from(["5%", "1 step", "2.5 minutes"]),
                "seed": st.integers(0, 2**63 - 1),
                "precision": st.sampled_from(["auto", "float32", "bfloat16"]),
            },
        ),
        "sampling": st.fixed_dictionaries({}, optional={"prompt": ANY_TEXT | st.text(max_size=300)}),
    },
)


@given(CONFIGS)
def test_a_dumped_config_is_parsed_as_it_was(document: dict[str, Any]) -> None:
    config = Config.model_validate(document)
    assert parse_config(dump(config)) == config


@pytest.mark.parametrize("prompt", ["4e-3", "08", "-09", "1E5", "5.e5", "no", "~", "\x85", " a\n b ", "\ufeff", "\r\n"])
def test_a_dumped_text_stays_a_text(prompt: str) -> None:
    config = parse_config(CORPUS)
    config.sampling.prompt = prompt
    assert parse_config(dump(config)).sampling.prompt == prompt


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.dates()
    | st.binary(max_size=3)
    | st.sampled_from([10**400, -(10**19), 1e308])
)
WORDS = st.sampled_from([*SECTIONS, *(key for _, key in KEYS)])
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=4) | st.integers(), inner, max_size=4)
    ),
    max_leaves=15,
)


def parses_or_is_refused(text: str, *overrides: str) -> None:
    try:
        config = parse_config(text, "my.yaml", overrides)
    except CharrnnError as error:
        assert str(error).strip()
        return
    assert parse_config(dump(config)) == config


@given(
    DOCUMENTS
    | st.fixed_dictionaries(
        {"corpus": DOCUMENTS | st.just({"name": "tang"})}, optional=dict.fromkeys(SECTIONS[1:], DOCUMENTS)
    )
)
def test_any_yaml_is_a_config_or_is_refused(document: Any) -> None:
    parses_or_is_refused(yaml.safe_dump(document, allow_unicode=True))


@given(st.sampled_from(KEYS), DOCUMENTS)
def test_any_value_of_a_key_is_taken_or_refused(path: tuple[str, str], value: Any) -> None:
    section, key = path
    document = {"corpus": {"name": "tang"}}
    document[section] = document.get(section, {}) | {key: value}
    parses_or_is_refused(yaml.safe_dump(document, allow_unicode=True))


SHAKESPEARE = find_config("shakespeare").read_text(encoding="utf-8") + dump(load_config("demo"))[:600]
PIECES = st.text(max_size=3) | st.sampled_from(
    [*"&*!|>%@`\"'{}[]:,#?-\t\n", "\n  ", ": ", "- ", "!!int ", "!!bool ", "!!float ", "!!set ", "<<: ", "---\n", "\\U"]
)


@given(st.lists(st.tuples(st.integers(0, len(SHAKESPEARE)), st.integers(0, 5), PIECES), max_size=4))
@example([(0, len(SHAKESPEARE), "")])
def test_a_config_with_slips_of_the_pen_is_taken_or_refused(slips: list[tuple[int, int, str]]) -> None:
    text = SHAKESPEARE
    for at, gone, piece in slips:
        text = text[:at] + piece + text[at + gone :]
    parses_or_is_refused(text)


SETTINGS = st.builds(lambda path, value: f"{'.'.join(path)}={value}", st.sampled_from(KEYS), PIECES | ANY_TEXT)


@given(st.text(max_size=30) | SETTINGS)
def test_any_override_is_taken_or_refused(override: str) -> None:
    parses_or_is_refused(CORPUS, override)


@given(st.binary(max_size=60))
def test_any_file_is_a_config_or_is_refused(content: bytes) -> None:
    Path("my.yaml").write_bytes(content)
    try:
        load_config("my.yaml")
    except CharrnnError:
        pass


def test_thousands_of_mistakes_are_not_all_told() -> None:
    told = message(CORPUS + "sampling: {" + ", ".join(f"x{i}: 0" for i in range(3000)) + "}").splitlines()
    assert len(told) == 21
    assert told[-1] == "my.yaml: and 2,980 more mistakes"


@pytest.mark.parametrize("key", ["corpus.field", "corpus.separator", "corpus.path", "sampling.prompt"])
@example("###")
@example("{title}")
@example("---")
@example("***")
@example("2024")
@example("true")
@given(st.text(st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(" #{}[]&*!|>%@`-?:,"), min_size=1))
def test_a_text_that_yaml_reads_otherwise_is_taken_as_it_stands(key: str, value: str) -> None:
    """A key that takes a text gets one, whatever is typed; what YAML reads as a text is that."""
    data: dict[str, Any] = {}
    section, name = key.split(".")
    try:
        apply_override(data, {}, f"{key}={value}")
    except CharrnnError:
        assert value.lstrip()[0] in "\"'" or not value.isprintable()
        return
    got = data[section][name]
    try:
        read = yaml.load(value, _Loader)
    except (yaml.YAMLError, ValueError):
        read = None
    if isinstance(read, str):
        assert got == read
    elif isinstance(got, str):
        assert got == value
    else:
        assert (got is None and value.strip() in NULLS) or (isinstance(got, list) and key == "corpus.path")


@pytest.mark.parametrize("key", ["training.minutes", "model.hidden_size", "corpus.mode", "corpus.simplify"])
def test_a_key_that_takes_no_text_gets_what_yaml_reads(key: str) -> None:
    with pytest.raises(CharrnnError, match="not valid YAML"):
        apply_override({}, {}, f"{key}={{a}}b")


def test_an_escaped_line_end_in_a_template_or_a_separator_is_one() -> None:
    for typed, field in ((r"{a}\n{b}", "{a}\n{b}"), (r"a\n", r"a\n")):
        assert CorpusConfig(path="a", field=typed).field == field
    for typed, separator in ((r"\n***\n", "\n***\n"), (r"/\n\[/", r"/\n\[/")):
        assert CorpusConfig(path="a", separator=typed).separator == separator


def test_a_config_extends_another_and_says_where_each_key_is_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("deep").mkdir()
    Path("deep/base.yaml").write_text(CORPUS + "model: {cell: gru, hidden_size: 64}\ntraining: {steps: 9}\n")
    Path("deep/middle.yaml").write_text("extends: base.yaml\ntraining: {minutes: 2}\n")
    Path("top.yaml").write_text("extends: deep/middle.yaml\nmodel: {hidden_size: 32}\n")
    config = load_config("top.yaml", ["model.num_layers=2"])
    assert (config.model.cell, config.model.hidden_size, config.model.num_layers) == ("gru", 32, 2)
    assert (config.training.minutes, config.training.steps) == (2, None)
    places = {f"{section}.{key}": place for section, key, _, place in explained("top.yaml", ["model.num_layers=2"])}
    assert places["model.cell"] == "deep/base.yaml, line 2"
    assert places["model.hidden_size"] == "top.yaml, line 2"
    assert places["training.minutes"] == "deep/middle.yaml, line 2"
    assert places["training.steps"] == "", "minutes took its place"
    assert places["model.num_layers"] == "--set model.num_layers=2"
    Path("deep/base.yaml").write_text(CORPUS + "model: {cell: gro}\n")
    with pytest.raises(CharrnnError, match=r"deep/base\.yaml, line 2: model\.cell"):
        load_config("top.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("extends: my.yaml", "my.yaml, line 1: extends: goes in a circle: my.yaml → my.yaml"),
        ("extends: other.yaml", "goes in a circle: my.yaml → other.yaml → my.yaml"),
        ("extends: nowhere.yaml", "my.yaml, line 1: extends: nowhere.yaml: no such file beside my.yaml"),
        ("extends: shakespear", "(nearest: shakespeare)"),
        ("extends: [a, b]", "extends: expected the name of a file"),
        ("extends:", "extends: expected the name of a file, not nothing"),
        ("extends: .", "no such file beside"),
    ],
)
def test_what_cannot_be_extended_is_told(
    text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text(text, encoding="utf-8")
    Path("other.yaml").write_text("extends: my.yaml", encoding="utf-8")
    with pytest.raises(CharrnnError) as raised:
        load_config("my.yaml")
    assert words in str(raised.value)


def test_a_strangers_run_extends_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("extends: shakespeare\n" + CORPUS, encoding="utf-8")
    with pytest.raises(CharrnnError, match="extends: unknown section"):
        parse_run_config(tmp_path / "config.yaml")


@pytest.mark.parametrize("text", ["training.steps=5,model.cell=gru", "corpus.path=a.txt, training.seed=1"])
def test_two_keys_in_one_override_are_refused_with_the_right_form(text: str) -> None:
    first, second = (part.strip() for part in text.split(","))
    with pytest.raises(CharrnnError) as raised:
        parse_config(CORPUS, overrides=[text])
    assert f"--set {first} --set {second}" in raised.value.for_command


def test_a_comma_in_a_value_is_no_second_key() -> None:
    assert parse_config(CORPUS, overrides=["sampling.prompt='a, b=c'"]).sampling.prompt == "a, b=c"
    assert parse_config(CORPUS, overrides=["corpus.path=[a.txt, b.txt]"]).corpus.path == ["a.txt", "b.txt"]
