"""Check and refinement: their check boxes, and what the panel says of the radiographs and of the agreement."""

import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6.QtWidgets")

import harness


@pytest.fixture
def loaded(scene, backend):
    return harness.load_module("CTGANReconstruct/CTGANReconstruct.py")


@pytest.mark.parametrize(("box", "option"), [("refineCheckBox", "--no-refine"), ("checkCheckBox", "--as-given")])
def test_the_check_boxes_reach_the_backend(box, option, loaded, backend, tmp_path):
    panel = loaded.widget.panels[0]
    for name in ("pa", "lateral"):
        (tmp_path / f"{name}.png").touch()
        getattr(panel.ui, f"{name}FileEdit").currentPath = str(tmp_path / f"{name}.png")
    assert getattr(panel.ui, box).checked
    for chosen in (True, False):
        getattr(panel.ui, box).checked = chosen
        harness.click_and_wait(panel.ui.reconstructButton, panel.job)
        assert panel.ui.statusLabel.text == "Done"
        assert (option in backend.arguments) is not chosen
        assert panel.ui.resultLabel.text.startswith("The frontal radiograph was inverted.\nAgreement")


def test_agreement_is_shown_before_and_after(loaded):
    from CTGANReconstructLib.reconstruct_panel import consistencyText

    before = {"pa": {"ncc": 0.95, "nrmse": 0.05}, "lateral": {"ncc": 0.81, "nrmse": 0.1}}
    after = {"pa": {"ncc": 0.99, "nrmse": 0.02}, "lateral": {"ncc": 0.85, "nrmse": 0.09}}
    full, cautious = (consistencyText(after, before, outcome) for outcome in ("full", "cautious"))
    for text in (full, cautious):
        assert "PA 0.950 → 0.990, lateral 0.810 → 0.850" in text
    assert "caution" in cautious and "caution" not in full
    kept = consistencyText(before, before, "none")
    assert "→" not in kept and "Not refined" in kept
    off = consistencyText(before, before, None)
    assert "→" not in off and "efined" not in off
