"""A pipeline's model: trained in one process, evaluated and written as a bundle in the next."""

import json
from pathlib import Path

import torch

from ..datasets.preparation import PreparedData
from ..errors import UserError
from ..evaluation.scores import write_json
from ..evaluation.sheets import Sheets
from ..events import Progress
from ..files import staged
from ..training.kit import Kit
from ..training.runs import Run
from ..training.session import hold_out, train_network
from ..training.settings import TrainingSettings

METHOD = "ours"
"""What rows call the model."""


class KeptSheets(Sheets):
    """Pictures of cases that another process can go on with."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._index = folder / "index.json"
        if self._index.is_file():
            entries = json.loads(self._index.read_text(encoding="utf-8"))
            self._cases = {
                case: {title: [folder / name for name in names] for title, names in drawn.items()}
                for case, drawn in entries.items()
            }

    def save(self) -> None:
        """Write down which picture shows what."""
        entries = {
            case: {title: [path.name for path in paths] for title, paths in drawn.items()}
            for case, drawn in self._cases.items()
        }
        with staged(self._index) as temporary:
            temporary.write_text(json.dumps(entries), encoding="utf-8")


def pictures_folder(run: Run) -> Path:
    """Where a run's pictures of the test cases lie."""
    return run.folder / "pictures"


def train_run(
    kit: Kit, data: PreparedData, run: Run, settings: TrainingSettings, device: str, progress: Progress
) -> list[Path]:
    """Train, and keep the network beside the run.

    Args:
        kit: of the recipe.
        data: prepared patients.
        run: a run that was begun; what it holds is resumed.
        settings: of the recipe.
        device: of torch.
        progress: is told of each step.

    Returns:
        The files of the network and of its making.

    Raises:
        UserError: see :func:`~CTGANLib.training.session.train_network`; or the training was paused.
    """
    run.say("training", device=device)
    try:
        trained = train_network(kit, data, run, settings, device, progress)
    except UserError as error:
        run.fail(error)
        raise
    if trained.ending == "paused":
        run.say("paused", message="Paused. Starting the pipeline again goes on where it stopped.")
        raise UserError("The training was paused.", "Start the pipeline again to go on.")
    network, facts = _files(run)
    with staged(network) as temporary:
        torch.save(trained.network.state_dict(), temporary)
    names = [case.name for case in trained.trained_on]
    with staged(facts) as temporary:
        temporary.write_text(json.dumps({"trained_on": names, "seconds": trained.seconds}), encoding="utf-8")
    run.say("evaluating", message="The training is done.")
    return [network, facts]


def evaluate_run(
    kit: Kit, data: PreparedData, run: Run, settings: TrainingSettings, device: str, progress: Progress
) -> list[Path]:
    """Score what :func:`train_run` has trained on the test patients, and write it as a bundle.

    Returns:
        The rows, the bundle's files and the pictures.
    """
    run.say("evaluating", message="Scoring the test patients")
    network_file, facts_file = _files(run)
    facts = json.loads(facts_file.read_text(encoding="utf-8"))
    learned_from, _ = hold_out(data, settings.validation_share, settings.seed)
    # The recipe knows how its network is made; the weights are those kept.
    volumes = kit.volumes([data.prepared[case.name] for case in learned_from])
    network = kit.recipe(settings, volumes, device).average
    network.load_state_dict(torch.load(network_file, weights_only=True, map_location="cpu"))
    pictures = pictures_folder(run)
    pictures.mkdir(exist_ok=True)
    for old in pictures.iterdir():
        old.unlink()
    sheets = KeptSheets(pictures)
    training = list(data.files("train").values())
    rows = kit.evaluate(
        {METHOD: kit.wrap(network, device)}, data.files(*kit.scored), training, progress, sheets
    )
    sheets.save()
    write_json(run.evaluation, rows)
    trained_on = [case for case in data.cases if case.name in facts["trained_on"]]
    kit.publish(run.model, network, settings, trained_on, rows, facts["seconds"] / 3600, device)
    run.say("done", fraction=1.0, message="Done", left_out=data.left_out)
    return [run.evaluation, *(path for folder in (run.model, pictures) for path in folder.rglob("*") if path.is_file())]


def _files(run: Run) -> tuple[Path, Path]:
    """The trained weights, and what is known of their making."""
    return run.folder / "network.pt", run.folder / "trained.json"
