"""The command line: `csglib`, or `python -m csglib`. Heavy imports wait until a command runs."""

import inspect
import os
import shlex
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, get_args, get_type_hints

import typer
from typer import Argument, Option

from csglib.train.config import Log, Precision, TrainConfig

if TYPE_CHECKING:  # seconds to import
    from csglib.train.predictions import Predictions

Preset = Literal["smoke", "narrow", "laptop", "gpu", "paper"]
Workers = Annotated[int, Option(min=1, help="processes; the result does not depend on them")]
_CORES = os.cpu_count() or 1
_LOGGERS = {"csv": "CSVLogger", "tensorboard": "TensorBoardLogger"}
_KEYWORD = inspect.Parameter.KEYWORD_ONLY
_QUESTION = "Does any picture show a name, a date or a number of a person? [y/N] "

app = typer.Typer(
    help="CSG-3DCT: simulate clips, train and evaluate networks, check your own clips.",
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def end(message: str, code: int = 2) -> NoReturn:
    """Print a message to stderr and exit."""
    print(f"csglib: {message}", file=sys.stderr)
    sys.exit(code)


def pick(config: type[Any], options: Mapping[str, Any]) -> Any:
    """Build a dataclass from those options that are its fields."""
    return config(**{field.name: options[field.name] for field in fields(config)})


def with_train_config(**defaults: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one option per field of `TrainConfig`; `defaults` replace the dataclass's."""
    hints = get_type_hints(TrainConfig, include_extras=True)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command).parameters.values() if p.name != "config"]
        parameters = [parameter.replace(kind=_KEYWORD) for parameter in own]
        for field in fields(TrainConfig):
            kind, text = get_args(hints[field.name])
            name = field.name.replace("_", "-")
            info = Argument(metavar="OUT", help=text)
            default = inspect.Parameter.empty
            if field.default is not MISSING:
                info = Option(f"--{name}", help=text)  # no --no-augment beside --augment
                default = defaults.get(field.name, field.default)
            hint = Annotated[kind, info]  # type: ignore[valid-type]  # made at run time
            option = inspect.Parameter(field.name, _KEYWORD, default=default, annotation=hint)
            parameters.append(option)

        def run(**options: Any) -> None:
            command(config=pick(TrainConfig, options), **{p.name: options[p.name] for p in own})

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return decorate


@typing.no_type_check  # typer passes a context of another class than the one it wants named here
def use_preset(context: typer.Context, name: Preset | None) -> Preset | None:
    """Take defaults from a budget of Table 1; options on the command line override them."""
    from csglib.table1.budget import BUDGETS  # noqa: PLC0415

    if name:
        context.default_map = asdict(BUDGETS[name])
    return name


def refuse_swapped(usage: str, written: Path) -> None:
    """Refuse a cohort where a run's folder is expected."""
    is_run = (written / "experiment.json").is_file()
    if written.is_file() or ((written / "manifest.csv").is_file() and not is_run):
        raise ValueError(
            f"{written} holds clips, and the folder of a run is wanted there; "
            f"the order is: csglib {usage}"
        )


def print_scores(split: str, predictions: "Predictions") -> None:
    """One line per score, with its 95 % interval."""
    patients = len(set(predictions.patients))
    print(f"{len(predictions.grades)} {split} clips of {patients} patients; 95 % intervals")
    for name, score in vars(predictions.scores()).items():
        print(f"{name:18}{score.value:7.3f}  [{score.low:.3f}, {score.high:.3f}]")


def show_version(asked: bool) -> bool:
    """Print the version and exit."""
    if asked:
        print(f"csglib {version('csglib')}")
        raise typer.Exit
    return asked


@app.callback()
def options(
    version: Annotated[
        bool, Option("--version", is_eager=True, callback=show_version, help="show it and exit")
    ] = False,
) -> None:
    """Options that stand before the command."""


@app.command()
def simulate(  # noqa: PLR0913, PLR0917  # options
    out: Annotated[Path, Argument(metavar="OUT", help="folder: new, or an unfinished cohort")],
    frames: Annotated[int, Option(help="frames per clip, 8 or 16")] = 8,
    size: Annotated[int, Option("--image-size", help="rows and columns, pixels")] = 256,
    seed: Annotated[int, Option(help="another seed gives other patients")] = 0,
    patients: Annotated[int, Option(help="number of patients; the paper has 169")] = 169,
    phantom: Annotated[int, Option(help="3: a grade takes several frames to read; 2: one")] = 3,
    rule: Annotated[
        str, Option("--grading-rule", help="from stenosis to grade, see csglib.data.stenosis")
    ] = "diameter_50",
    observer: Annotated[float, Option(help="standard deviation of label errors, 0 to 0.5")] = 0.0,
    workers: Workers = _CORES,
) -> None:
    """Simulate a cohort of clips with known stenosis."""
    options = dict(locals())
    from csglib.phantom.make_cohort import make_cohort, work_left  # noqa: PLC0415
    from csglib.phantom.patients import CohortSpec  # noqa: PLC0415

    spec = pick(CohortSpec, options)
    print(work_left(out, spec).sentence(workers), flush=True)
    try:
        make_cohort(out, spec, workers)
    except KeyboardInterrupt:
        left = work_left(out, spec).clips
        end(f"stopped with {left} clips to go; run the same command again to resume", 130)
    print(f"{out} is complete: see manifest.csv and contact_sheet.png in it")


@app.command()
@with_train_config()
def train(  # noqa: PLR0913, PLR0917  # options
    cohort: Annotated[Path, Argument(metavar="COHORT", help="folder of clips, or an NPZ file")],
    config: TrainConfig,
    network: Annotated[
        str, Option(help="csg3dct, base, swa, ca, tiny, i3d, ...: see csglib.NETWORKS")
    ] = "csg3dct",
    size: Annotated[int, Option("--image-size", help="rows and columns, pixels")] = 256,
    init: Annotated[
        str, Option(help="initial weights: random, a file or a public checkpoint; else the paper's")
    ] = "",
    preset: Annotated[
        Preset | None,
        Option(is_eager=True, callback=use_preset, help="defaults for the options, as in table1"),
    ] = None,
    log: Annotated[Log | None, Option(help="write OUT/csv or OUT/tensorboard too")] = None,
) -> None:
    """Train a network on a cohort, and score its validation clips. Resumes an unfinished run."""
    refuse_swapped("train COHORT OUT", config.folder)
    from lightning_fabric import loggers  # noqa: PLC0415

    from csglib.data.cohort import read_cohort  # noqa: PLC0415
    from csglib.model.config import VARIANTS  # noqa: PLC0415
    from csglib.train.experiment import Experiment  # noqa: PLC0415
    from csglib.train.fit import is_main_process  # noqa: PLC0415
    from csglib.train.predictions import Predictions  # noqa: PLC0415
    from csglib.train.runs import VALIDATION  # noqa: PLC0415

    splits = read_cohort(cohort, size)
    frames, classes = splits["train"].frames.shape[1], len(splits["train"].grade_names)
    init = init or ("conformer-small-p16" if network in VARIANTS else "")  # as in the paper
    init = init.removesuffix("random")
    experiment = Experiment(network=network, frames=frames, size=size, classes=classes, init=init)
    logger = getattr(loggers, _LOGGERS[log])(config.folder, name=log) if log else None
    for record in experiment.run(splits, config):
        if logger:  # a resumed run logs its first epochs again, as another version
            logger.log_metrics(record.metrics(), step=record.epoch)
            logger.save()
    if is_main_process():
        print_scores("validation", Predictions.read(config.folder / VALIDATION))
        print(f"to score the test clips, once: csglib evaluate {config.folder}")


@app.command()
def evaluate(
    run: Annotated[Path, Argument(metavar="RUN", help="folder of a finished run")],
    cohort: Annotated[Path | None, Argument(metavar="COHORT", help="its test split")] = None,
) -> None:
    """Score the test clips of a run, or of another cohort."""
    refuse_swapped("evaluate RUN [COHORT]", run)
    from csglib.train.experiment import test_predictions  # noqa: PLC0415

    print_scores("test", test_predictions(run, cohort))


@app.command()
@with_train_config(epochs=20, batch_size=32)
def pretrain(
    cohort: Annotated[Path, Argument(metavar="COHORT", help="of other patients than train's")],
    config: TrainConfig,
    network: Annotated[str, Option(help="a CSG-3DCT variant to start from it")] = "csg3dct",
) -> None:
    """Pre-train a 2D network on single frames, to inflate it later."""
    refuse_swapped("pretrain COHORT OUT", config.folder)
    from csglib.table1 import pretrain as pretraining  # noqa: PLC0415

    model = pretraining.conformer_for(network)
    path = pretraining.pretrain(pretraining.read_frames(cohort), config, model)
    print(f"to start from it: csglib train COHORT OUT --network {network} --init {path}")


@app.command()
def table1(  # noqa: PLR0913, PLR0917  # options
    out: Annotated[Path, Argument(metavar="OUT", help="new, or begun with the same preset")],
    preset: Annotated[Preset, Option(help="how much of it; laptop takes a night")] = "smoke",
    rows: Annotated[str, Option(help="row names separated by commas; the paper's if empty")] = "",
    seeds: Annotated[int, Option(help="runs per row, seeds 0, 1, ...")] = 1,
    init: Annotated[
        str, Option(help="2D weights: of clips, random, or a Conformer checkpoint")
    ] = "clips",
    precision: Annotated[Precision | None, Option(help="instead of the preset's")] = None,
    micro_batches: Annotated[int, Option(help="parts of a batch, to save memory")] = 1,
) -> None:
    """Run the paper's Table 1 on simulated clips. Resumes."""
    from csglib.table1 import report  # noqa: PLC0415
    from csglib.table1.budget import BUDGETS  # noqa: PLC0415
    from csglib.table1.rows import ALL_ROWS, ROWS  # noqa: PLC0415
    from csglib.table1.run import Table1  # noqa: PLC0415

    names = rows.split(",") if rows else list(ROWS)
    budget = replace(BUDGETS[preset], micro_batches=micro_batches)
    table = Table1(out, replace(budget, precision=precision or budget.precision), init)
    runs: dict[str, list[Path]] = {}
    text = ""
    for name, seed, folder in table.run(names, seeds):
        runs.setdefault(name, []).append(folder)
        text = report.write_table(out, runs)
        of = f"{sum(map(len, runs.values()))} of {len(names) * seeds} runs"
        print(f"{of}: {ALL_ROWS[name].title}, seed {seed}, is done", flush=True)
    print(text)


@app.command()
def doctor(  # noqa: PLR0913, PLR0917  # options
    folder: Annotated[Path, Argument(metavar="FOLDER", help="of patient/clip.* and labels.csv")],
    report: Annotated[
        Path | None, Option(help="HTML file to write; doctor.html in FOLDER if not given")
    ] = None,
    frames: Annotated[int, Option(min=1, help="frames per clip that the network takes")] = 8,
    size: Annotated[int, Option("--image-size", min=1, help="rows and columns, pixels")] = 256,
    grades: Annotated[str, Option(help="names used in labels.csv, mild first")] = "mild,severe",
    workers: Workers = _CORES,
    deidentify: Annotated[
        Path | None, Option(help="folder for a de-identified cohort, if no finding stops it")
    ] = None,
    seed: Annotated[int, Option(help="of the split, where labels.csv gives none")] = 0,
    pad: Annotated[
        bool, Option("--pad", help="keep all of the tissue beside black bars, not a square of it")
    ] = False,
    reviewed: Annotated[bool, Option("--reviewed", help="the page shows no person's data")] = False,
) -> None:
    """Check your own clips before training; de-identify them."""
    options = dict(locals())
    from csglib.doctor import CohortSettings, examine  # noqa: PLC0415
    from csglib.doctor import deidentify as write_cohort  # noqa: PLC0415
    from csglib.doctor.privacy import private_words, refuse_leaks  # noqa: PLC0415

    options["grades"] = tuple(grade.strip() for grade in grades.split(","))
    refuse_dead_end(frames, size)
    if reviewed and not deidentify:
        raise ValueError("--reviewed concerns what --deidentify writes: add --deidentify OUT")
    found = examine(folder, pick(CohortSettings, options), workers)
    print(found)
    page = found.write_page(report)
    print(f"{page} has all findings, with pictures. It contains file names: keep it private.")
    if found.stops:
        end(f"{'no cohort was written: ' * bool(deidentify)}see to the findings that stop first", 1)
    if deidentify:
        print(f"{page} shows everything that would be written. Check every picture.", flush=True)
        if not reviewed:
            confirm(page)
        words = private_words(folder)
        write_cohort(found, deidentify, workers)
        refuse_leaks(deidentify, words)
        print(f"{deidentify} is ready, de-identified. To train: {train_hint(deidentify, size)}")


def refuse_dead_end(frames: int, size: int) -> None:
    """Refuse clips that no network takes before they are made."""
    if frames not in (8, 16) or size % 32:
        wanted = "wanted --frames 8 or 16, and an --image-size that is a multiple of 32"
        raise ValueError(f"no network takes {frames} frames of {size} pixels: {wanted}")


def train_hint(cohort: Path, size: int) -> str:
    """A command that trains on this machine: the whole network only where there is a GPU."""
    from torch.cuda import is_available  # noqa: PLC0415

    fit = "" if is_available() else " --network tiny --preset laptop"
    return f"csglib train {shlex.quote(str(cohort))} runs/mine{fit} --image-size {size}"


def confirm(page: Path) -> None:
    """Exit unless the user confirms that the page shows no person's data."""
    again = "check it, and if it shows no person's data, add --reviewed"
    if not sys.stdin.isatty():
        end(f"no terminal to ask whether {page} shows a person's data: {again}")
    try:
        answer = input(_QUESTION).strip().lower()
    except EOFError:
        end(f"no answer, no cohort was written: {again}")
    if answer not in ("", "n", "no"):
        end("no cohort was written: give these clips a box in labels.csv or delete their rows", 1)


@app.command()
def model_card(
    run: Annotated[Path, Argument(metavar="RUN", help="folder of a finished run")],
    cohort: Annotated[Path, Argument(metavar="COHORT", help="that it was trained on")],
) -> None:
    """Print a run's model card in Markdown."""
    refuse_swapped("model-card RUN COHORT", run)
    from csglib.doctor import card  # noqa: PLC0415

    print(card.model_card(run, cohort), end="")


def main() -> None:
    """Run a command; a user's mistake is one line on stderr and exit code 2."""
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="csglib", standalone_mode=False)
    except typer.TyperException as error:
        context, option = getattr(error, "ctx", None), getattr(error, "param", None)
        message = error.format_message().replace("Value error, ", "").rstrip(".")
        for name in set(getattr(option, "opts", [])) & set(sys.argv[:-1]):
            message += f": got {sys.argv[sys.argv.index(name) + 1]}"
        end(f"{message}; see {context.command_path if context else 'csglib'} --help")
    except ConnectionError as error:
        end(f"{error}, or choose other weights, for instance --init random")
    except (ValueError, ArithmeticError, MemoryError, ModuleNotFoundError) as error:
        end(str(error))
    if code == 130:
        end("stopped; run the same command again to resume", 130)
    if code:
        sys.exit(code)


if __name__ == "__main__":
    main()
