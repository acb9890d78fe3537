"""Outputs appear complete or not at all."""

import pytest

from CTGANLib.errors import UserError
from CTGANLib.files import check_writable, staged, staged_all


def test_a_file_appears_at_the_end(tmp_path):
    target = tmp_path / "new" / "ct.nii.gz"
    with staged(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
        assert temporary.parent == target.parent and temporary.name.endswith(".nii.gz")
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_the_ending_of_segmentations_is_kept(tmp_path):
    with staged(tmp_path / "s.seg.nrrd") as temporary:
        assert temporary.name.endswith(".seg.nrrd")
        temporary.touch()


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    target = tmp_path / "ct.nrrd"
    target.write_text("old")
    with pytest.raises(failure), staged(target) as temporary:
        temporary.write_text("half")
        raise failure
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_replaces_a_folder(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").touch()
    with staged(target) as temporary:
        temporary.mkdir()
        (temporary / "new").touch()
    assert [file.name for file in target.iterdir()] == ["new"]


def test_several_outputs_appear_together_or_not(tmp_path):
    with pytest.raises(RuntimeError), staged_all(tmp_path / "a", None, tmp_path / "b") as (a, nothing, b):
        assert nothing is None
        a.touch()
        b.touch()
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Cannot write") as raised, staged(tmp_path / "file" / "ct.nrrd"):
        pytest.fail("the work must not begin")
    assert "folder" in raised.value.advice
    with pytest.raises(OSError):
        check_writable(tmp_path / "file" / "ct.nrrd")


def test_a_full_disk(tmp_path):
    with pytest.raises(UserError, match="No space left"), staged(tmp_path / "ct.nrrd") as temporary:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")
    assert not list(tmp_path.iterdir())
