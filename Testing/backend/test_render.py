"""Cameras, transfer functions, and the ray-caster beside VTK's."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
import vtk

import phantoms
from CTGANLib.errors import UserError
from CTGANLib.imaging.geometry import Grid
from CTGANLib.rendering import vtk_renderer
from CTGANLib.rendering.camera import Camera, View, diagonal, random_view
from CTGANLib.rendering.coarse import CoarseVolume
from CTGANLib.rendering.colors import lab, over
from CTGANLib.rendering.functions import (
    LEAST_HU,
    SAMPLES_HU,
    TransferFunctions,
    from_slicer,
    read_functions,
    to_slicer,
    write_functions,
)
from CTGANLib.rendering.metrics import emd, picture_scores, transport
from CTGANLib.rendering.presets import PRESETS, preset
from CTGANLib.rendering.random_functions import random_functions
from CTGANLib.rendering.raycast import Tables, cast
from CTGANLib.rendering.vtk_renderer import VtkRenderer

EXTENT = (180, 130, 130)
SPACING = np.array([3.0, 3.2, 3.5])
MUSCLE = preset("CT-Muscle")
# A marker alone: nothing else is as dense.
MARKER = TransferFunctions([[500, 0], [900, 0.5]], [[0, 1, 0, 0]])


def chest(directions="upright"):
    return phantoms.chest(phantoms.turned_grid(phantoms.DIRECTIONS[directions], EXTENT, SPACING))


def error(seen, true):
    """Root mean square over the pixels."""
    return np.sqrt(np.mean((seen - true) ** 2))


def test_views_are_those_of_vtk_cameras_turned_as_tfgan_does():
    grid = Grid.centered((40, 50, 60), 2.0, (10, -20, 30))
    # TFGAN's axes: x to the right, y up, z to the viewer, who stands before the patient.
    axes = np.array([[-1, 0, 0], [0, 0, 1], [0, 1, 0.0]])
    for view in (View(), View(30, 250, -8, 1.7), View(150, 80, 10, 2.5)):
        camera = vtk.vtkCamera()
        camera.SetPosition(0, 0, 2.5 * np.linalg.norm([120, 100, 80]))
        for turn, amount in (("Elevation", -85), ("Elevation", view.elevation), ("Azimuth", view.azimuth)):
            getattr(camera, turn)(amount)
        camera.Roll(view.roll)
        camera.Zoom(view.zoom)
        camera.OrthogonalizeViewUp()
        ours = view.camera(grid)
        np.testing.assert_allclose(ours.position, np.array(camera.GetPosition()) @ axes + grid.center, atol=1e-3)
        np.testing.assert_allclose(ours.axes[1], np.array(camera.GetViewUp()) @ axes, atol=1e-6)
        assert ours.view_angle == pytest.approx(camera.GetViewAngle())
        back = View.of(ours, grid)
        np.testing.assert_allclose(back.row, view.row, atol=1e-6)


def test_bad_cameras_and_views():
    with pytest.raises(UserError, match="own up"):
        Camera((0, 0, 0), (0, 0, 1))
    with pytest.raises(UserError, match="no sense"):
        Camera((0, 0, np.nan), (0, 1, 1))
    with pytest.raises(UserError, match="elevation"):
        View(elevation=180)
    with pytest.raises(UserError, match="no sense"):
        View(zoom=0)


def test_volume_properties_of_slicer_are_read_as_they_are(tmp_path):
    write_functions(replace(MUSCLE, unit_distance=0.7), tmp_path / "a.vp.json")
    again = read_functions(tmp_path / "a.vp.json")
    np.testing.assert_array_equal(again.opacity, MUSCLE.opacity)
    np.testing.assert_array_equal(again.color, MUSCLE.color)
    assert (again.shade, again.diffuse, again.unit_distance) == (True, 0.9, 0.7)

    values = to_slicer(MUSCLE)
    bent = values["volumeProperties"][0]["components"][0]["scalarOpacity"]["points"]
    bent[2] |= {"midpoint": 0.3, "sharpness": 0.4}
    function = vtk.vtkPiecewiseFunction()
    for point in bent:
        function.AddPoint(point["x"], point["y"], point["midpoint"], point["sharpness"])
    read = from_slicer(values)
    assert read.opacity_at(np.array([260.0])) == pytest.approx(function.GetValue(260.0), abs=1e-6)
    assert abs(function.GetValue(260.0) - MUSCLE.opacity_at(np.array([260.0]))[0]) > 0.01


BAD = {
    "no points": ([], MUSCLE.color, "no points"),
    "not a number": ([[0, np.nan], [1, 1]], MUSCLE.color, "not numbers"),
    "not monotone": ([[100, 0], [0, 1]], MUSCLE.color, "order"),
    "beyond one": ([[0, 0], [100, 1.5]], MUSCLE.color, "within 0 and 1"),
    "outside HU": ([[4000, 0], [5000, 1]], MUSCLE.color, "has any opacity"),
    "color": (MUSCLE.opacity, [[0, 1, 1]], "no points"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_functions_are_refused_in_one_sentence(name):
    opacity, color, message = BAD[name]
    with pytest.raises(UserError, match=message):
        TransferFunctions(opacity, color)


def test_bad_volume_properties(tmp_path):
    with pytest.raises(UserError, match="There is no volume property"):
        read_functions(tmp_path / "none.json")
    (tmp_path / "a.json").write_text("[1, 2")
    with pytest.raises(UserError, match="not a volume property"):
        read_functions(tmp_path / "a.json")
    (tmp_path / "b.json").write_text('{"volumeProperties": []}')
    with pytest.raises(UserError, match="no transfer functions"):
        read_functions(tmp_path / "b.json")
    values = json.loads(json.dumps(to_slicer(MUSCLE)))
    values["volumeProperties"][0]["components"][0]["gradientOpacity"]["points"][0]["y"] = 0.0
    with pytest.raises(UserError, match="gradient"):
        from_slicer(values)


def test_random_functions_and_presets_have_256_samples_within_bounds():
    random = np.random.default_rng(3)
    drawn = [random_functions(random) for _ in range(40)]
    assert len(SAMPLES_HU) == 256 and len(set(SAMPLES_HU)) == 256
    assert {functions.shade for functions in drawn} == {True, False}
    for functions in drawn:
        assert functions.opacity.shape == (256, 2) and functions.color.shape == (256, 4)
        assert 0.01 < functions.opacity[:, 1].max() <= 1
    assert all(preset(name).opacity_at(np.arange(LEAST_HU, 3000)).max() > 0.1 for name in PRESETS)
    views = [random_view(random) for _ in range(200)]
    assert min(view.elevation for view in views) < 20 and max(view.zoom for view in views) > 2.2


@pytest.mark.parametrize("directions", ["upright", "lps", "permuted", "oblique", "mirrored"])
@pytest.mark.parametrize("view", [View(100, 35, 5, 1.4), View(40, 200, -10, 1.0)])
def test_the_marker_is_where_it_is_in_the_patient(directions, view):
    volume = chest(directions)
    camera = view.camera(volume.grid)
    toward = camera.axes @ (phantoms.MARKER - np.array(camera.position))
    expected = 0.5 + 0.5 * np.array([-toward[1], toward[0]]) / toward[2] / np.tan(np.radians(camera.view_angle / 2))
    by_vtk = VtkRenderer(volume, threads=1).rgba(camera, MARKER, 64)[..., 3] / 255
    ours = cast(CoarseVolume.of(volume), camera, Tables.of(MARKER), 64)[3].numpy()
    for opacity in (by_vtk, ours):
        assert opacity.max() > 0.5
        place = (np.argwhere(opacity > 0) + 0.5) / 64
        middle = np.average(place, axis=0, weights=opacity[opacity > 0])
        np.testing.assert_allclose(middle, expected, atol=0.012)


@pytest.mark.parametrize("shade", [True, False])
def test_the_ray_caster_sees_what_vtk_renders(shade):
    # Edges as soft as those of real CTs.
    image = sitk.SmoothingRecursiveGaussian(chest("oblique").to_image(), 3.0)
    volume, random = phantoms.Volume.from_image(image), np.random.default_rng(1)
    renderer, coarse = VtkRenderer(volume, threads=1), CoarseVolume.of(volume)
    functions = replace(MUSCLE, shade=shade, ambient=0.2, specular=0.2)
    black = np.zeros(3)
    for _ in range(2):
        camera = random_view(random).camera(volume.grid)
        true, depth = renderer.rgba(camera, functions, 128) / 255, renderer.depth(camera, functions, 128)
        seen = cast(coarse, camera, Tables.of(functions), 128).permute(1, 2, 0).numpy()
        assert error(seen[..., :4], true) < 0.05 and true[..., 3].mean() > 0.1
        # Light and colors as a whole, not only shapes.
        assert over(seen[..., :4], black).mean() == pytest.approx(over(true, black).mean(), rel=0.06)
        inside = (true[..., 3] > 0.9) & (seen[..., 3] > 0.9)
        assert np.abs(depth - seen[..., 4])[inside].mean() < 0.02


def test_what_is_opaque_within_a_step_has_the_color_of_its_front():
    grid = Grid.centered((24, 24, 24), 2.0)
    hu = np.full(grid.shape, -1000, np.int16)
    hu[6:18, 6:18, 6:18] = 1000
    # Opaque from 0 HU on, black there and white at 400 HU, which the same step reaches.
    functions = TransferFunctions([[-1, 0], [0, 1]], [[0, 0, 0, 0], [400, 1, 1, 1]])
    camera = Camera((0, 400.0, 0), (0, 0, 0), parallel_scale=24.0)
    volume = phantoms.Volume(hu, grid)
    true = VtkRenderer(volume, threads=1).rgba(camera, functions, 32)[16, 16] / 255
    seen = cast(CoarseVolume.of(volume), camera, Tables.of(functions), 32)[:4, 16, 16].numpy()
    # Within the first 0.2 mm, where VTK takes its first sample, there are up to 200 HU; in all of the step up to 1000.
    assert true[3] > 0.99 and true[:3].max() < 0.5
    assert seen[3] > 0.99 and 0.05 < seen[0] < 0.4


def test_a_picture_that_misses_the_volume_is_empty_also_after_others():
    volume = chest()
    renderer, grid = VtkRenderer(volume, threads=1), volume.grid
    towards = View().camera(grid)
    assert renderer.rgba(towards, MUSCLE, 32)[..., 3].max() > 100
    away = Camera(towards.position, tuple(2 * np.array(towards.position) - towards.focal_point))
    for size in (32, 48):
        assert renderer.rgba(away, MUSCLE, size).max() == 0


def test_tiles_hold_what_lies_between_their_voxels():
    random = np.random.default_rng(0)
    hu = random.integers(-1000, 3000, (19, 21, 35)).astype(np.int16)
    grid = Grid.centered(hu.shape, 2.0)
    volume = CoarseVolume(hu, grid, grid)
    for axis in range(3):
        slices, ranges = volume.slices(axis)[:, 0].numpy(), volume.ranges(axis).numpy()
        for group, row, column in itertools.product(*(range(size) for size in (ranges.shape[0], *ranges.shape[2:]))):
            within = slices[group * 16 : group * 16 + 17, row * 8 : row * 8 + 9, column * 8 : column * 8 + 9]
            assert tuple(ranges[group, :, row, column]) == (within.min(), within.max())


def test_parallel_cameras_and_cameras_within_the_volume():
    volume = chest()
    grid, coarse = volume.grid, CoarseVolume.of(volume)
    place = np.array(View(95, 30).camera(grid).position)
    parallel = Camera(tuple(place), tuple(grid.center), parallel_scale=90.0)
    true = VtkRenderer(volume, threads=1).rgba(parallel, MUSCLE, 128) / 255
    assert error(cast(coarse, parallel, Tables.of(MUSCLE), 128).permute(1, 2, 0).numpy()[..., :4], true) < 0.05
    within = Camera(tuple(grid.center), tuple(phantoms.MARKER))
    assert cast(coarse, within, Tables.of(MARKER), 16)[3, 8, 8] > 0.5
    away = Camera(tuple(grid.center), tuple(2 * grid.center - phantoms.MARKER))
    assert cast(coarse, away, Tables.of(MARKER), 16)[3].max() == 0
    aside = Camera((1000.0, 0.0, 0.0), (2000.0, 0.0, 0.0))
    assert cast(coarse, aside, Tables.of(MUSCLE), 16).max() == 0


def test_a_box_absorbs_and_shines_as_the_formula_says():
    grid = Grid.centered((40, 40, 40), 2.0)
    hu = np.full(grid.shape, -1000, np.int16)
    hu[10:30, 10:30, 10:30] = 200
    functions = TransferFunctions([[199, 0], [200, 0.03], [3000, 0.03]], [[0, 0.2, 0.4, 0.8]], unit_distance=2.0)
    camera = Camera((0, 500.0, 0), (0, 0, 0), parallel_scale=40.0)
    seen = cast(CoarseVolume.of(phantoms.Volume(hu, grid)), camera, Tables.of(functions), 32)[:, 16, 16].numpy()
    # 19 steps of 2 mm between voxels of 200 HU, and two edges in which next to nothing has 200 HU.
    opacity = 1 - 0.97**19
    np.testing.assert_allclose(seen[:4], np.array([0.2, 0.4, 0.8, 1]) * opacity, atol=0.01)


def test_gradients_are_those_of_finite_differences():
    volume = chest()
    coarse, camera = CoarseVolume.of(volume), View(85, 20, 0, 1.2).camera(volume.grid)
    tables = Tables.of(replace(MUSCLE, shade=True))

    def brightness(opacity, color):
        return cast(coarse, camera, replace(tables, opacity=opacity, color=color), 24)[:4].mean()

    opacity, color = (values.clone().requires_grad_() for values in (tables.opacity, tables.color))
    before = brightness(opacity, color)
    before.backward()
    where = slice(1024 + 20, 1024 + 120)
    # The same as where gradients are asked for: otherwise what is opaque within a step is cut off.
    more = tables.opacity.clone()
    more[where] += 0.01
    change = (brightness(more.requires_grad_(), tables.color) - before).detach() / 0.01
    assert float(opacity.grad[where].sum()) == pytest.approx(float(change), rel=0.05)
    redder = tables.color.clone()
    redder[where, 0] += 0.01
    change = (brightness(tables.opacity, redder.requires_grad_()) - before).detach() / 0.01
    assert float(color.grad[where, 0].sum()) == pytest.approx(float(change), rel=0.05) and change > 1e-3


def test_what_is_transparent_has_a_gradient_too():
    volume = chest()
    coarse, camera = CoarseVolume.of(volume), View(85, 20, 0, 1.2).camera(volume.grid)
    tables = Tables.of(MARKER)
    opacity = tables.opacity.clone().requires_grad_()
    cast(coarse, camera, replace(tables, opacity=opacity), 16)[3].mean().backward()
    where = slice(1024 + 30, 1024 + 50)
    more = tables.opacity.clone()
    more[where] += 1e-4
    seen = [cast(coarse, camera, one, 16)[3].mean() for one in (tables, replace(tables, opacity=more))]
    change = seen[1] - seen[0]
    assert float(opacity.grad[where].sum()) == pytest.approx(float(change) / 1e-4, rel=0.1) and change > 0


def test_colors_of_vtk_pictures_come_times_opacity():
    volume, color = chest(), np.array([0.2, 0.5, 0.7])
    functions = TransferFunctions(MUSCLE.opacity * [1, 0.05], [[0, *color]])
    rgba = VtkRenderer(volume, threads=1).rgba(View(80, 30).camera(volume.grid), functions, 32) / 255
    assert 0.1 < np.median(rgba[rgba[..., 3] > 0, 3]) < 0.9
    np.testing.assert_allclose(rgba[..., :3], rgba[..., 3:] * color, atol=0.02)


def test_depth_pass_shows_all_that_is_opaque():
    # Thin rods in what is transparent: by itself VTK leaves out a third of them in volumes of two values.
    grid = Grid.centered((48, 48, 48), 3.0)
    hu = np.random.default_rng(0).integers(-20, 20, grid.shape).astype(np.int16)
    hu[np.ix_(np.arange(48) % 16 < 2, np.arange(48) % 18 < 2)] = 1000
    camera, functions = View(80, 30).camera(grid), TransferFunctions([[300, 0], [400, 1]], [[0, 1, 1, 1]])
    renderer = VtkRenderer(phantoms.Volume(hu, grid), threads=1)
    opaque = renderer.rgba(camera, functions, 96)[..., 3] > 200
    assert opaque.mean() > 0.02 and (renderer.depth(camera, functions, 96)[opaque] > 0).mean() > 0.95


def test_surfaces_are_where_they_are_and_face_the_camera():
    grid = phantoms.turned_grid(phantoms.DIRECTIONS["oblique"], EXTENT, SPACING)
    k, j, i = np.indices(grid.shape)
    away = np.linalg.norm(grid.to_ras(np.stack([i, j, k], -1)) - grid.center - [-25, 15, 10], axis=-1)
    hu = np.clip(1000 - 40 * (away - 15), -1000, 1000).astype(np.int16)  # a ball at the patient's left, in front
    functions = TransferFunctions([[-50, 0], [50, 1]], [[0, 1, 1, 1]])
    renderer = VtkRenderer(phantoms.Volume(hu, grid), threads=1)
    for view in (View(85, 0), View(60, 130, 8, 1.3)):
        camera = view.camera(grid)
        told = renderer.surfaces(camera, functions, 64)
        opacity, _, depth, *places, facing = told.numpy()
        assert 0.02 < (depth > 0).mean() < 0.9 and (opacity[depth > 0] > 0).all()
        inside = opacity > 0.99
        ras = np.stack(places, -1)[inside] * [-1, 1, 1] * diagonal(grid) + grid.center
        normal = (ras - grid.center - [-25, 15, 10]) / 40
        assert np.abs(np.linalg.norm(normal, axis=-1) - 1).mean() < 0.04
        assert np.abs(facing[inside] + normal @ camera.direction).mean() < 0.08


def test_depth_pass_of_a_finely_sliced_volume(monkeypatch):
    volume = chest()
    camera, renderer = View(85, 0).camera(volume.grid), VtkRenderer(volume, threads=1)
    fine = renderer.depth(camera, MUSCLE, 32)
    monkeypatch.setattr(vtk_renderer, "_MOST_DEPTH_VOXELS", 32)
    coarse = renderer.depth(camera, MUSCLE, 32)
    both = (fine > 0) & (coarse > 0)
    assert both.mean() > 0.1 and np.abs(fine - coarse)[both].mean() < 0.03


def test_colors_in_cielab():
    known = lab(np.array([[1, 1, 1], [1, 0, 0], [0, 0, 1], [0.5, 0.5, 0.5], [0, 0, 0]]))
    expected = [[100, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86], [53.39, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(known, expected, atol=0.05)


def test_picture_scores():
    random = np.random.default_rng(0)
    true = np.kron(random.random((24, 24, 3)), np.ones((8, 8, 1)))
    same = picture_scores(true, true)
    assert same["rmse"] == same["emd"] == same["relative_l2"] == 0 and same["ssim"] == pytest.approx(1)
    brighter = picture_scores(true * 0.9 + 0.1, true)
    assert brighter["rmse"] == pytest.approx(np.sqrt(np.mean((0.1 - 0.1 * true) ** 2)))
    assert brighter["psnr"] == pytest.approx(-20 * np.log10(brighter["rmse"]))
    assert 0.8 < brighter["ssim"] < 1 and 0.8 < brighter["ms_ssim"] < 1
    # All gray from one lightness bin to the seventh: six steps of the longest way between two bins.
    dark, light = np.full((8, 8, 3), 0.02), np.full((8, 8, 3), 0.8)
    assert emd(dark, light) == pytest.approx(6 / np.linalg.norm([7, 11, 11]))


def test_transport_is_optimal():
    random = np.random.default_rng(0)
    cost = np.linalg.norm(random.integers(0, 9, (5, 1, 2)) - random.integers(0, 9, (1, 5, 2)), axis=-1)
    from itertools import permutations

    best = min(sum(cost[n, m] for n, m in enumerate(order)) for order in permutations(range(5)))
    assert transport(np.ones(5), np.ones(5), cost) == pytest.approx(best)
    # On a line the distance is that between the sums.
    give, take = random.multinomial(60, np.ones(8) / 8), random.multinomial(60, np.ones(8) / 8)
    line = np.abs(np.arange(8)[:, None] - np.arange(8)).astype(float)
    moved = transport(give.astype(float), take.astype(float), line)
    assert moved == pytest.approx(np.abs(np.cumsum(give - take)).sum())


def test_the_coarse_grid_covers_the_volume():
    volume = chest("permuted")
    coarse = CoarseVolume.of(volume, longest=30)
    assert max(coarse.grid.shape) == 30 and np.ptp(coarse.grid.spacing) < 0.2
    np.testing.assert_allclose(coarse.grid.center, volume.grid.center, atol=1e-6)
    assert torch.equal(coarse.slices(0)[5, 0], coarse.slices(2)[:, 0, :, 5])
