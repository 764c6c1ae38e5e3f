"""The table of cells: what `model.cell` can name. The schema, the models, and whoever plans for speed read it here."""

from __future__ import annotations

from dataclasses import dataclass

STACK = (
    *("input_dropout", "output_dropout", "embedding_dropout"),
    *("input_layers", "output_layers", "residual", "norm", "tie_embedding"),
)
"""Keys of `model` for what stands around a recurrence: every recurrent cell takes them."""
RECURRENT = (*STACK, "bidirectional", "weight_dropout")
"""Keys of a recurrent cell that has weights from its last state to the next, and may read in both directions."""


@dataclass(frozen=True)
class Cell:
    """An architecture. All keys of `model` that only some cells take are named here."""

    source: str | type
    """Its class, or "module:Class", which is imported when a model is built and not before: that imports PyTorch."""
    own: tuple[str, ...] = ()
    """Keys that are its own; a layer's constructor is given them."""
    shared: tuple[str, ...] = STACK
    """Keys that it shares with others."""
    plugin: str = ""
    """The name of the file that it came from, if it is not charrnn's own."""
    code: str = ""
    """The SHA-256 of that file, and of what it imports from its folder."""

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys that some cells take and this one does."""
        return self.own + self.shared

    @property
    def is_recurrent(self) -> bool:
        """Whether it is a recurrence, which the stack around it carries through time."""
        return set(STACK) <= set(self.shared)


CELLS: dict[str, Cell] = {
    "ngram": Cell("charrnn.models.ngram:NGramModel", own=("order",), shared=()),
    "mlp": Cell("charrnn.models.mlp:WindowModel", own=("context", "activation"), shared=STACK[:3]),
    "rnn": Cell("charrnn.models.rnn:RNNLayer", own=("activation", "recurrent_init"), shared=RECURRENT),
    "lstm": Cell("charrnn.models.lstm:LSTMLayer", own=("forget_bias", "chrono_range"), shared=RECURRENT),
    "gru": Cell("charrnn.models.gru:GRULayer", shared=RECURRENT),
    "slstm": Cell("charrnn.models.slstm:SLSTMLayer", shared=RECURRENT),
    "mingru": Cell("charrnn.models.minimal:MinGRULayer"),
    "minlstm": Cell("charrnn.models.minimal:MinLSTMLayer"),
}
"""`model.cell` to what it names. A new cell is one file in models/ and one line here (docs/adding-a-cell.md)."""


def cells_with(key: str) -> list[str]:
    """The cells that take a key of `model`; an empty list where every cell does."""
    return [name for name, cell in CELLS.items() if key in cell.keys]


def recurrent_cells() -> list[str]:
    """The cells that are recurrences."""
    return [name for name, cell in CELLS.items() if cell.is_recurrent]
