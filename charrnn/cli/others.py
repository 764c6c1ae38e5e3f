"""Names that other programs have for our commands and options. None of them works here; each leads to ours."""

from __future__ import annotations

COMMANDS = {
    "": {
        "sample": "generate gen predict infer inference complete completion text chat prompt",
        "train": "fit learn run start create",
        "train --init-from RUN": "finetune fine-tune tune-on transfer",
        "train --resume RUN": "resume continue restart",
        "eval": "evaluate test validate val valid perplexity bits benchmark",
        "score": "surprise rank",
        "novelty": "plagiarism copied copies memorization memorisation originality overlap",
        "serve": "server web api http host ui gui webui browser",
        "info": "show describe summary status stats",
        "write": "edit editor compose desk author",
        "fill": "infill inpaint mask unmask blank",
        "compare": "diff plot table runs",
        "sweep": "search grid tune experiment zoo",
        "compress": "zip pack encode archive",
        "decompress": "unzip unpack uncompress decode extract",
        "corpus list": "corpora data dataset datasets texts",
        "corpus get": "download fetch get",
        "configs list": "list ls config models presets",
        "configs recipe TEXT": "new init recipe",
        "configs copy NAME": "copy cp",
        "cache clear": "clean clear purge",
        "--help": "help man usage",
        "--version": "version",
    },
    "corpus": {
        "list": "ls all names",
        "get": "download fetch cp copy pull",
        "show": "info describe stats look view head",
    },
    "configs": {
        "list": "ls all names",
        "copy": "cp get new init",
        "show": "cat print view",
        "diff": "compare",
        "recipe": "for text make create generate choose",
        "schema": "keys validate check json",
    },
    "cache": {"list": "ls show info size", "clear": "clean rm remove delete purge empty", "verify": "check test"},
}
"""Our commands, with the words that others use for them, by the group in which they are."""

KEYS = {
    "model.cell": "model rnn-type rnn-cell cell-type arch architecture model-type",
    "model.hidden_size": "hidden rnn-size n-hidden nhid hidden-dim hidden-units units num-units n-embd width",
    "model.num_layers": "layers n-layers nlayers n-layer depth",
    "model.embedding_size": "embed-size embedding-dim embed-dim emb-size emsize embedding emb-dim",
    "model.tie_embedding": "tied tie-weights",
    "training.epochs": "epoch num-epochs n-epochs max-epochs num-train-epochs",
    "training.steps": "step max-iters iters iterations num-steps max-steps num-iterations n-steps",
    "training.learning_rate": "lr rate step-size alpha",
    "training.batch_size": "batch bs batchsize",
    "training.window": "seq-length seq-len sequence-length block-size bptt chunk-len context-length seqlen",
    "training.optimizer": "optim opt",
    "training.weight_decay": "wd wdecay",
    "training.clip_norm": "clip grad-clip max-grad-norm gradient-clip",
    "training.schedule": "scheduler lr-scheduler lr-schedule",
    "training.final_rate": "min-lr",
    "training.warmup": "warmup-iters warmup-steps",
    "training.decay_factor": "lr-decay learning-rate-decay gamma",
    "training.patience": "early-stopping",
    "training.evaluate_every": "eval-every eval-interval eval-steps val-every eval-val-every",
    "training.checkpoint_every": "save-every save-interval save-steps",
    "training.log_every": "log-interval print-every logging-steps log-steps",
    "training.precision": "dtype fp16 bf16 amp",
    "training.seed": "random-seed manual-seed",
    "sampling.temperature": "temp",
    "corpus.split": "val-frac val-split train-frac validation-split",
}
"""Keys of the config, with the options that others have for them. An option with the name of a key needs no entry."""

OPTIONS = {
    "train": {
        "--out": "output output-dir out-dir save-dir save o name checkpoint-dir",
        "--resume": "continue restore load resume-from checkpoint",
        "--init-from": "pretrained finetune from-pretrained",
        "--minutes": "time max-time duration",
        "--device": "gpu cuda cpu",
        "--workers": "num-workers nproc gpus",
        "--overwrite": "force f",
        "--set": "s override",
        "--quiet": "q silent",
    },
    "sample": {
        "--prompt": "start start-text primetext prime-str prime seed-text text p input",
        "--length": "l max-length max-tokens max-new-tokens num-chars n-chars predict-len chars characters steps size",
        "--temperature": "temp t",
        "--samples": "num-samples n-samples n count number num num-return-sequences",
        "--top-k": "topk k",
        "--top-p": "topp nucleus",
        "--repetition-penalty": "penalty",
        "--seed": "random-seed s",
        "--stop": "end eos until",
        "--device": "gpu cuda cpu",
    },
    "fill": {"--samples": "num-samples n-samples n count number", "--device": "gpu cuda cpu"},
    "eval": {"--text": "file data input", "--block": "block-size window", "--device": "gpu cuda cpu"},
}
"""Options of our commands, with the names that others have for them."""

GIVEN = {
    "train": ("give the text, the folder or the config without an option", "data input file text corpus config path"),
    "sample": ("give the run's folder without an option", "model run checkpoint-dir ckpt load"),
}
"""What a command takes without an option, and the options of others for it."""


def meant(table: dict[str, str], word: str) -> str | None:
    """Ours in a table for a word that another program has; None if it has none."""
    return next((ours for ours, words in table.items() if word in words.split()), None)
