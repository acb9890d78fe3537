"""What this room offers to training, evaluation, search and publication."""

from ..evaluation.scores import MEAN_VOLUME, NEAREST_VOLUME
from ..models.bundle import Model
from ..training.kit import Kit
from .condition_scores import score_conditions
from .evaluate import evaluate
from .publish import publish
from .recipe import BiplanarRecipe, BiplanarSettings
from .reconstruct import Generator, Reconstructor


def _load(model: Model, device: str = "cpu") -> Reconstructor:
    """A model as it is used by default, which tells its uncertainty unless an ensemble has to be run for it."""
    return Reconstructor.from_model(model, device, uncertainty=not model.snapshots)


def _wrap(network: Generator, device: str = "cpu") -> Reconstructor:
    return Reconstructor(network, device, uncertainty=True)


KIT = Kit(
    task="biplanar",
    settings=BiplanarSettings,
    recipe=BiplanarRecipe,
    load=_load,
    wrap=_wrap,
    evaluate=evaluate,
    publish=publish,
    score="psnr_true",
    baselines=(MEAN_VOLUME, NEAREST_VOLUME),
    search={"learning_rate": (1e-4, 2e-3), "projection_weight": (0.02, 0.5), "adversarial_weight": (5e-4, 1e-2)},
    conditions=score_conditions,
)
