"""Preparation: kept by content, resumed, done by all cores, and gone when it is cancelled."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CTGANLib.datasets import prepared_cache, workers
from CTGANLib.datasets.preparation import PreparedVolumes, prepare_data
from CTGANLib.datasets.workers import work
from CTGANLib.errors import UserError
from CTGANLib.imaging.standardize import standardize
from CTGANLib.imaging.volumes import Volume, read_volume, write_volume
from phantoms import DIRECTIONS, chest, dicom_series, turned_grid

GRID = turned_grid(DIRECTIONS["upright"], (230, 190, 130), (10.0, 10.0, 10.0))


def patient(number: int) -> Volume:
    """A small chest that differs from the others in size and a block of its own."""
    volume = chest(GRID, scale=1 + 0.05 * number)
    volume.array[number + 2 : number + 5, 6:12, 10 - number : 14] = 500
    return volume


def cts(folder: Path, count: int) -> Path:
    """A folder of CTs with a table that gives each its role."""
    folder.mkdir(exist_ok=True)
    for number in range(count):
        write_volume(patient(number), folder / f"p{number}.nii.gz")
    rows = [f"p{number}\t{'test' if number == 0 else 'train'}\n" for number in range(count)]
    (folder / "MANIFEST.tsv").write_text("id\trole\n" + "".join(rows))
    return folder


@pytest.fixture
def looked_at(monkeypatch):
    """The names of the cases that were read, in this process."""
    monkeypatch.setattr(workers, "cores", lambda: 1)
    names, inspect = [], prepared_cache.inspect
    monkeypatch.setattr(prepared_cache, "inspect", lambda case: names.append(case.name) or inspect(case))
    return names


def test_a_changed_file_is_prepared_again_and_nothing_else(tmp_path, looked_at):
    data, cache = cts(tmp_path / "größe 1", 3), tmp_path / "cache"
    first = prepare_data(data, cache)
    assert looked_at == ["p0", "p1", "p2"] and list(first.files("test")) == ["p0"]
    volume = np.load(first.prepared["p1"])
    np.testing.assert_array_equal(volume, standardize(read_volume(data / "p1.nii.gz"), 160).array)
    assert PreparedVolumes(list(first.files("train").values()))[0].shape == (1, 160, 160, 160)

    assert prepare_data(data, cache).prepared == first.prepared
    os.utime(data / "p0.nii.gz", (1, 1))  # only touched
    (data / "p2.nii.gz").rename(data / "p3.nii.gz")  # only renamed
    (data / "p2.nii.gz").write_bytes((data / "p3.nii.gz").read_bytes())
    assert prepare_data(data, cache).prepared == first.prepared
    assert len(looked_at) == 3

    write_volume(patient(7), data / "p1.nii.gz")
    again = prepare_data(data, cache)
    assert looked_at[3:] == ["p1"]
    assert again.prepared["p1"] != first.prepared["p1"] and again.prepared["p2"] == first.prepared["p2"]
    # Lost or half-written files of the cache are made again.
    again.prepared["p0"].unlink()
    again.prepared["p2"].with_suffix(".json").write_text('{"modality"')
    assert prepare_data(data, cache).prepared == again.prepared
    assert sorted(looked_at[4:]) == ["p0", "p2"]


def test_what_headers_point_to_counts(tmp_path, looked_at):
    sitk.WriteImage(patient(0).to_image(), str(tmp_path / "a.mhd"))
    series = dicom_series(tmp_path / "b", patient(1))
    (tmp_path / "t.tsv").write_text("id\trole\na\ttrain\nb\ttrain\n")
    before = prepare_data(tmp_path / "t.tsv", tmp_path / "cache").prepared
    assert len(before) == 2
    sitk.WriteImage(patient(2).to_image(), str(tmp_path / "a.mhd"))
    file = min(series.iterdir())
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    after = prepare_data(tmp_path / "t.tsv", tmp_path / "cache").prepared
    assert before["a"] != after["a"] and before["b"] != after["b"]


def test_reasons_of_a_folder_and_of_a_table(tmp_path, looked_at):
    data = cts(tmp_path / "data", 2)
    (data / "p2.nrrd").write_text("no image")
    write_volume(Volume(np.where(patient(0).array == -850, 40, patient(0).array), GRID), data / "p3.nrrd")
    table = data / "MANIFEST.tsv"
    table.write_text(table.read_text() + "p2\ttrain\np3\ttrain\np4\ttrain\np5\tdrop\n")
    told = prepare_data(data, tmp_path / "cache")
    assert [case.name for case in told.cases] == ["p0", "p1", "p3"]  # the table's word counts where it can
    assert told.left_out.keys() == {"p2", "p4", "p5"} and "cannot be read" in told.left_out["p2"]
    assert not prepare_data(data, tmp_path / "cache", roles=("test",)).of("train")
    table.unlink()
    found = prepare_data(data, tmp_path / "cache")
    assert found.left_out.keys() == {"p2", "p3"} and "no lungs" in found.left_out["p3"]
    assert len(looked_at) == 4  # what was found is kept, with what is wrong
    (data / "copy.nii.gz").write_bytes((data / "p1.nii.gz").read_bytes())
    assert prepare_data(data, tmp_path / "cache").left_out["p1"] == "It is the same image as copy."


def test_a_table_with_one_patient_in_two_roles_is_refused(tmp_path):
    data = cts(tmp_path / "data", 2)
    (data / "MANIFEST.tsv").write_text("id\trole\tpatient_key\np0\ttest\tx\np1\ttrain\tx\n")
    with pytest.raises(UserError, match="same patient"):
        prepare_data(data, tmp_path / "cache")


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def _gone(pids: list[int], seconds: float = 10.0) -> bool:
    """Whether processes end in time; a zombie has ended."""
    deadline = time.monotonic() + seconds

    def lives(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    while any(map(lives, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes as Linux shows them")


@needs_proc
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_ended_in_the_middle_it_goes_on_there(tmp_path, ending, looked_at):
    data, cache = cts(tmp_path / "data", 8), tmp_path / "cache"
    script = tmp_path / "prepare.py"
    script.write_text(
        "import signal, sys\n"
        "from CTGANLib.datasets import workers\n"
        "from CTGANLib.datasets.preparation import prepare_data\n"
        "if __name__ == '__main__':\n"
        "    workers.cores = lambda: 2\n"
        "    signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        "    try:\n"
        "        prepare_data(*sys.argv[1:3], lambda fraction, message: print(message, flush=True))\n"
        "    except KeyboardInterrupt:\n"
        "        sys.exit(130)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(script), str(data), str(cache)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout.readline().startswith("Prepared")
    children = _children(process.pid)
    assert len(children) >= 2
    process.send_signal(ending)
    assert process.wait(10) == (130 if ending == signal.SIGTERM else -signal.SIGKILL)
    assert _gone(children)
    done = len(list((cache / "known").iterdir()))
    assert 1 <= done < 8
    assert len(prepare_data(data, cache).cases) == 8
    assert 8 - done - 2 <= len(looked_at) <= 8 - done  # two may have been as good as done


def _die(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def _square(number: int) -> tuple[int, int, str]:
    return number**2, os.getpid(), os.environ["OPENBLAS_NUM_THREADS"]


def test_a_killed_process_is_said(monkeypatch):
    monkeypatch.setattr(workers, "cores", lambda: 2)
    with pytest.raises(UserError, match="ended from outside"):
        list(work(_die, range(5)))


def test_all_cores_work_with_one_thread_each(monkeypatch):
    monkeypatch.setattr(workers, "cores", lambda: 2)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    results = dict(work(_square, range(6)))
    assert {number: result[0] for number, result in results.items()} == {number: number**2 for number in range(6)}
    assert os.getpid() not in {result[1] for result in results.values()}
    assert {result[2] for result in results.values()} == {"1"} and "OPENBLAS_NUM_THREADS" not in os.environ


def test_few_cases_start_no_processes(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    assert {result[1] for _, result in work(_square, range(2))} == {os.getpid()}
