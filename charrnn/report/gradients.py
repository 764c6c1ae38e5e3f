"""How a gradient fades on its way back through time, and how long the gradient of the parameters is at each step."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from charrnn.config import Config, ModelConfig
from charrnn.errors import CharrnnError
from charrnn.experiments.compare import runs_in
from charrnn.experiments.variants import load_sweep
from charrnn.loading import find_config, load_base, read_layers
from charrnn.models import State, build_model, model_shape
from charrnn.models.recurrent import RecurrentModel
from charrnn.report.memory import part_of, targets_of
from charrnn.run import Run
from charrnn.store.history import read_history
from charrnn.terminal import say
from charrnn.text.corpora import resolve
from charrnn.text.dataset import Array, Part, load_dataset

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAGS = 100
"""The longest time, in characters, through which a gradient is followed."""
WINDOWS = 64
"""The number of places of the text at which a character is predicted."""
SHOWN = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""The lags of the table."""
THE_CELLS: dict[str, dict[str, Any]] = {
    "rnn, tanh": {"cell": "rnn"},
    "rnn, relu, identity": {"cell": "rnn", "activation": "relu"},
    "rnn, relu, gaussian": {"cell": "rnn", "activation": "relu", "recurrent_init": "gaussian"},
    "gru": {"cell": "gru"},
    "lstm, forget bias 0": {"cell": "lstm", "forget_bias": 0.0},
    "lstm, forget bias 1": {"cell": "lstm"},
    "lstm, chrono": {"cell": "lstm", "forget_bias": "chrono"},
    "mingru": {"cell": "mingru"},
}
"""The cells that are compared, and what each of them has as its `model`."""
TEXT_OF_THE_CELLS = "brackets-3-8"
"""The corpus that they read where no config names one: it needs no download."""
REFUTED = (
    "It would be refuted by a network that uses what lies further back than its gradient reaches after training; "
    "where a training begins, it may still be short. The threshold of clipping belongs to the gradient of the "
    "parameters, and not to these curves. Tests hold the curves against finite differences."
)
When = Literal["start", "trained"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Faded:
    """Norms of gradients at some lags, each divided by that at the first lag: median and quartiles over the places."""

    lags: tuple[int, ...]
    lower: tuple[float, ...]
    median: tuple[float, ...]
    upper: tuple[float, ...]

    @classmethod
    def of(cls, norms: Tensor, first: int) -> Faded:
        """From norms `[K, B]` at the lags `first`, `first` + 1, ... Raises CharrnnError where no gradient flows."""
        flowing = norms[:, norms[0] > 0]
        if not flowing.shape[1] or not flowing.isfinite().all():
            raise CharrnnError("no gradient flows back through this network, or one that is not finite")
        relative = flowing / flowing[0]
        marks = [tuple(one.tolist()) for one in relative.quantile(relative.new_tensor([0.25, 0.5, 0.75]), dim=1)]
        return cls(tuple(range(first, first + len(norms))), *marks)


@dataclass(frozen=True)
class Gradients:
    """The gradient of one model through time, and of its parameters from step to step."""

    name: str
    when: When
    states: Faded
    """Of the whole state that a step is given: lag 1 is the last step, which predicts."""
    embeddings: Faded
    """Of the vector of the character that a step reads: lag 0 is the last one."""
    steps: tuple[int, ...] = ()
    norms: tuple[float, ...] = field(default=(), repr=False)
    """The norm of the parameters' gradient, before clipping, at `steps` of the training: means over `log_every`."""
    clip_norm: float | None = None


def opened(given: Sequence[str], cells: bool) -> tuple[list[Run], dict[str, Config]]:
    """The runs and the configs by their names that some texts name: folders of runs, and files or names of configs.

    A config with a sweep gives one for each variant; those without a recurrence are left out, and told. With `cells`
    each of `THE_CELLS` takes the place of a config's model, and without any text they read `TEXT_OF_THE_CELLS`.
    Raises CharrnnError where there is no such run or config.
    """
    folders = [Path(one) for one in given if Path(one).is_dir()]
    named = [one for one in given if not Path(one).is_dir()]
    if cells and folders:
        raise CharrnnError(f"‹cells›: {folders[0]}: takes the place of a config's model; give a config, not a run")
    configs: dict[str, Config] = {}
    for name in named:
        whole = "sweep" not in read_layers(find_config(name))[0]
        if whole or cells:
            own = {name: load_base(name)}
        else:
            own = {f"{name}, {variant}": config for variant, config in load_sweep(name, seeds=1).items()}
            own = {variant: config for variant, config in own.items() if _flows(config, variant)}
        configs |= {f"{name}: {cell}": one for cell, one in the_cells(own[name]).items()} if cells else own
    if not given:
        configs = the_cells(Config(corpus={"name": TEXT_OF_THE_CELLS}))
    return runs_in(folders) if folders else [], configs


def _flows(config: Config, name: str) -> bool:
    try:
        _check(config.model, name)
    except CharrnnError as error:
        say(f"{error}; it is left out")
        return False
    return True


def of_run(run: Run, lags: int = LAGS, text: str | Path | None = None) -> Iterator[Gradients]:
    """The gradients of a run at the start of its training, which is made again from its seed, and after it.

    They are measured on its validation part, or on a `text`. Raises CharrnnError for a model that is not recurrent.
    """
    config, name = run.config, str(run.path)
    _check(config.model, name)
    (part,) = part_of([run], text)
    if run.facts.init_from:
        say(f"{name}: began with the weights of another run, which it does not keep: its start is left out")
    else:
        yield at_start(config, len(run.vocabulary), part, name, lags)
    trained = run.model.learner
    assert isinstance(trained, RecurrentModel)
    history = [(line["step"], line["gradient_norm"]) for line in read_history(run.metrics, "gradient_norm")]
    steps, norms = zip(*history, strict=True) if history else ((), ())
    states, embeddings = faded(trained, part, lags)
    yield Gradients(name, "trained", states, embeddings, steps, norms, config.training.clip_norm)


def of_config(config: Config, name: str, lags: int = LAGS) -> Gradients:
    """The gradients of a config's model before any training, on the validation part of its corpus.

    Where nothing is held out they are measured on the training part. Raises CharrnnError as `of_run` does.
    """
    _check(config.model, name)
    files, corpus = resolve(config.corpus)
    dataset = load_dataset(files, corpus, config.vocab)
    part = dataset.part("val", corpus)
    if not part.characters:
        part = dataset.part("train", corpus)
    return at_start(config, len(dataset.vocabulary), part, name, lags)


def at_start(config: Config, vocab_size: int, part: Part, name: str, lags: int = LAGS) -> Gradients:
    """The gradients of a config's model with the weights that its seed gives."""
    fresh = build_model(config.model.model_copy(update={"ngram": None}), vocab_size, config.training.seed)
    assert isinstance(fresh, RecurrentModel)
    return Gradients(name, "start", *faded(fresh, part, lags))


def the_cells(config: Config) -> dict[str, Config]:
    """The config with each of `THE_CELLS` in turn, of its own sizes."""
    sizes = config.model.model_dump(include={"hidden_size", "embedding_size", "num_layers"})
    return {
        name: config.model_copy(update={"model": ModelConfig.model_validate(sizes | own)})
        for name, own in THE_CELLS.items()
    }


def faded(model: RecurrentModel, part: Part, lags: int = LAGS) -> tuple[Faded, Faded]:
    """How the gradients of states and of embeddings fade, in float64, over some 64 places of a part.

    Raises CharrnnError where the text is too short.
    """
    model = _double(model)
    ids, state = _windows(model, part, lags)
    states, embeddings = through_time(model, ids[:-1], ids[-1], state)
    return Faded.of(states, 1), Faded.of(embeddings, 0)


def through_time(model: RecurrentModel, ids: Tensor, target: Tensor, state: State) -> tuple[Tensor, Tensor]:
    r"""Norms of the gradients of one prediction: of the states `[K, B]`, from lag 1 on, and of the embeddings `[K, B]`,
    from lag 0 on.

    .. math:: \left\lVert \frac{\partial L_t}{\partial s_{t-k}} \right\rVert, \qquad
              \left\lVert \frac{\partial L_t}{\partial x_{t-k}} \right\rVert

    The model reads ids `[K, B]` from a state, and L is -ln p of the target `[B]` that comes after them. A state of
    several tensors, such as h and c, is taken as one vector: a change of it is a change of what the next step is given.
    """
    states, vectors = [], []
    state = tuple(tensor.detach().requires_grad_() for tensor in state)
    for character in ids:
        x = model.embedding(character).detach().requires_grad_()
        states.append(state)
        vectors.append(x)
        features, after = model.trunk.step(x, state)
        # Copies: otherwise a change of c would also change the h of the same state, which is made of it.
        state = tuple(tensor.clone() for tensor in after)
    loss = F.cross_entropy(model.readout(features), target, reduction="sum")  # columns do not touch each other
    flat = [tensor for state in states for tensor in state]
    found = torch.autograd.grad(loss, [*flat, *vectors], allow_unused=True, materialize_grads=True)
    squares = [one.square().sum(-1) for one in found]
    width = len(states[0])
    of_states = torch.stack([sum(squares[i : i + width], torch.zeros(())) for i in range(0, len(flat), width)])
    return of_states.sqrt().flip(0), torch.stack(squares[len(flat) :]).sqrt().flip(0)


def _check(model: ModelConfig, name: str) -> None:
    learner = model_shape(model, 3).learner
    if not isinstance(learner, RecurrentModel):
        what = "a bidirectional model" if model.bidirectional else f"model.cell {model.cell}"
        raise CharrnnError(f"{name}: {what} has no state through which a gradient flows back; give a recurrent one")


def _double(model: RecurrentModel) -> RecurrentModel:
    """A copy in float64 on the CPU, whose weights need no gradient."""
    return copy.deepcopy(model).to("cpu", torch.float64).eval().requires_grad_(False)


def _windows(model: RecurrentModel, part: Part, lags: int) -> tuple[Tensor, State]:
    """Characters `[K + 1, B]` at places of a part, K of them to be read from a state, which is given too.

    In documents mode they are the first ones of long documents, after the boundary. In a stream, as many characters
    have been read before.
    """
    text = np.asarray(part.ids)
    if part.documents is not None:
        lengths = part.documents[:, 1] - part.documents[:, 0]
        length = min(lags, int(np.sort(lengths)[-min(WINDOWS, len(lengths))]))
        begins = part.documents[lengths >= length][:WINDOWS, 0]
        rows = text[begins + np.arange(length)[:, None]].astype(np.int64)
        boundaries = np.full((1, len(begins)), model.boundary)
        return torch.from_numpy(np.concatenate([boundaries, rows])), model.initial_state(len(begins))
    places: Array = targets_of(part, WINDOWS, together=1).places
    places = places[places >= lags]
    if not len(places):
        raise CharrnnError(f"a text of more than {lags} characters was expected before those that are held out")
    before = min(lags, int(places.min()) - lags)
    ids = torch.from_numpy(text[places - lags - before + np.arange(lags + before + 1)[:, None]].astype(np.int64))
    state = model.initial_state(len(places))
    with torch.no_grad():
        for character in ids[:before]:
            state = model.step(character, state)[1]
    return ids[before:], state


def drawn(found: Sequence[Gradients]) -> Figure:
    """The gradients of states and embeddings against the lag, and those of the parameters against the step."""
    from charrnn.experiments.picture import colours, figure, plain

    names = list(dict.fromkeys(one.name for one in found))
    trainings = [one for one in found if one.steps]
    picture = figure(6.5 * (2 + bool(trainings)), 5.5, "out")
    axes = picture.subplots(1, 2 + bool(trainings), squeeze=False)[0]
    colour = dict(zip(names, colours(len(names)), strict=True))
    both = len({one.when for one in found}) > 1
    for one in found:
        style = {"color": colour[one.name], "linestyle": ":" if both and one.when == "start" else "-"}
        label = plain(Path(one.name).name + (f", {one.when}" if both else ""))
        for axis, curve in zip(axes, (one.states, one.embeddings), strict=False):
            axis.plot(curve.lags, _positive(curve.median), label=label, **style)
            lower, upper = _positive(curve.lower), _positive(curve.upper)
            axis.fill_between(curve.lags, lower, upper, color=style["color"], alpha=0.12, linewidth=0)
    for axis, what in zip(axes, ("state $s_{t-k}$", "embedding $x_{t-k}$"), strict=False):
        axis.set(yscale="log", xlabel="k, characters back", ylabel=f"norm of the gradient of the {what}, relative")
        axis.grid(alpha=0.3)
    for one in trainings:
        axes[2].plot(one.steps, one.norms, color=colour[one.name], linewidth=1, label=plain(Path(one.name).name))
        if one.clip_norm is not None:
            axes[2].axhline(one.clip_norm, color=colour[one.name], linestyle="--", linewidth=1)
    if trainings:
        axes[2].set(yscale="log", xlabel="step", ylabel="norm of the parameters' gradient; dashed: clip_norm")
        axes[2].grid(alpha=0.3)
    handles, labels = axes[0].get_legend_handles_labels()
    picture.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), title="median, quartiles")
    return picture


def _positive(values: Sequence[float]) -> Floats:
    """What can be drawn on a logarithmic axis."""
    array = np.array(values)
    return np.where(array > 0, array, np.nan)
