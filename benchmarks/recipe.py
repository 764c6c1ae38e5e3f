"""What the recipe for a text gives, beside random configs of the same time and n-grams alone.

    python benchmarks/recipe.py novel.txt --minutes 1 --random 20

Every training is a process of its own, one after the other, the recipe first and last. All read the text in the same
way and hold out the same part. A random config draws its cell, sizes, dropout, windows, optimizer and learning rate
from the ranges in `draw`, each by itself; like the recipe it has an n-gram beside it. `bits` are those of the whole
held-out part.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import describe

import charrnn
from charrnn.training.recipe import find_recipe


def main() -> None:
    """Trains and prints a line for each config, and the best of each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text")
    parser.add_argument("--minutes", type=float, default=1.0, help="of each training (1)")
    parser.add_argument("--random", type=int, default=20, help="number of random configs (20)")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (0)")
    parser.add_argument("--orders", type=int, nargs="*", default=[4, 5, 6, 8], help="of the n-grams alone (4 5 6 8)")
    given = parser.parse_args()
    recipe = str(find_recipe([given.text], given.minutes))
    print(describe(), recipe, sep="\n", flush=True)
    rng = random.Random(given.seed)
    best: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "recipe.yaml"
        file.write_text(recipe, encoding="utf-8")
        is_documents = charrnn.load_config(file).corpus.mode == "documents"
        configs: list[tuple[str, dict[str, object]]] = [("recipe", {})]
        configs += [("random", draw(rng, is_documents)) for _ in range(given.random)]
        configs += [("n-gram", ngram(order)) for order in given.orders] + [("recipe", {"training.seed": 1})]
        for kind, keys in configs:
            bits, steps = train(file, keys, given.minutes if kind == "random" else None, Path(place) / "run")
            best[kind] = min(bits, best.get(kind, bits))
            said = " ".join(f"{key.split('.')[1]}={value}" for key, value in keys.items())
            print(f"{kind:7} {bits:.4f} bits {steps:6,} steps {said}", flush=True)
    print("\n".join(f"best {kind}: {bits:.4f} bits" for kind, bits in best.items()))
    if "random" in best:
        print(f"the recipe's best : the best random config's = {best['recipe'] / best['random']:.4f}")


def train(file: Path, keys: dict[str, object], minutes: float | None, out: Path) -> tuple[float, int]:
    """The bits per character of a config on the whole held-out part, and its steps."""
    sets = [part for key, value in keys.items() for part in ("--set", f"{key}={value}")]
    length = [] if minutes is None else ["--minutes", str(minutes)]
    command = [sys.executable, "-m", "charrnn", "train", str(file), *sets, *length, "--out", str(out), "--overwrite"]
    subprocess.run([*command, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    run = charrnn.load(out)
    return run.evaluate().bits_per_char, run.checkpoints.summary("last").step


def draw(rng: random.Random, is_documents: bool) -> dict[str, object]:
    """The keys of a random config."""
    cell = rng.choice(["mingru", "lstm", "gru"])
    width = rng.choice([96, 128, 192, 256, 320])
    muon = rng.random() < 0.5
    keys: dict[str, object] = {
        "model.cell": cell,
        "model.num_layers": rng.choice([3, 5, 6, 8, 10] if cell == "mingru" else [1, 2, 3]),
        "model.hidden_size": width,
        "model.embedding_size": width,
        "model.tie_embedding": rng.choice(["true", "false"]),
        "model.dropout": rng.choice([0.0, 0.05, 0.1, 0.2, 0.3, 0.5]),
        "model.embedding_dropout": rng.choice([0.0, 0.1]),
        "training.batch_size": rng.choice([16, 32, 64]),
        "training.window": rng.choice([32, 64, 128]),
        "training.optimizer": "muon" if muon else "adamw",
        "training.learning_rate": round(10 ** rng.uniform(*((-2.5, -2.0) if muon else (-2.8, -2.1))), 5),
        "training.weight_decay": rng.choice([0.01, 0.1]),
    }
    return keys if is_documents else keys | {"training.forget": rng.choice([0.0, 0.05, 0.2])}


def ngram(order: int) -> dict[str, object]:
    """The keys that make a recipe an n-gram alone."""
    alone = {
        "cell": "ngram",
        "order": order,
        "ngram": "null",
        "num_layers": 1,
        "hidden_size": 256,
        "embedding_size": 64,
    }
    alone |= {"dropout": 0.0, "embedding_dropout": 0.0, "norm": "none"}
    alone |= dict.fromkeys(("residual", "locked_dropout", "tie_embedding"), "false")
    return {f"model.{key}": value for key, value in alone.items()}


if __name__ == "__main__":
    main()
