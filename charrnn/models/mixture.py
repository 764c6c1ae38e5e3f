"""A network and an n-gram together: what counting knows and what a state carries, weighed by how much each knows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from charrnn.models.base import LanguageModel, State
from charrnn.models.ngram import NGramModel

STEPS = 20
"""The most steps of Newton's method; some six are needed."""
DAMPING = 20.0
"""The strength with which the weights of each length are held to those of all lengths: that of so many characters."""


Piece = tuple[Tensor, Tensor, Tensor]
"""Some places of a text: ln p of network and n-gram `[N, 2, V]`, the number m of known characters `[N]`, and the
characters that came `[N]`."""


class Mixture(LanguageModel):
    r"""Predicts with a network and an n-gram: their probabilities to the powers a and b, multiplied and normalised.

    .. math::
        \ln p(w \mid h) = a_m \ln p_{network}(w \mid h) + b_m \ln p_{n-gram}(w \mid h) - \ln Z(h)

    m is the number of characters before w that the n-gram has seen followed by something: the longer that context, the
    more the n-gram knows. The weights `trust` `[order, 2]` of a and b are not set by hand: `fit` finds those under
    which a text that neither has learnt from is likeliest. The product of experts of Hinton (Neural Computation 14,
    2002); language models were so combined by Klakow (ICSLP 1998).

    Only the network learns by gradient. The n-gram is counted once and then stands.
    """

    trust: Tensor

    def __init__(self, network: LanguageModel, ngram: NGramModel) -> None:
        """Until `fit`, the n-gram predicts alone, because a fresh network knows nothing."""
        super().__init__(network.vocab_size)
        self.network, self.ngram = network, ngram
        self.register_buffer("trust", torch.tensor([[0.0, 1.0]]).repeat(ngram.order, 1))
        self._states = len(network.initial_state(1))

    @property
    def learner(self) -> LanguageModel:
        """The network."""
        return self.network

    @property
    def counted(self) -> list[str]:
        """The tables of the n-gram."""
        return [f"ngram.{name}" for name in self.ngram.state_dict()]

    def initial_state(self, batch: int) -> State:
        """The state of the network, and the last characters for the n-gram."""
        return self.network.initial_state(batch) + self.ngram.initial_state(batch)

    def blank_state(self, batch: int) -> State:
        """The state of each that knows nothing of what stands before."""
        return self.network.blank_state(batch) + self.ngram.blank_state(batch)

    def features(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """ids `[T, B]` to the network's features and the n-gram's contexts, `[T, B, D + order - 1]`, and the new state.

        They share a tensor of float64, which holds ranks below 2^53 exactly.
        """
        features, now = self.network.features(ids, state[: self._states])
        ranks, last = self.ngram.features(ids, state[self._states :])
        return torch.cat([features.double(), ranks.double()], dim=-1), now + last

    def readout(self, features: Tensor) -> Tensor:
        """Features to log-probabilities `[..., V]`."""
        network, ranks = self._apart(features)
        return mixed(network, self._counted(ranks, network), self.trust[self.ngram.known(ranks)])

    def experts(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features to ln p of network and n-gram, `[..., 2, V]`, and the lengths m `[...]` of the known contexts."""
        network, ranks = self._apart(features)
        counted = self._counted(ranks, network)
        return torch.stack([F.log_softmax(network, dim=-1), counted], dim=-2), self.ngram.known(ranks)

    def _counted(self, ranks: Tensor, like: Tensor) -> Tensor:
        if like.dtype == torch.float32:
            return self.ngram.ln_p(ranks)
        return self.ngram.probabilities(ranks, like.dtype).log_()

    def _apart(self, features: Tensor) -> tuple[Tensor, Tensor]:
        width = features.shape[-1] - self.ngram.order + 1
        like = next(self.network.parameters())
        return self.network.readout(features[..., :width].to(like)), features[..., width:].long()

    @torch.no_grad()
    def fit(self, pieces: Sequence[Piece]) -> None:
        r"""Finds the weights under which a text is likeliest.

        The likelihood is concave in the weights, so that Newton's method finds its maximum. With x_w = (ln
        p_network(w), ln p_n-gram(w)), its gradient is x_came - E[x], and its Hessian -Cov[x], both under the mixture.
        First one pair is found for all m, from the last fit on. The pair of each m is then held to it, as by `DAMPING`
        characters, since some m are rare.
        """
        start = self.trust.double().mean(0, keepdim=True)
        whole = _newton(pieces, start, 0.0, pooled=True)
        self.trust.copy_(_newton(pieces, whole.repeat(len(self.trust), 1), DAMPING, pooled=False))


def mixed(network: Tensor, ngram: Tensor, trust: Tensor) -> Tensor:
    """ln p `[..., V]` of both together, from that of each up to a constant, and a and b for each place `[..., 2]`."""
    a, b = trust.to(network)[..., None].unbind(-2)
    return F.log_softmax(a * network + b * ngram, dim=-1)


def _newton(pieces: Sequence[Piece], start: Tensor, damping: float, pooled: bool) -> Tensor:
    """The likeliest weights `[K, 2]`, from `start` on, to which they are held."""
    weights, here = start.clone(), -math.inf
    step = torch.zeros_like(start)
    for _ in range(STEPS):
        likelihood = start.new_zeros(())
        gradient, hessian = torch.zeros_like(start), start.new_zeros(len(start), 2, 2)
        for x, known, came in pieces:
            m = torch.zeros_like(known) if pooled else known
            one, other = x.unbind(1)
            p = mixed(one, other, weights[m])
            likelihood += p.gather(1, came[:, None]).sum().double()
            p.exp_()
            mean = torch.stack([_sums(p, one), _sums(p, other)], dim=1)
            square = torch.stack([_sums(p * one, one), _sums(p * other, one), _sums(p * other, other)], dim=1)
            covariance = square[:, [0, 1, 1, 2]].view(-1, 2, 2) - mean[:, :, None] * mean[:, None]
            groups = F.one_hot(m, len(start)).double().t()  # a product, because a GPU adds at indices in any order
            gradient += groups @ (x.gather(2, came[:, None, None].expand(-1, 2, 1))[..., 0] - mean).double()
            hessian += (groups @ covariance.flatten(1).double()).view_as(hessian)
        likelihood -= 0.5 * damping * (weights - start).square().sum()
        if likelihood <= here:  # too far, or there already
            step /= 2
            weights = weights - step
            continue
        here = float(likelihood)
        gradient -= damping * (weights - start)
        hessian += (damping + 1e-6) * torch.eye(2, dtype=start.dtype, device=start.device)
        step = torch.linalg.solve(hessian, gradient)
        if step.abs().max() < 1e-4:
            break
        weights = weights + step
    return weights


def _sums(x: Tensor, y: Tensor) -> Tensor:
    """The sums of x y over the alphabet: `[N, V]` and `[N, V]` to `[N]`, without a product in memory."""
    return torch.einsum("nv,nv->n", x, y)
