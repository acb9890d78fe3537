"""What this room offers to training, evaluation, search and publication."""

from ..datasets.cases import TEST, TRAIN
from ..datasets.preparation import PreparedData
from ..training.kit import Kit
from .evaluate import ENLARGED, evaluate
from .preparation import PyramidVolumes, prepare_volumes
from .publish import publish
from .recipe import PyramidRecipe
from .settings import PyramidSettings
from .synthesize import Synthesizer


def _prepare(settings: PyramidSettings, *where, **how) -> PreparedData:
    return prepare_volumes(settings.shapes[0], *where, **how)


KIT = Kit(
    task="pyramid",
    settings=PyramidSettings,
    recipe=PyramidRecipe,
    load=Synthesizer.from_model,
    wrap=Synthesizer,
    evaluate=evaluate,
    publish=publish,
    score="psnr",
    baselines=(ENLARGED,),
    search={"learning_rate": (3e-4, 5e-3), "adversarial_weight": (1e-2, 1.0)},
    prepare=_prepare,
    volumes=PyramidVolumes,
    scored=(TRAIN, TEST),
)
