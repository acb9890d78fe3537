"""The projector beside Plastimatch and RTK, where these are installed (see Testing/benchmarks)."""

import importlib.util

import numpy as np
import pytest
from benchmarks.projector_engines import CTGAN, RTK, Case, Engine, Plastimatch, acquisitions_of

from phantoms import CENTER, ball, turned_grid


@pytest.mark.parametrize("angles", [(0.0, 0.0), (90.0, 0.0), (20.0, 7.0)])
@pytest.mark.parametrize(("package", "engine"), [("plastimatch", Plastimatch), ("itk", RTK)])
def test_others_agree(package: str, engine: type[Engine], angles: tuple[float, float]):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    grid = turned_grid(np.diag([-1.0, -1.0, 1.0]), (160, 120, 140), (1.0, 1.0, 2.0))
    mu = 0.02 * (ball(grid, CENTER, 50) - 0.7 * ball(grid, CENTER + np.array([20.0, 9.0, 7.0]), 20))
    case = Case("balls", "", 100, 2.0, (angles,))
    values = mu.astype(np.float32), grid, acquisitions_of(case, CENTER), case
    ours, theirs = CTGAN(*values).forward(), engine(*values).forward()
    assert np.sqrt(((ours - theirs) ** 2).mean()) < 0.005 * np.ptp(theirs)
