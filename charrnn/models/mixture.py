"""A network and an n-gram together, and what was read lately: each is weighed by how much it knows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from charrnn.models.base import LanguageModel, State
from charrnn.models.ngram import NGramModel
from charrnn.models.recent import ln_p

STEPS = 20
"""The most steps of Newton's method; some six are needed."""
NEAR = 1e-4
"""The step of Newton's method that ends it."""
DAMPING = 20.0
"""The strength with which the weights of each length are held to those of all lengths: that of so many characters."""


Piece = tuple[Tensor, Tensor, Tensor]
"""Some places of a text: ln p of the E experts `[N, E, V]`, the number m of known characters `[N]`, and the characters
that came `[N]`."""


class Mixture(LanguageModel):
    r"""Predicts with experts: their probabilities to the powers a, b and c, multiplied and normalised.

    .. math::
        \ln p(w \mid h) = a_m \ln p_{network}(w \mid h) + b_m \ln p_{n-gram}(w \mid h) + c_m \ln p_{recent}(w \mid h)
        - \ln Z(h)

    m is the number of characters before w that the n-gram has seen followed by something: the longer that context, the
    more the n-gram knows. The third expert has counted the last `recent` characters (`models.recent`); with 0 there is
    none. The weights are not set by hand: `fit` finds those under which a text that none has learnt from is likeliest.
    The product of experts of Hinton (Neural Computation 14, 2002); language models were so combined by Klakow (ICSLP
    1998).

    Only the network learns by gradient. The n-gram is counted once and then stands. The third expert helps to read and
    not to write: it would expect again what the model itself has just written (docs/mixture.md).
    """

    trust: Tensor
    """The weights of the E experts, by the length of the known context, `[order, E]`."""

    def __init__(self, network: LanguageModel, ngram: NGramModel, recent: int) -> None:
        """Until `fit`, the n-gram predicts alone, because a fresh network knows nothing."""
        super().__init__(network.vocab_size)
        self.network, self.ngram, self.recent = network, ngram, recent
        self._length = max(recent, ngram.order - 1)  # of the last characters that it knows
        self.register_buffer("trust", torch.tensor([[0.0, 1.0, 0.0][: 3 if recent else 2]]).repeat(ngram.order, 1))

    @property
    def writer(self) -> Mixture:
        """The same with nothing read lately: the third expert is then the n-gram."""
        if not self.recent:
            return self
        writer = Mixture(self.network, self.ngram, recent=0).train(self.training)
        writer.trust = torch.stack([self.trust[:, 0], self.trust[:, 1:].sum(1)], dim=1)
        return writer

    @property
    def learner(self) -> LanguageModel:
        """The network."""
        return self.network

    @property
    def yardstick(self) -> LanguageModel:
        """The n-gram."""
        return self.ngram

    @property
    def counted(self) -> list[str]:
        """The tables of the n-gram."""
        return [f"ngram.{name}" for name in self.ngram.state_dict()]

    def initial_state(self, batch: int) -> State:
        """The state of the network, and the last characters `[batch, L]`, from which the others predict."""
        return (*self.network.initial_state(batch), self._unread(self.ngram.initial_state(batch)))

    def blank_state(self, batch: int) -> State:
        """The state that knows nothing of what stands before."""
        return (*self.network.blank_state(batch), self._unread(self.ngram.blank_state(batch)))

    def _unread(self, state: State) -> Tensor:
        """The characters of the n-gram's state, and as many before them as are counted: none, -1."""
        return F.pad(state[0], (self._length - state[0].shape[1], 0), value=-1)

    def recall(self, state: State, before: Tensor) -> State:
        """The state with the characters `[K, B]` as the last ones."""
        *network, last = state
        return (*network, torch.cat([last, before.t()], dim=1)[:, len(before) :])

    def features(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """ids `[T, B]` to the network's features and the last characters, `[T, B, D + L]`, and the new state.

        They share a tensor, because float32 holds every id exactly.
        """
        *network, last = state
        features, after = self.network.features(ids, tuple(network))
        text = torch.cat([last.t(), ids])
        windows = text.unfold(0, last.shape[1], 1)[1:] if last.shape[1] else text.new_empty(*ids.shape, 0)
        return torch.cat([features, windows.float()], dim=-1), (*after, text[len(ids) :].t())

    def readout(self, features: Tensor) -> Tensor:
        """Features to log-probabilities `[..., V]`."""
        experts, known = self._said(features)
        return mixed(experts, self.trust[known])

    def experts(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features to ln p of the experts, `[..., E, V]`, and the lengths m `[...]` of the known contexts."""
        (network, *others), known = self._said(features)
        return torch.stack([F.log_softmax(network, dim=-1), *others], dim=-2), known

    def _said(self, features: Tensor) -> tuple[list[Tensor], Tensor]:
        """What each expert says, the network up to a constant; and the lengths of the known contexts."""
        width = features.shape[-1] - self._length
        network = self.network.readout(features[..., :width].to(next(self.network.parameters())))
        last = features[..., width:].int()
        ranks = self._contexts(last[..., self._length - self.ngram.order + 1 :].long())
        if network.dtype == torch.float64:
            found = [network, self.ngram.probabilities(ranks, network.dtype).log_()]
        else:
            found = [network, self.ngram.ln_p(ranks)]
        if self.recent:
            found.append(ln_p(last[..., self._length - self.recent :], self.ngram.order, found[1]))
        return found, self.ngram.known(ranks)

    def _contexts(self, last: Tensor) -> Tensor:
        """The last characters `[..., order - 1]` to the ranks of the n-gram's contexts, of the same shape."""
        if not last.shape[-1]:
            return last
        text = last.flatten(0, -2).t()
        return self.ngram.features(text, self.ngram.blank_state(text.shape[1]))[0][-1].view_as(last)

    @torch.no_grad()
    def fit(self, pieces: Sequence[Piece]) -> None:
        r"""Finds the weights under which a text is likeliest.

        The likelihood is concave in the weights, so that Newton's method finds its maximum. With x_w the vector of ln p
        of w by each expert, its gradient is x_came - E[x], and its Hessian -Cov[x], both under the mixture. First the
        same weights are found for all m, from the last fit on. Those of each m are then held to them, as by `DAMPING`
        characters, since some m are rare.
        """
        start = self.trust.double().mean(0, keepdim=True)
        whole = _newton(pieces, start, 0.0, pooled=True)
        self.trust.copy_(_newton(pieces, whole.repeat(len(self.trust), 1), DAMPING, pooled=False))


def mixed(experts: Sequence[Tensor], trust: Tensor) -> Tensor:
    """ln p `[..., V]` of all experts together, from that of each up to a constant, and their weights `[..., E]`."""
    first, *others = trust.to(experts[0])[..., None].unbind(-2)
    product = first * experts[0]
    for weight, own in zip(others, experts[1:], strict=True):
        product = torch.addcmul(product, weight, own)
    return F.log_softmax(product, dim=-1)


def _newton(pieces: Sequence[Piece], start: Tensor, damping: float, pooled: bool) -> Tensor:
    """The likeliest weights `[K, E]`, from `start` on, to which they are held."""
    weights, here, several = start.clone(), -math.inf, start.shape[1]
    step = torch.zeros_like(start)
    for _ in range(STEPS):
        likelihood = start.new_zeros(())
        gradient, hessian = torch.zeros_like(start), start.new_zeros(*start.shape, several)
        for x, known, came in pieces:
            m = torch.zeros_like(known) if pooled else known
            p = mixed(x.unbind(1), weights[m])
            likelihood += p.gather(1, came[:, None]).sum().double()
            p.exp_()
            weighted = p[:, None] * x
            mean = weighted.sum(2)
            covariance = weighted @ x.transpose(1, 2) - mean[:, :, None] * mean[:, None]
            groups = F.one_hot(m, len(start)).double().t()  # a product, because a GPU adds at indices in any order
            gradient += groups @ (x.gather(2, came[:, None, None].expand(-1, several, 1))[..., 0] - mean).double()
            hessian += (groups @ covariance.flatten(1).double()).view_as(hessian)
        likelihood -= 0.5 * damping * (weights - start).square().sum()
        if likelihood <= here:  # too far, or there already
            step /= 2
            weights = weights - step
            if step.abs().max() < NEAR:
                break
            continue
        here = float(likelihood)
        gradient -= damping * (weights - start)
        hessian += (damping + 1e-6) * torch.eye(several, dtype=start.dtype, device=start.device)
        step = torch.linalg.solve(hessian, gradient)
        if step.abs().max() < NEAR:
            break
        weights = weights + step
    return weights
