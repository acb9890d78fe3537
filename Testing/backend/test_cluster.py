"""What can be said of the cluster files without a cluster: they parse, and the commands in them exist."""

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from torch.distributed.run import get_args_parser

from CTGANLib import __version__
from CTGANLib.__main__ import TASKS
from CTGANLib.commands import pipeline, train
from CTGANLib.pipeline.pipeline import STEPS
from processes import environment

RESOURCES = Path(__file__).resolve().parents[2] / "Resources"
CLUSTER = RESOURCES / "Cluster"
FLOW = CLUSTER / "ctgan_flow.py"
COMMANDS = {"train": train, "pipeline": pipeline}
GIVEN = {
    "train": ["--recipe", "biplanar", "--data", "/shared/my cts", "--out", "/shared/runs/chest", "--batch", "16"],
    "pipeline": ["--data", "/shared/my cts", "--out", "/shared/pipelines/chest"],
}


def understood(words: list[str]) -> tuple[argparse.Namespace | None, argparse.Namespace]:
    """The options of torchrun, if it is there, and those of CTGANLib's task, as their own parsers read them."""
    launch = None
    if words[0] == "torchrun":
        launch = get_args_parser().parse_args(words[1:])
        assert launch.module
        words = ["python", "-m", launch.training_script, *launch.training_script_args]
    assert words[:3] == ["python", "-m", "CTGANLib"] and words[3] in TASKS
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", action="store_true")
    COMMANDS[words[3]].add_arguments(parser)
    return launch, parser.parse_args(words[4:])


def stub(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/bash\n{body}\n")
    path.chmod(0o755)


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize("task", COMMANDS)
def test_the_slurm_scripts_start_what_exists(tmp_path, task):
    log = tmp_path / "words"
    stub(tmp_path, "srun", f'printf "%s\\n" "$@" "$CTGAN_RESTARTED" "$TORCH_DISABLE_SHARE_RDZV_TCP_STORE" > {log}')
    stub(tmp_path, "scontrol", "echo node7; echo node8")
    slurm = {"SLURM_JOB_ID": "4711", "SLURM_JOB_NODELIST": "node[7-8]", "SLURM_JOB_NUM_NODES": "2"}
    slurm |= {"SLURM_GPUS_ON_NODE": "4", "SLURM_RESTART_COUNT": "1"}
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", str(CLUSTER / f"slurm_{task}.sh"), *GIVEN[task]]
    done = subprocess.run(command, env={**environment(), **slurm, "PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *words, restarted, fresh_store = log.read_text().splitlines()
    assert restarted == "1"
    launch, options = understood([word for word in words if word != "--kill-on-bad-exit=1"])
    assert str(options.data) == "/shared/my cts"
    if task == "train":
        assert fresh_store == "1"
        assert (launch.nnodes, launch.nproc_per_node, launch.max_restarts) == ("2", "4", 3)
        assert launch.rdzv_endpoint == "node7:24711" and launch.rdzv_id == "4711" and launch.rdzv_backend == "c10d"
        assert options.batch_size == 16


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_before_its_time_is_over_a_slurm_job_asks_for_more(tmp_path):
    log = tmp_path / "asked"
    stub(tmp_path, "srun", 'kill -USR1 "$PPID"; sleep 5')
    stub(tmp_path, "scontrol", f'if [ "$1" = requeue ]; then echo "$2" > {log}; else echo node7; fi')
    slurm = {"SLURM_JOB_ID": "4711", "SLURM_JOB_NODELIST": "node7", "SLURM_JOB_NUM_NODES": "1"}
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", str(CLUSTER / "slurm_train.sh"), *GIVEN["train"]]
    subprocess.run(command, env={**environment(), **slurm, "PATH": path}, stderr=subprocess.DEVNULL)
    assert log.read_text() == "4711\n"


def documents() -> list[dict]:
    yaml = pytest.importorskip("yaml")
    return [d for path in sorted(CLUSTER.glob("*.yaml")) for d in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


def parts(value, key: str) -> list:
    """All values of a key in a document."""
    if isinstance(value, list):
        return [found for item in value for found in parts(item, key)]
    if not isinstance(value, dict):
        return []
    own = [value[key]] if key in value else []
    return own + [found for item in value.values() for found in parts(item, key)]


def test_the_kubernetes_files_start_what_exists():
    by_kind = {document["kind"]: document for document in documents()}
    assert set(by_kind) == {"Job", "PersistentVolumeClaim", "TrainJob", "TrainingRuntime"}
    (container,) = by_kind["Job"]["spec"]["template"]["spec"]["containers"]
    trainer = by_kind["TrainJob"]["spec"]["trainer"]
    _, options = understood(container["command"] + container["args"])
    assert options.name
    _, options = understood(trainer["command"] + trainer["args"])
    gpus = trainer["numNodes"] * trainer["resourcesPerNode"]["limits"]["nvidia.com/gpu"]
    assert options.batch_size % gpus == 0


def test_the_kubernetes_files_fit_together():
    everything = documents()
    by_kind = {document["kind"]: document["metadata"]["name"] for document in everything}
    assert set(parts(everything, "claimName")) == {by_kind["PersistentVolumeClaim"]}
    (runtime,) = parts(everything, "runtimeRef")
    assert runtime["kind"] == "TrainingRuntime" and runtime["name"] == by_kind["TrainingRuntime"]
    (image,) = set(parts(everything, "image"))
    docker = (CLUSTER / "Dockerfile").read_text(encoding="utf-8")
    assert image.endswith(f":{__version__}") and image in docker
    for volumes, mounts in zip(parts(everything, "volumes"), parts(everything, "volumeMounts"), strict=True):
        assert {volume["name"] for volume in volumes} == {mount["name"] for mount in mounts}
    # Everything that a command names lies on the volume.
    paths = re.findall(r"(?<=\W)/ctgan\S*|/shared\S*", " ".join(map(str, parts(everything, "args"))))
    assert paths and all(path.startswith("/ctgan/") for path in paths)


def test_the_image_copies_what_is_there():
    text = (CLUSTER / "Dockerfile").read_text(encoding="utf-8")
    sources = [word for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for word in line.split()]
    assert len(sources) == 3 and all((RESOURCES.parent / source).exists() for source in sources)


def test_the_flow_has_the_pipelines_steps_and_options():
    (flow,) = [node for node in ast.parse(FLOW.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
    steps = [
        node.name
        for node in flow.body
        if isinstance(node, ast.FunctionDef) and any(getattr(d, "id", "") == "step" for d in node.decorator_list)
    ]
    assert steps == ["start", *STEPS, "end"]
    options = {node.value.args[0].value for node in flow.body if isinstance(node, ast.Assign)}
    parser = argparse.ArgumentParser()
    pipeline.add_arguments(parser)
    known = {word.removeprefix("--") for action in parser._actions for word in action.option_strings}
    assert options == known - {"h", "-h", "help", "validation-share"}  # the last is a setting, and --set takes it


def test_metaflow_accepts_the_flow(tmp_path):
    pytest.importorskip("metaflow")
    here = {"METAFLOW_HOME": str(tmp_path), "METAFLOW_USER": "test", "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(tmp_path)}
    command = [sys.executable, str(FLOW), "check"]
    done = subprocess.run(command, env={**environment(), **here}, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0 and "The graph looks good!" in done.stdout + done.stderr
