"""What this room offers to training, evaluation, search and publication."""

from ..datasets.preparation import PreparedData
from ..evaluation.scores import ALL_BACKGROUND
from ..training.kit import Kit
from .evaluate import evaluate
from .patches import LabeledVolumes
from .preparation import prepare_pairs
from .publish import publish
from .recipe import SegmentationRecipe, SegmentationSettings
from .segmenter import TASK, Segmenter
from .tasks import find_task


def _prepare(settings: SegmentationSettings, *where, **how) -> PreparedData:
    return prepare_pairs(find_task(settings.task, settings.labels), *where, **how)


def _wrap(network, device: str) -> Segmenter:
    return Segmenter(network, network.task, network.patch, device)


KIT = Kit(
    task=TASK,
    settings=SegmentationSettings,
    recipe=SegmentationRecipe,
    load=Segmenter.from_model,
    wrap=_wrap,
    evaluate=evaluate,
    publish=publish,
    score="dice",
    baselines=(ALL_BACKGROUND,),
    search={"learning_rate": (3e-4, 1e-2)},
    prepare=_prepare,
    volumes=LabeledVolumes,
)
