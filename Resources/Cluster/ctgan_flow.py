"""The pipeline of CTGAN as a Metaflow flow: the steps of ``python -m CTGANLib pipeline``, each a task of its own.

    pip install metaflow optuna xhtml2pdf
    export PYTHONPATH=CTGANReconstruct
    python Resources/Cluster/ctgan_flow.py run --data CTS --out FOLDER

On Kubernetes, unchanged, once Metaflow knows cluster and datastore, an image and the volume that all tasks share:

    export METAFLOW_KUBERNETES_CONTAINER_IMAGE=registry.example.org/ctgan
    export METAFLOW_KUBERNETES_PERSISTENT_VOLUME_CLAIMS='{"ctgan": "/ctgan"}'
    python Resources/Cluster/ctgan_flow.py run --with kubernetes --data /ctgan/cts --out /ctgan/chest

It stands here, beside the other files for clusters, as a flow is a program that is started and not a module that is
imported; and Slicer would take a file beside its modules for one of them.

All tasks share the folder ``--out``: what one leaves there is all that the next one gets, which is why data and folder
lie on a persistent volume there. A flow that is started again with the same folder skips what is done.
"""

import argparse
import sys
from pathlib import Path

from metaflow import FlowSpec, Parameter, card, current, resources, retry, step

import CTGANLib
from CTGANLib.commands import pipeline as command

# Metaflow takes the package along, as it is here: an image needs what it depends on, not the package itself.
CTGANLib.METAFLOW_PACKAGE_POLICY = "include"

_PREPARING = {"cpu": 8, "memory": 16_000}
_TRAINING = {"cpu": 8, "memory": 32_000, "gpu": 1}
# Nodes are taken away and given back; a training goes on from its checkpoint.
_AGAIN = {"times": 3, "minutes_between_retries": 2}


class CTGANFlow(FlowSpec):
    """From a folder of CTs to a model in the store. Not for diagnosis."""

    data = Parameter("data", required=True, help="folder of CTs, or a table of cases")
    out = Parameter("out", required=True, help="folder that takes everything; all tasks must see it")
    recipe = Parameter("recipe", default=None, help="what to learn")
    steps = Parameter("steps", type=int, default=None, help="optimizer steps in all")
    batch = Parameter("batch", type=int, default=None, help="patients a step")
    seed = Parameter("seed", type=int, default=None, help="of everything random")
    settings = Parameter("set", default="", help="other settings of the recipe: 'NAME=VALUE NAME=VALUE'")
    gate_file = Parameter("gate", default=None, help="JSON file: what must hold")
    trials = Parameter("trials", type=int, default=None, help="settings to try if the gate fails; 0 for none")
    model_name = Parameter("name", default=None, help="of the model in the store")
    publish_folder = Parameter("publish", default=None, help="folder that also takes the model and its report")
    web_hook = Parameter("web-hook", default=None, help="address that is sent name, scores and gate of the model")
    device = Parameter("device", default=None, help="where torch computes: auto, cpu, cuda or mps")

    @step
    def start(self):
        """Find out what is missing before anything begins."""
        self.done = []
        self._pipeline()
        self.next(self.prepare)

    @retry(**_AGAIN)
    @resources(**_PREPARING)
    @step
    def prepare(self):
        """Check and standardize the CTs."""
        self._do("prepare")
        self.next(self.train)

    @retry(**_AGAIN)
    @resources(**_TRAINING)
    @step
    def train(self):
        """Train with the settings asked for."""
        self._do("train")
        self.next(self.evaluate)

    @retry(**_AGAIN)
    @resources(**_TRAINING)
    @step
    def evaluate(self):
        """Score the test patients."""
        self._do("evaluate")
        self.next(self.gate)

    @step
    def gate(self):
        """See whether what must hold does."""
        self._do("gate")
        self.next(self.search)

    @retry(**_AGAIN)
    @resources(**_TRAINING)
    @step
    def search(self):
        """Look for better settings where the gate has failed."""
        self._do("search")
        self.next(self.train_again)

    @retry(**_AGAIN)
    @resources(**_TRAINING)
    @step
    def train_again(self):
        """Train with the settings found, if there are any."""
        self._do("train_again")
        self.next(self.evaluate_again)

    @retry(**_AGAIN)
    @resources(**_TRAINING)
    @step
    def evaluate_again(self):
        """Score the test patients with that model."""
        self._do("evaluate_again")
        self.next(self.gate_again)

    @step
    def gate_again(self):
        """See whether what must hold does now."""
        self._do("gate_again")
        self.next(self.report)

    @card(type="html")
    @step
    def report(self):
        """Write the report, which is also this task's card."""
        self._do("report")
        self.html = (Path(self.out) / "report.html").read_text(encoding="utf-8")
        self.next(self.publish)

    @step
    def publish(self):
        """Publish the model, or fail where the gate has."""
        self._do("publish")
        self.next(self.announce)

    @retry(**_AGAIN)
    @step
    def announce(self):
        """Tell the web hook, if there is one."""
        self._do("announce")
        self.next(self.end)

    @step
    def end(self):
        """Sum up."""
        self.result = self._pipeline().result(self.done)
        print(f"The model {self.result['name']} is in {self.result['model']}.")

    def _do(self, name: str) -> None:
        """Do a step of the pipeline; note what came of it."""
        told = -1

        def progress(fraction: float, message: str) -> None:
            nonlocal told
            if int(100 * fraction) > told:  # the log takes a line for each percent, not for each step of a training
                told = int(100 * fraction)
                print(f"{told} % {message}", flush=True)

        self.done = [*self.done, self._pipeline().step(name, progress)]
        print(self.done[-1])

    def _pipeline(self):
        """The pipeline, by the command's own options."""
        parser = argparse.ArgumentParser(sys.argv[0])
        command.add_arguments(parser)
        options = {
            "data": self.data,
            "out": self.out,
            "recipe": self.recipe,
            "steps": self.steps,
            "batch": self.batch,
            "seed": self.seed,
            "gate": self.gate_file,
            "trials": self.trials,
            "name": self.model_name,
            "publish": self.publish_folder,
            "web-hook": self.web_hook,
            "device": self.device,
        }
        words = [f"--{name}={value}" for name, value in options.items() if value is not None]
        words += [f"--set={assignment}" for assignment in self.settings.split()]
        return command.make_pipeline(parser.parse_args(words), restarted=current.retry_count > 0)


if __name__ == "__main__":
    CTGANFlow()
