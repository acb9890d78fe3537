"""What this room offers to training, evaluation, search and publication."""

from ..training.kit import Kit
from .evaluate import evaluate
from .publish import publish
from .recipe import BiplanarRecipe, BiplanarSettings
from .reconstruct import Reconstructor

KIT = Kit(
    task="biplanar",
    settings=BiplanarSettings,
    recipe=BiplanarRecipe,
    load=Reconstructor.from_model,
    wrap=Reconstructor,
    evaluate=evaluate,
    publish=publish,
    score="psnr_true",
    search={"learning_rate": (1e-4, 2e-3), "projection_weight": (0.02, 0.5), "adversarial_weight": (5e-4, 1e-2)},
)
