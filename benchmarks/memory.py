"""Peak memory of the loss of a large alphabet and its gradient, in chunks and at once.

    python benchmarks/memory.py [--vocabulary 10000] [--batch 64] [--window 128] [--width 256]

Each side is a fresh process. It makes the features of one LSTM, computes the loss and its gradient three times, and
prints its largest resident set (getrusage) before and after, in MB of 10^6 bytes, and the shortest time. `plain` is
cross_entropy of the whole logits `[T·B, V]` in float32; `chunks` is `charrnn.training.loss`. Unix only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

from encoding import peak_memory


def measure(side: str, vocabulary: int, rows: int, width: int) -> dict[str, float]:
    """The peak memory of one side before and after, and its seconds."""
    import torch
    from torch.nn import functional as F

    from charrnn.training.loss import CHUNK, loss_by_rows

    torch.manual_seed(0)
    layer = torch.nn.Linear(width, vocabulary)
    features = torch.randn(rows, 1, width, requires_grad=True)
    targets = torch.randint(vocabulary, (rows, 1))
    for p in layer.parameters():
        p.grad = torch.zeros_like(p)
    torch.autograd.backward(features, torch.zeros_like(features))
    before, times = peak_memory(), []
    for _ in range(3):
        began = time.perf_counter()
        if side == "plain":
            nats = F.cross_entropy(layer(features).flatten(0, 1), targets.flatten(), reduction="sum")
            torch.autograd.backward(nats)
        else:
            nats, _ = loss_by_rows(layer, features, targets, 1.0, max(1, CHUNK // vocabulary))
        times.append(time.perf_counter() - began)
    return {"before": before, "after": peak_memory(), "seconds": min(times), "nats": nats.item() / rows}


def main() -> None:
    """Measures both sides and prints them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabulary", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--window", type=int, default=128)
    parser.add_argument("--width", type=int, default=256, help="units that the last layer reads")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    own = parser.parse_args()
    rows = own.batch * own.window
    if own.side:
        print(json.dumps(measure(own.side, own.vocabulary, rows, own.width)))
        return
    print(
        f"logits [{own.window} × {own.batch}, {own.vocabulary}] in float32: {4 * rows * own.vocabulary / 1e6:,.0f} MB\n"
    )
    print("| | memory above what was there | seconds | nats per character |\n|---|---:|---:|---:|")
    for side in ("plain", "chunks"):
        done = subprocess.run(
            [sys.executable, *sys.argv, "--side", side], stdout=subprocess.PIPE, text=True, check=True
        )
        found = json.loads(done.stdout)
        extra = found["after"] - found["before"]
        print(f"| {side} | {extra:,.0f} MB | {found['seconds']:.2f} | {found['nats']:.6f} |")


if __name__ == "__main__":
    main()
