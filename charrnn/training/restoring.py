"""Restores a training from a checkpoint, and checks it before the next step."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from charrnn.config import ModelConfig
from charrnn.errors import CharrnnError
from charrnn.files import read_record
from charrnn.models import NGramModel
from charrnn.store.checkpoint import STATE, TRAINING, WEIGHTS
from charrnn.store.weights import BACKGROUND, fill, load_tensors
from charrnn.text.batches import Position
from charrnn.text.vocab import Vocabulary
from charrnn.training.optimizer import vectors
from charrnn.training.standing import Standing
from charrnn.training.step import Learner


def restore(learner: Learner, folder: Path, anew: bool = False) -> None:
    """Restores a training from the checkpoint in a folder. With `anew` its texts begin anew in this epoch.

    Raises CharrnnError where the checkpoint does not fit the training.
    """
    fill(learner.model, folder / WEIGHTS)
    standing = read_record(folder / STATE, Standing)
    if standing.weights_only:
        raise CharrnnError(
            f"{folder}: holds the weights alone, as `charrnn export` writes them; begin a new training with them: "
            f"‹init_from={folder.parents[1]}›"
        )
    # Copies, because the loaded tensors are mappings of the file, and a training outlives its checkpoints.
    tensors = {name: tensor.clone() for name, tensor in load_tensors(folder / TRAINING).items()}
    try:
        learner.load_state(tensors, standing)
    except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise _unfit(folder, str(error).splitlines()[0] if str(error) else type(error).__name__) from None
    if anew:
        learner.carried.load(())
        learner.batches.position = Position(epoch=standing.position.epoch)
    _check_optimizers(learner, folder)
    _check_position(learner, folder)


def find_background(folder: Path, config: ModelConfig, vocabulary: Vocabulary) -> NGramModel | None:
    """The older counts that a training puts behind its own, from its checkpoint in a folder; None if it has none."""
    if config.ngram is None or not (file := folder / BACKGROUND).is_file():
        return None
    size = len(vocabulary)
    background = NGramModel(size, config.ngram.order_for(size))
    fill(background, file)
    return background


def _check_optimizers(learner: Learner, folder: Path) -> None:
    for optimizer, weight in vectors(learner.optimizers):
        for name, tensor in optimizer.state.get(weight, {}).items():
            expected = () if name == "step" else weight.shape
            if isinstance(tensor, Tensor) and (tensor.shape != expected or tensor.is_complex()):
                shapes = f"{list(tensor.shape)} for a weight of {list(weight.shape)}"
                raise _unfit(folder, f"the optimizer's {name} is {shapes}")


def _check_position(learner: Learner, folder: Path) -> None:
    """Raises CharrnnError where there is no next batch, or the carried state is not one of the model."""
    batches, model = learner.batches, learner.network
    position = batches.position.model_copy()
    try:
        batch = batches.next()
    except (IndexError, ValueError, MemoryError) as error:
        raise _unfit(folder, f"there is no such place in its text ({error})") from None
    if not len(batch.inputs):
        raise _unfit(folder, "there is no such place in its text")
    batches.position = position
    if batch.fresh:
        return
    carried, expected = learner.carried.own, model.initial_state(batch.inputs.shape[1])
    if [(t.shape, t.dtype) for t in carried] != [(t.shape, t.dtype) for t in expected]:
        raise _unfit(folder, "the state that it carried has another form")
    ids = [tensor for tensor in carried if not tensor.is_floating_point() and tensor.numel()]
    if any(not 0 <= int(tensor.min()) <= int(tensor.max()) < model.vocab_size for tensor in ids):
        raise _unfit(folder, "the state that it carried names characters that there are not")


def _unfit(folder: Path, detail: str) -> CharrnnError:
    return CharrnnError(f"{folder}: is not a checkpoint of this training: {detail}")
