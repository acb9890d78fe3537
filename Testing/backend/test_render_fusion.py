"""Several volumes as one."""

import numpy as np
import pytest

import phantoms
from CTGANLib.errors import UserError
from CTGANLib.imaging.volumes import Volume
from CTGANLib.rendering import fusion
from CTGANLib.rendering.fusion import fuse, fuse_by_certainty


def test_fusion_keeps_what_each_volume_shows(monkeypatch):
    monkeypatch.setattr(fusion, "_STEPS", 40)
    grid = phantoms.Grid.centered((24, 24, 24), 2.0)
    first, second = np.zeros((24, 24, 24), np.float32), np.zeros((24, 24, 24), np.float32)
    first[4:8, 4:8, 4:8], second[16:20, 15:21, 16:20] = 800, 600
    volumes = [Volume(first, grid), Volume(second, grid)]
    average, pyramid, learned = (fuse(volumes, method).array for method in ("average", "pyramid", "learned"))
    assert average[5, 5, 5] == 400 and pyramid[5, 5, 5] > 600 and pyramid[18, 18, 18] > 450
    assert learned.shape == first.shape and learned[5, 5, 5] > 200 and learned[18, 18, 18] > 150
    sure, unsure = (Volume(np.full(first.shape, value, np.float32), grid) for value in (1, 1000))
    np.testing.assert_allclose(fuse_by_certainty(volumes, [sure, unsure]).array, first, atol=1)
    with pytest.raises(UserError, match="only one"):
        fuse(volumes[:1])
    away = Volume(first, phantoms.Grid.centered((24, 24, 24), 2.0, (500, 0, 0)))
    with pytest.raises(UserError, match="overlap"):
        fuse([volumes[0], away])
