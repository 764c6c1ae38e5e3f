"""The simple recurrent network (Elman 1990), with tanh or relu."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from charrnn.models.base import RecurrentLayer, State
from charrnn.models.layers import Activation, RecurrentInit, initial_recurrence, input_weights


class RNNLayer(RecurrentLayer):
    r"""The new state is a squashed sum of the input and the old state.

    .. math:: h_t = f(U x_t + W h_{t-1} + b), \qquad f = \tanh \text{ or } \mathrm{relu}

    On its way back through k steps the gradient is multiplied k times by W and by f', so it vanishes or explodes
    (arXiv:1211.5063). To delay this, W starts orthogonal and at first neither shrinks nor stretches a vector. With
    relu, W starts as the identity, so that the state at first keeps what it holds (IRNN, arXiv:1504.00941).
    `recurrent_init` chooses one of these for any f, or the normal numbers of variance 1/H that were usual before.
    """

    recurrent_weights = ("W",)

    def __init__(
        self, input_size: int, hidden_size: int, activation: Activation = "tanh", recurrent_init: RecurrentInit = None
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.activation = activation
        self.U = nn.Parameter(input_weights(hidden_size, input_size))
        begin = recurrent_init or ("identity" if activation == "relu" else "orthogonal")
        self.W = nn.Parameter(initial_recurrence(begin, hidden_size))
        self.b = nn.Parameter(torch.zeros(hidden_size))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The equation above for one t: x `[B, D]`, state (h,) to h `[B, H]` and (h,)."""
        f = torch.tanh if self.activation == "tanh" else torch.relu
        h = f(F.linear(x, self.U, self.b) + F.linear(state[0], self.W))
        return h, (h,)
