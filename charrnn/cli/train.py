"""`charrnn train`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.options import Device, Plugin, complete_config
from charrnn.cli.output import show, show_json
from charrnn.errors import CharrnnError


def train(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CONFIG | TEXT...]",
            help="A YAML file, the name of a ready-made config (`charrnn configs list`), or a text: files or a folder.",
            autocompletion=complete_config,
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY.PATH=VALUE",
            help="Set a key of the config, e.g. model.hidden_size=512. May be repeated. Default: the config as it is.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder. Default: runs/NAME, with a number if that is taken.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            help="The whole length of the training in minutes; with --resume, that from its first start. Default: the "
            "config's length; for a text, 5."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of the weights, the order of the text and dropout. Default: the config's, which is 0."),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", metavar="RUN", help="Go on with this run. Default: a new one.")
    ] = None,
    init_from: Annotated[
        Path | None,
        typer.Option(
            "--init-from",
            metavar="RUN",
            help="Begin with the weights of this run; its architecture replaces the config's. Default: random weights.",
        ),
    ] = None,
    freeze: Annotated[
        list[str] | None,
        typer.Option(
            "--freeze",
            metavar="PREFIX",
            help="Weights whose name begins so do not learn, e.g. embedding. May be repeated. Default: all learn.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a run that is in --out.")] = False,
    plugin: Plugin = None,
    device: Device = "auto",
    workers: Annotated[
        str,
        typer.Option(
            "--workers",
            metavar="N|auto",
            help="Number of processes that divide every batch; auto: one for each GPU. On several machines: torchrun.",
        ),
    ] = "1",
    quiet: Annotated[bool, typer.Option(help="Print no progress bar, no log and no samples.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the run and its figures as JSON instead of its folder.")
    ] = False,
) -> None:
    """Train a model on a text, or as a config says, and print the folder of its run.

    For a text, a config is chosen by its size, its alphabet and the minutes; `charrnn configs recipe TEXT` prints it.
    Ctrl-C saves a checkpoint first. The run's metrics.jsonl has the metrics, its samples.txt the samples.
    """
    if (not what) == (resume is None):
        from charrnn.loading import ready_made

        raise CharrnnError(
            f"train: give a text, a CONFIG (a YAML file, or one of {', '.join(ready_made())}), or --resume RUN"
        )
    if resume is not None and (out is not None or overwrite):
        raise CharrnnError("train: --resume goes on in the run's own folder, without --out and --overwrite")

    if resume is not None and seed is not None:
        raise CharrnnError("train: --resume goes on with the run's own seed, without --seed")

    if resume is not None and (init_from is not None or freeze):
        raise CharrnnError("train: --resume goes on with the run's own weights, without --init-from and --freeze")

    from charrnn.training import launch

    if workers != "1" and not launch.is_worker() and (count := launch.count_workers(workers)) > 1:
        if "WORLD_SIZE" in os.environ:
            raise CharrnnError("--workers: torchrun has started the workers already (WORLD_SIZE is set)")
        raise typer.Exit(launch.launch(sys.argv[1:], count))

    from charrnn.terminal import say
    from charrnn.training import attendance, distributed, session

    seeds = [] if seed is None else [f"training.seed={seed}"]
    try:
        if resume is not None:
            run = session.resume(resume, overrides=overrides or [], minutes=minutes, device=device, quiet=quiet)
        else:
            assert what
            run = session.train(
                what[0] if len(what) == 1 else what,
                overrides=[*(overrides or []), *seeds],
                minutes=minutes,
                out=out,
                overwrite=overwrite,
                init_from=init_from,
                freeze=freeze or None,
                device=device,
                quiet=quiet,
            )
    except session.Interrupted as interrupted:
        say(f"stopped and saved; go on with: charrnn train --resume {interrupted.run.path}")
        raise typer.Exit(128 + interrupted.number) from None
    except attendance.WorkerLost as lost:
        if distributed.is_first():
            say(f"charrnn: {lost}")
        raise typer.Exit(1) from None
    if distributed.is_first():
        if as_json:
            from charrnn.cli.info import document

            show_json(document(run))
        else:
            show(str(run.path))
