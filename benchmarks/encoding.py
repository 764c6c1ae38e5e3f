"""Speed and memory of encoding a text: `charrnn.text.dataset.load_dataset` beside two usual ways.

    python benchmarks/encoding.py [TEXT ...] [--megabytes 100] [--repeat 3]

Each TEXT (UTF-8) is repeated until it has the size. Without TEXT, two texts are made: one of 90 ASCII characters and
one of 4,000 Chinese characters, drawn independently with Zipf frequencies; about every 40th is a line end.

The sides are:
  charrnn      `load_dataset` with an empty cache: a checksum, counting, encoding and writing, from disk to disk
  one by one   a dictionary look-up and an assignment to an array per character, over the text twice, as the
               preprocess.py of torch-rnn does
  a list       a dictionary look-up per character in a list comprehension, then one array, over a text held in
               memory whole, as the prepare.py of nanoGPT does

The other two sides get a tenth of the text, because they are so much slower; their speed does not depend on the size.
Every measurement is a fresh process, timed after its imports; the sides take turns. The text has been read once
before, so that no side waits for the disk. MB are 10^6 bytes of UTF-8. Peak memory is the largest resident set of the
process (getrusage); `before` is the same after the imports. Unix only.
"""

from __future__ import annotations

import argparse
import codecs
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path

SIDES = ("charrnn", "one by one", "a list")
SHARE = {"charrnn": 1.0, "one by one": 0.1, "a list": 0.1}
MB = 10**6


def main() -> None:
    """Measures all sides on all texts, in turns, and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage="%(prog)s [options] [TEXT ...]"
    )
    parser.add_argument("texts", metavar="TEXT", nargs="*", type=Path, help="UTF-8 files; default: made texts")
    parser.add_argument("--megabytes", type=int, default=100, help="size of each text (100)")
    parser.add_argument("--repeat", type=int, default=3, help="measurements of each side (3)")
    parser.add_argument("--one", nargs=2, metavar=("SIDE", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one[0], Path(arguments.one[1]))))
        return
    for text in arguments.texts:
        if not text.is_file() or not text.stat().st_size:
            parser.error(f"{text}: no such file, or an empty one")
    with tempfile.TemporaryDirectory(prefix="charrnn-encoding-") as temporary:
        folder = Path(temporary)
        texts = {str(text): text for text in arguments.texts} or {
            "made, ASCII": make(folder / "ascii", range(33, 123)),
            "made, Chinese": make(folder / "chinese", range(0x4E00, 0x4E00 + 4000)),
        }
        for i, source in enumerate(texts.values()):
            for side in SIDES:
                repeat(source, folder / f"{i} {side}", int(arguments.megabytes * MB * SHARE[side]))
        found: dict[tuple[str, str], list[dict[str, float]]] = {}
        for turn in range(arguments.repeat):
            for i, name in enumerate(texts):
                for side in SIDES:
                    print(f"turn {turn + 1}/{arguments.repeat}: {name}, {side} ", end="\r", file=sys.stderr)
                    found.setdefault((name, side), []).append(in_a_fresh_process(side, folder / f"{i} {side}"))
    print(" " * 78, end="\r", file=sys.stderr)
    from machine import describe  # imports PyTorch, so only after the processes whose memory is measured

    print(f"{describe()}, NumPy {version('numpy')}")
    print(f"{arguments.megabytes} MB of each text, medians of {arguments.repeat}\n")
    print(table(list(texts), found))


def make(file: Path, points: range, characters: int = 2_000_000) -> Path:
    """A text in UTF-8, of these code points with Zipf frequencies; about every 40th character is a line end."""
    rng = random.Random(0)
    alphabet = [chr(point) for point in points]
    rng.shuffle(alphabet)
    weights = [1 / rank for rank in range(1, len(alphabet) + 1)]
    weights.append(sum(weights) / 39)
    text = "".join(rng.choices([*alphabet, "\n"], cum_weights=list(accumulate(weights)), k=characters))
    file.write_bytes(text.encode())
    return file


def repeat(source: Path, file: Path, size: int) -> None:
    """Writes `source` again and again, up to the last whole character within `size` bytes.

    It writes piece by piece, because a process counts its parent's memory in its own peak.
    """
    with source.open("rb") as sample, file.open("wb") as out:
        left, piece = size, b""
        while left:
            if piece := sample.read(min(left, MB)):
                out.write(piece)
                left -= len(piece)
            else:
                sample.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        decoder.decode(piece)
        out.truncate(size - len(decoder.getstate()[0]))


def in_a_fresh_process(side: str, file: Path) -> dict[str, float]:
    """The result of `measure` in a process of its own, with a cache of its own that is removed."""
    with tempfile.TemporaryDirectory(prefix="charrnn-cache-", dir=file.parent) as cache:
        command = [sys.executable, __file__, "--one", side, str(file)]
        done = subprocess.run(
            command, env=os.environ | {"CHARRNN_CACHE": cache}, stdout=subprocess.PIPE, text=True, check=True
        )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(side: str, file: Path) -> dict[str, float]:
    """MB/s of one side on one file, and the peak memory in MB, before the measurement and at its end."""
    import numpy as np

    from charrnn.config import CorpusConfig, VocabConfig
    from charrnn.text.dataset import load_dataset

    with file.open("rb") as stream:
        while stream.read(MB):
            pass
    before, began = peak_memory(), time.perf_counter()
    if side == "charrnn":
        data = load_dataset([file], CorpusConfig(path=str(file), mode="stream"), VocabConfig())
        count, vocabulary = len(data.ids), len(data.vocabulary.characters)
    elif side == "one by one":
        count, to_id = 0, dict[str, int]()
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                count += len(line)
                for character in line:
                    if character not in to_id:
                        to_id[character] = len(to_id)
        ids = np.zeros(count, np.uint8 if len(to_id) < 256 else np.uint32)
        at, vocabulary = 0, len(to_id)
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                for character in line:
                    ids[at] = to_id[character]
                    at += 1
        ids.tofile(file.with_suffix(".bin"))
    else:
        text = file.read_text(encoding="utf-8")
        to_id = {character: i for i, character in enumerate(sorted(set(text)))}
        count, vocabulary = len(text), len(to_id)
        np.array([to_id[character] for character in text], np.uint16).tofile(file.with_suffix(".bin"))
    seconds = time.perf_counter() - began
    size = file.stat().st_size
    return {
        "speed": size / MB / seconds,
        "peak": peak_memory(),
        "before": before,
        "bytes": size,
        "characters": count,
        "vocabulary": vocabulary,
    }


def peak_memory() -> float:
    """The largest resident set of this process until now, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / MB


def table(texts: list[str], found: dict[tuple[str, str], list[dict[str, float]]]) -> str:
    """The table, with a row for each text and side. The ratio is charrnn's speed divided by the side's."""
    rows = [["text", "side", "MB", "characters", "alphabet", "MB/s", "slowest-fastest", "ratio", "peak MB", "before"]]
    for text in texts:
        ours = statistics.median(one["speed"] for one in found[text, SIDES[0]])
        for side in SIDES:
            all_of_it = found[text, side]
            one = {key: statistics.median(each[key] for each in all_of_it) for key in all_of_it[0]}
            speeds = [each["speed"] for each in all_of_it]
            rows.append(
                [
                    text,
                    side,
                    f"{one['bytes'] / MB:.0f}",
                    f"{one['characters']:,.0f}",
                    f"{one['vocabulary']:,.0f}",
                    f"{one['speed']:.1f}",
                    f"{min(speeds):.1f}-{max(speeds):.1f}",
                    f"{ours / one['speed']:.1f}",
                    f"{max(each['peak'] for each in all_of_it):.0f}",
                    f"{one['before']:.0f}",
                ]
            )
    from charrnn.terminal import table as align

    return align(rows)


if __name__ == "__main__":
    main()
