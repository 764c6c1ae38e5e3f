"""The whole YAML schema on one page: every key with its default, its unit and its bounds.

`loading.py` makes a `Config` from a file and words the messages of its mistakes.
"""

from __future__ import annotations

import re
import string
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from charrnn.cells import CELLS, cells_with, recurrent_cells
from charrnn.mistakes import Place, mistakes, nearest


class Interval(NamedTuple):
    """An amount of training: `500 steps`, `2 minutes`, `1 epochs`, `10 %`."""

    amount: float
    unit: str


@cache
def parse_interval(text: str) -> Interval:
    """The interval that `text` names. Raises ValueError, which shows the expected form, if it names none."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(steps?|minutes?|epochs?|%)\s*", text)
    if not match or not 0 < float(match[1]) < 1e12:
        raise ValueError("an amount above 0 and a unit, such as '500 steps', '2 minutes', '1 epoch' or '10%'")
    unit = match[2]
    return Interval(float(match[1]), unit if unit == "%" or unit.endswith("s") else unit + "s")


def _check_interval(text: str) -> str:
    parse_interval(text)
    return text


def _known_cell(name: str) -> str:
    if name not in CELLS:
        *others, last = map(repr, CELLS)
        raise ValueError(
            f"{', '.join(others)} or {last}, not {name[:60]!r}{nearest(name, CELLS)}; a cell of your own comes by "
            "‹plugin=FILE.py›"
        )
    return name


def _list_cells(schema: dict[str, Any]) -> None:
    schema["enum"] = list(CELLS)


Cell = Annotated[str, AfterValidator(_known_cell), Field(json_schema_extra=_list_cells)]
Every = Annotated[str, AfterValidator(_check_interval)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(ge=0, lt=1)]


def _blank_lines(value: Any) -> Any:
    """`blank-lines: 2`, which YAML reads as a mapping, as a text."""
    return f"blank-lines: {value['blank-lines']}" if isinstance(value, dict) and [*value] == ["blank-lines"] else value


def pattern_in(separator: str) -> str | None:
    """The regular expression in a separator `/.../`; None if it is something else."""
    return separator[1:-1] if len(separator) > 2 and separator[0] == separator[-1] == "/" else None


def names_in(template: str) -> list[str]:
    """The names in the braces of a template; none in a plain name. Raises ValueError."""
    return [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]


def _check_separator(text: str) -> str:
    count = re.fullmatch(r"blank-lines: ?(\S+)", text)
    if not text or (count and not re.fullmatch(r"[1-9]\d{0,2}", count[1])):
        raise ValueError("blank-line, `blank-lines: 2` (1 to 999), line, file, a text, or a /regular expression/")
    if (pattern := pattern_in(text)) is None:
        return _with_line_ends(text)
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"a regular expression between the slashes; this one is none: {error}") from None
    return text


def _check_template(text: str) -> str:
    try:
        names = names_in(text)
    except ValueError as error:
        raise ValueError(f'a name, or names in braces such as "{{title}}\\n{{text}}": {error}') from None
    if not text or any(not name or set(name) & set(".[") for name in names):
        raise ValueError('a name, or names in braces such as "{title}\\n{text}"')
    return _with_line_ends(text) if names else text


def _with_line_ends(text: str) -> str:
    r"""The text with \n and \t as a line end and a tab. A shell, and YAML without quotation marks, leave them."""
    return text.replace("\\n", "\n").replace("\\t", "\t")


Separator = Annotated[str, BeforeValidator(_blank_lines), AfterValidator(_check_separator)]
Template = Annotated[str, AfterValidator(_check_template)]
Errors = Literal["strict", "replace", "skip"]


class Section(BaseModel):
    """A section of the file. Unknown keys and wrong types are mistakes."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True, allow_inf_nan=False)


class CorpusConfig(Section):
    """The text: a named corpus or your own files."""

    name: str | None = None
    """A named corpus (`charrnn corpus list`). Give either this or `path`."""
    path: str | list[str] | None = None
    """Your own text: a file, a list of files, a glob such as "songs/*.txt", or a folder (its *.txt files).
    Relative paths begin at the folder in which the command runs."""
    mode: Literal["stream", "documents"] | None = None
    """`stream` reads one long text (a novel) and carries the state along; `documents` reads many short texts
    (poems), each from a fresh state. Default: the mode of a named corpus, otherwise `stream`."""
    separator: Separator = "blank-line"
    """What ends a document, in documents mode; the end of a file always does: `blank-line`, `blank-lines: 2` (that many
    or more), `line`, `file` (nothing else), a text such as "<|endoftext|>", in which \\n is a line end, or a regular
    expression between slashes."""
    field: Template | None = None
    """The texts of a table, each a document: a column of CSV or TSV, a key of JSON (a list of objects) or JSON lines.
    Several make a template, such as "《{title}》{author}\\n{text}", in which \\n is a line end. null reads a file as
    plain text."""
    encoding: str = "utf-8"
    """The name of a codec (utf-8, gb18030, big5, shift_jis, utf-16, latin-1, ...), or `auto` to recognise it."""
    errors: Errors = "strict"
    """What becomes of bytes that are not in the encoding: `strict` refuses the text, `replace` makes each U+FFFD,
    `skip` leaves it out. Their number and the place of the first are told."""
    normalization: Literal["none", "nfc", "nfkc"] = "none"
    """Unicode normalisation of the text and of prompts."""
    simplify: bool = False
    """Turns traditional Chinese characters into simplified ones (extra `charrnn[simplify]`)."""
    split: Annotated[list[Fraction], Field(min_length=3, max_length=3)] = [0.9, 0.1, 0.0]
    """Fractions for training, validation and test; their sum is 1. `holdout` says where the parts of a stream lie; in
    documents mode each document belongs to one part, in a fixed shuffled order."""
    holdout: Literal["spread", "tail", "each-file"] | None = None
    """Where the validation and test parts of a stream lie: `spread` takes about 20 pieces of each, evenly over the
    text; `tail` takes the end of the text; `each-file` the end of every file. null: `tail` for a named corpus whose
    figures in the literature are those of its end (tiny-shakespeare), otherwise `spread`."""
    shared_run: Annotated[int, Field(ge=4, le=1000)] | None = 10
    """Documents that share a run of so many characters stay together in one part, so that none is learnt from that is
    repeated in another part. Ideographs count, and in other scripts words; punctuation does not. null deals each
    document by itself, as bytes are."""
    validation: str | list[str] | None = None
    """Another text that is the validation part, given as `path` is. The whole corpus is then learnt from, but for the
    test part: the validation fraction of `split` goes to training."""

    @property
    def fractions(self) -> list[float]:
        """The fractions of the corpus for training, validation and test: `split`, unless another text validates."""
        train, val, test = self.split
        return self.split if self.validation is None else [train + val, 0.0, test]

    @model_validator(mode="after")
    def _one_source(self) -> CorpusConfig:
        if (self.name is None) == (self.path is None):
            raise ValueError("exactly one of corpus.name (`charrnn corpus list`) and corpus.path (your own text)")
        if abs(sum(self.split) - 1) > 1e-6 or self.split[0] == 0:
            raise ValueError(
                f"fractions whose sum is 1, the first above 0, as corpus.split; their sum is {sum(self.split):g}"
            )
        return self


class VocabConfig(Section):
    """The alphabet: its kind and its size."""

    kind: Literal["char", "byte"] = "char"
    """`char`: Unicode characters. `byte`: the 256 byte values, so that any file can be read."""
    min_count: Annotated[int, Field(ge=1)] | Literal["auto"] = 1
    """Characters that occur less often than this become <unk>. `auto`: 2, but 1 in a text of fewer than 100,000
    characters, which loses none."""
    max_size: Annotated[int, Field(ge=1)] | None = None
    """Only this many characters are kept, the most frequent; the others become <unk>. null keeps all."""
    also: str = ""
    """Characters that belong to the alphabet whether the text has them or not. A training that begins from a run
    (`init_from`) has the run's characters here."""


class NGramConfig(Section):
    """An n-gram beside a network, and a second one that counts only what was read lately."""

    order: Annotated[int, Field(ge=1, le=8)] | Literal["auto"] = "auto"
    """Length of the n-grams in characters, with the predicted one. `auto`: 8 for an alphabet of at most 300, else 6."""

    recent: Annotated[int, Field(ge=0, le=100_000)] = 1000
    """Number of the last characters that are counted too, as names and turns come again. 0 counts nothing of them."""

    keep: Annotated[float, Field(ge=0, le=1)] | Literal["auto"] = "auto"
    """The weight of what the n-gram of another run has counted, where a training begins from that run (`init_from`):
    0 keeps nothing, 1 all. `auto` finds the weight on text that neither has learnt from."""

    def order_for(self, vocab_size: int) -> int:
        """The order for an alphabet."""
        if self.order == "auto":
            return 8 if vocab_size <= 300 else 6
        return self.order


class ModelConfig(Section):
    """The model: its architecture, sizes and dropout."""

    cell: Cell = "lstm"
    """The architecture (charrnn/cells.py and charrnn/models/)."""
    num_layers: Annotated[int, Field(ge=1, le=64)] = 1
    """Number of stacked recurrent layers; for `cell: mlp`, of fully connected layers."""
    hidden_size: Annotated[int, Field(ge=1, le=65536)] = 256
    """Number of units of each layer."""
    embedding_size: Annotated[int, Field(ge=1, le=65536)] = 64
    """Length of the vector that represents a character."""
    dropout: Probability = 0.0
    """Probability that a unit of the embedding, or of a layer's output, is dropped."""
    input_dropout: Probability | None = None
    """Dropout of the embedding; null uses `dropout`."""
    output_dropout: Probability | None = None
    """Dropout of the last layer's output; null uses `dropout`."""
    embedding_dropout: Probability = 0.0
    """Probability that a character of the alphabet is dropped, at all its places in a window."""
    weight_dropout: Probability = 0.0
    """Probability that a recurrent weight (from the last state to the next) is dropped, for a whole window."""
    locked_dropout: bool = False
    """Use one dropout mask for all time steps of a window, instead of one for each (arXiv:1512.05287)."""
    order: Annotated[int, Field(ge=1, le=8)] = 5
    """Length of the n-grams of `cell: ngram` in characters, with the predicted one. It has no layers and no units."""
    context: Annotated[int, Field(ge=1, le=1000)] = 8
    """Number of characters that `cell: mlp` sees."""
    activation: Literal["tanh", "relu"] = "tanh"
    """The non-linearity of rnn and mlp."""
    recurrent_init: Literal["identity", "orthogonal", "gaussian"] | None = None
    """The recurrent weights with which rnn begins: `identity`, a random `orthogonal` matrix, or `gaussian` numbers of
    variance 1 / hidden_size. null: identity for relu, orthogonal for tanh."""
    forget_bias: Annotated[float, Field(ge=-20, le=20)] | Literal["chrono"] = 1.0
    """Initial bias of the forget gates of lstm; above 0 the cell at first keeps what it holds. `chrono` draws those of
    the units so that they at first keep it for 2 to `chrono_range` characters (arXiv:1804.11188)."""
    chrono_range: Annotated[int, Field(ge=3, le=1_000_000)] = 128
    """The longest of the memories with which lstm begins under `forget_bias: chrono`, in characters."""
    input_layers: Annotated[int, Field(ge=0, le=64)] = 0
    """Number of fully connected layers of `hidden_size` units between the embedding and the recurrence."""
    output_layers: Annotated[int, Field(ge=0, le=64)] = 0
    """Number of fully connected layers of `hidden_size` units between the recurrence and the output."""
    bidirectional: bool = False
    """Predict each character from those before and after it (rnn, lstm, gru), to fill blanks; it cannot write on."""
    residual: bool = False
    """Each recurrent layer adds its output to its input, if their widths agree."""
    norm: Literal["none", "layer", "rms"] = "none"
    """Normalisation before each recurrent layer and after the last one."""
    tie_embedding: bool = False
    """The output layer uses the embedding's weights (arXiv:1608.05859); the last recurrent layer is then
    `embedding_size` wide."""
    ngram: NGramConfig | None = None
    """An n-gram that predicts together with the network (any that reads from left to right): `ngram: {}`, or
    `ngram: {order: 6}`. null for the network alone."""
    options: dict[str, bool | int | float | str] = {}
    """Keyword arguments for the layer of a cell of your own (docs/adding-a-cell.md)."""

    @model_validator(mode="after")
    def _consistent(self) -> ModelConfig:
        if self.tie_embedding and self.output_layers and self.embedding_size != self.hidden_size:
            raise ValueError(
                f"model.embedding_size equal to model.hidden_size ({self.hidden_size}), because model.tie_embedding is "
                f"on and model.output_layers is not 0; embedding_size is {self.embedding_size}"
            )
        for key, field in type(self).model_fields.items():
            cells = cells_with(key)
            if cells and self.cell not in cells and getattr(self, key) != field.default:
                raise ValueError(f"no model.{key}, which belongs to {', '.join(cells)}; model.cell is {self.cell}")
        if self.chrono_range != type(self).model_fields["chrono_range"].default and self.forget_bias != "chrono":
            raise ValueError(f"no model.chrono_range, because model.forget_bias is {self.forget_bias:g} and not chrono")
        if self.options and not CELLS[self.cell].plugin:
            raise ValueError(f"no model.options, which belongs to cells of your own; model.cell is {self.cell}")
        if self.ngram and (self.bidirectional or self.cell == "ngram"):
            what = "model.bidirectional is on" if self.bidirectional else "model.cell is ngram itself"
            raise ValueError(f"no model.ngram, because {what}; it stands beside networks that read from left to right")
        if self.tie_embedding and self.bidirectional:
            raise ValueError("no model.tie_embedding, because model.bidirectional is on and has two output layers")
        return self

    @property
    def shape(self) -> str:
        """The model in three words: its cell, depth and width."""
        if self.cell == "ngram":
            return f"ngram of order {self.order}"
        return f"{'bidirectional ' if self.bidirectional else ''}{self.cell} {self.num_layers} × {self.hidden_size}"

    def describe(self) -> str:
        """The model in one line: its cell, depth and width, and every key that differs from its default."""
        if self.cell == "ngram":
            return self.shape
        named = {"cell", "num_layers", "hidden_size", "embedding_size", "bidirectional", "ngram", "options"}
        others = [
            key if value is True else f"{key} {value}"
            for key, value in (self.model_dump(exclude=named) | self.options).items()
            if key in self.options or value != type(self).model_fields[key].default
        ]
        if self.ngram:
            others.append("with an n-gram" + ("" if self.ngram.order == "auto" else f" of order {self.ngram.order}"))
        return ", ".join([self.shape, f"embedding {self.embedding_size}", *others])


class TrainingConfig(Section):
    """How long, in which steps, and how carefully."""

    minutes: Annotated[float, Field(gt=0, le=525_600)] | None = None
    """Length of the training in minutes, over which the learning rate anneals. Default: 5, if neither `steps`
    nor `epochs` is given. Beside one of them, whichever is over first ends the training."""
    steps: Annotated[int, Field(ge=1)] | None = None
    """Length of the training in optimizer steps."""
    epochs: Annotated[float, Field(gt=0)] | None = None
    """Length of the training in passes over the training text."""
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 16
    """Number of texts that are read side by side: streams, or documents."""
    window: Annotated[int, Field(ge=1, le=1_000_000)] = 64
    """Number of characters through which the gradient flows back (truncated backpropagation through time)."""
    window_deviation: Annotated[float, Field(ge=0, le=1_000_000)] = 0.0
    """Standard deviation of a window's length around `window`, in characters. One window in twenty has half of `window`
    as its mean. The learning rate is scaled with the length (stream mode)."""
    forget: Fraction = 0.0
    """Probability that a stream begins a window in the initial state instead of the carried one, so that the network
    also learns to start from nothing (stream mode)."""
    optimizer: Literal["adamw", "muon", "adam", "rmsprop", "sgd"] = "adamw"
    """The rule by which weights follow the gradient. With `muon` the matrices of the layers take orthogonal steps, and
    adamw moves all other weights; a step costs more and gives more (Jordan et al. 2024)."""
    learning_rate: Annotated[float, Field(gt=0, le=1000)] = 3e-3
    """The highest learning rate."""
    weight_decay: Annotated[float, Field(ge=0, le=100)] = 0.01
    """Decay of matrices (never of biases), for each step and unit of learning rate."""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Decay of the mean gradient: Adam's first moment, or the momentum of sgd and rmsprop."""
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Decay of the mean squared gradient (adamw, adam, rmsprop, and the adamw beside muon)."""
    schedule: Literal["cosine", "constant", "step"] = "cosine"
    """How the learning rate falls after the warm-up."""
    warmup: Every | None = "5%"
    """Time of the linear rise of the learning rate from 0; null for no rise."""
    final_rate: Fraction = 0.02
    """`schedule: cosine` ends at this fraction of the learning rate."""
    decay_every: Every = "25%"
    """`schedule: step` multiplies the learning rate by `decay_factor` after each such interval."""
    decay_at: list[Every] = []
    """Moments at which `schedule: step` multiplies it instead of every `decay_every`, such as ["60%", "80%"]."""
    decay_factor: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The factor by which `schedule: step` multiplies the learning rate."""
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0
    """A gradient longer than this is shortened to this length (arXiv:1211.5063); null for no clipping."""
    clip_value: Annotated[float, Field(gt=0, le=1e9)] | None = None
    """Each component of the gradient is limited to [-clip_value, clip_value]; null for no limit."""
    explosion_steps: Annotated[int, Field(ge=1)] = 3
    """A step whose loss or gradient is not finite is not applied. After this many such steps in a row, the last
    checkpoint is loaded, and training goes on with half the learning rate."""
    explosions: Annotated[int, Field(ge=0)] = 5
    """How often the last checkpoint may be loaded in this way before the training gives up."""
    activation_penalty: Annotated[float, Field(ge=0)] = 0.0
    """Factor of a term of the loss: the mean square of the last recurrent layer's output after dropout, in nats
    (AR of arXiv:1708.01009)."""
    slowness_penalty: Annotated[float, Field(ge=0)] = 0.0
    """Factor of another term: the mean square of the change of that output from character to character (TAR)."""
    average_after: Every | None = None
    """From this moment on, the weights are averaged over the steps, and the average is evaluated, sampled from and
    saved (Polyak & Juditsky 1992); null for never."""
    average_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """1: all steps count alike. Below 1 the average is exponential and keeps this fraction of itself at each step."""
    evaluate_every: Every = "10%"
    """How often the validation loss is measured. The best loss so far is saved as a checkpoint."""
    evaluate_characters: Annotated[int, Field(ge=1)] | Literal["auto", "all"] = "auto"
    """The most validation characters of an evaluation, from evenly spread places. `auto`: so many that the standard
    error is 1 % of the loss (3,000 to 12,000), or one for 200 characters that were learnt from before the first
    evaluation, which is some 1 % of the time; and all for an n-gram."""
    checkpoint_every: Every = "10%"
    """How often a checkpoint is written, from which a training can be resumed."""
    keep: Annotated[int, Field(ge=1, le=1000)] = 2
    """Number of the newest checkpoints that are kept, beside the best one."""
    sample_every: Every | None = "25%"
    """How often a sample is written; null for never."""
    log_every: Annotated[int, Field(ge=1)] = 10
    """Number of steps between two lines of metrics.jsonl."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """Training stops after this many evaluations without a better loss; null for never."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the initial weights, the order of documents and the dropout masks."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of matrix products in training: `auto` is bfloat16 on CUDA and float32 on the CPU. A CPU without
    instructions for bfloat16 computes in float32. Evaluation is always in float32."""
    kernels: Literal["auto", "plain"] = "auto"
    """How recurrences are computed: `auto` takes the fastest way there is, in C or by PyTorch's kernels. `plain` takes
    the equations in models/, one time step after the other: slow, and good to step through in a debugger."""
    freeze: list[Annotated[str, Field(min_length=1)]] = []
    """Beginnings of the names of weights that do not learn, such as [embedding, trunk.layers.0]."""
    worker_timeout: Annotated[float, Field(gt=0, le=1_000_000)] = 7200.0
    """Seconds for which another worker is waited for that does not answer: it may be encoding, or evaluating. Then the
    last step is saved, and the training ends. Every silence of 20 seconds is told, and `minutes` are kept."""
    tensorboard: bool = False
    """Write TensorBoard files into the run (extra `charrnn[tensorboard]`)."""
    track: Literal["wandb", "trackio"] | None = None
    """Send metrics and config to Weights & Biases, or to trackio on this machine (pip install wandb, or trackio)."""

    @model_validator(mode="after")
    def _one_length(self) -> TrainingConfig:
        if self.steps is not None and self.epochs is not None:
            raise ValueError("training.steps or training.epochs, not both")
        if (self.minutes, self.steps, self.epochs) == (None, None, None):
            self.minutes = 5.0
        return self


class SamplingConfig(Section):
    """How the samples of a training are written, and the defaults of `charrnn sample`."""

    prompt: str = ""
    """The text that a sample continues."""
    length: Annotated[int, Field(ge=1, le=10_000_000)] = 200
    """The most characters that are written after the prompt."""
    temperature: Annotated[float, Field(ge=0, le=100)] = 0.8
    """Below 1 the choice is more careful, above 1 bolder; 0 always takes the most likely character."""
    top_k: Annotated[int, Field(ge=1)] | None = None
    """Draw only from the k most likely characters; null draws from all."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Draw only from the most likely characters that together have this probability (arXiv:1904.09751)."""
    repetition_penalty: Annotated[float, Field(ge=1, le=100)] = 1.0
    """Multiplies the log-probability of the last 64 characters; above 1 they become less likely."""


class Config(Section):
    """A whole config: corpus, vocabulary, model, training and sampling.

    In Python a section is a dict of its keys, or a section of another config: `Config(corpus={"path": "novel.txt"},
    model=run.config.model)`. Raises CharrnnError, with a line for each mistake: its key, what was expected, and the
    nearest valid key.
    """

    if TYPE_CHECKING:  # pydantic tells type checkers of sections alone

        def __init__(
            self,
            *,
            corpus: CorpusConfig | dict[str, Any],
            vocab: VocabConfig | dict[str, Any] = ...,
            model: ModelConfig | dict[str, Any] = ...,
            training: TrainingConfig | dict[str, Any] = ...,
            sampling: SamplingConfig | dict[str, Any] = ...,
        ) -> None: ...

    corpus: CorpusConfig
    vocab: VocabConfig = Field(default_factory=VocabConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    sampling: SamplingConfig = Field(default_factory=SamplingConfig)

    def with_keys(self, section: str, **values: Any) -> Config:
        """The config with other values of some keys of a section, which are not validated."""
        return self.model_copy(update={section: getattr(self, section).model_copy(update=values)})

    @model_validator(mode="after")
    def _penalties_of_recurrences(self) -> Config:
        for key in ("activation_penalty", "slowness_penalty"):
            cell = self.model.cell
            if getattr(self.training, key) and not CELLS[cell].is_recurrent:
                raise ValueError(
                    f"no training.{key}, which belongs to {', '.join(recurrent_cells())}; model.cell is {cell}"
                )
        return self

    @model_validator(mode="wrap")  # the last, and so around all others
    @classmethod
    def _told(cls, data: Any, validate: ModelWrapValidatorHandler[Config], info: ValidationInfo) -> Config:
        try:
            return validate(data)
        except ValidationError as error:
            raise mistakes(error, cls, data, info.context or Place()) from None


EXCLUSIVE = (
    ("corpus.name", "corpus.path"),
    ("training.minutes", "training.steps", "training.epochs"),
    ("sweep.grid", "sweep.variants"),
)
"""Groups of keys that stand for one another. An override of one key removes the other keys of its group."""
