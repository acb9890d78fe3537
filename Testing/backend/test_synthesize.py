"""What synthesizers tell of themselves: progress within a volume and within a stack, and warnings."""

import pytest

from CTGANLib.pyramid import synthesize as pyramid
from CTGANLib.pyramid.network import PyramidGenerator
from CTGANLib.slices import synthesize as slices
from CTGANLib.slices.network import ConvolutionalGenerator


def volumes(deformation: int = 0) -> pyramid.Synthesizer:
    network = PyramidGenerator([2, 4, 4, 4, 8, 8], [3000, 3000, 5000], widths=(2, 2, 1), deformation=(deformation,))
    network.progress.fill_(2)
    return pyramid.Synthesizer(network)


def told(synthesizer, count: int, **options) -> list[tuple[float, str]]:
    seen = []
    for _ in synthesizer.volumes(count, 0, progress=lambda *event: seen.append(event), **options):
        pass
    return seen


def test_progress_goes_by_scales_and_volumes():
    small, large = 2 * 4 * 4, 4 * 8 * 8
    share = small / (small + large)
    fractions, messages = zip(*told(volumes(), 2), strict=True)
    assert fractions == pytest.approx([share / 2, 0.5, 0.5 + share / 2, 1])
    assert messages[0] == "Volume 1 of 2, scale 0" and messages[-1] == "Volume 2 of 2, scale 1"


def test_progress_reaches_the_end_of_a_stack():
    stack = slices.Synthesizer(ConvolutionalGenerator((64,), (2,), (8,), (0,)))
    fractions, messages = zip(*told(stack, 70), strict=True)
    assert fractions == pytest.approx([32 / 70, 64 / 70, 1]) and messages[-1] == "Picture 70 of 70"


def test_warnings_tell_what_is_not_new_and_what_is_stretched():
    assert volumes().warnings(1) == volumes(8).warnings(1, (8, 8, 4)) == volumes().warnings(1, (9, 8, 4)) == []
    (stretched,) = volumes(8).warnings(1, (9, 8, 4))
    assert stretched == "The anatomy is stretched to the size; the model has learned from 8 x 8 x 4 voxels."
    learned, stretched = volumes().warnings(1, (9, 8, 4), 1)
    assert learned.startswith("All scales below 1 are those of a volume") and "stretched" in stretched
    stack = slices.Synthesizer(ConvolutionalGenerator((64,), (2,), (8,), (0,)))
    assert stack.warnings(1) == [] and stack.warnings(2) == ["The slices of the stack do not belong together."]
