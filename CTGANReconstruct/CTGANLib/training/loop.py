"""One training loop for every recipe: steps, checkpoints that are complete or absent, the best weights, second tries.

Every step draws its patients and its random numbers from (seed, try, step) alone. A resumed run therefore continues as
if it had never stopped, and on a CPU the same run gives the same weights bit for bit.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch.utils.data import Dataset, Subset

from ..device import peak_memory_mb
from ..errors import UserError
from ..events import Progress, silent
from ..files import staged
from ..imaging.montage import write_gif, write_png
from ..imaging.volumes import write_volume
from .distributed import World
from .divergence import Watch
from .players import Recipe, Table
from .runs import Run
from .settings import TrainingSettings

_CHECKPOINT_SECONDS = 120.0
_STATUS_SECONDS = 1.0
_TRIES = 4
_EXAMPLES = 3
# Scores that tell of the players, not of patients; see ``evaluation.generation.told_apart``.
_OF_THE_GAME = {"accuracy_real", "accuracy_made", "wasserstein"}


@dataclass
class _Place:
    """Where a run stands, beside what its players have learned.

    Attributes:
        step: the next one.
        seconds: spent.
        tries: how often losses diverged.
        best: the highest score so far, of ``best_step``.
        unimproved: validations since then.
    """

    step: int = 0
    seconds: float = 0.0
    tries: int = 0
    best: float = float("-inf")
    best_step: int = 0
    unimproved: int = 0


class Training:
    """Trains to the last step, or until nothing gets better; resumes the checkpoint of its run, if there is one.

    Where losses diverge, it goes back to the last checkpoint and on with half the learning rate and other random
    numbers, three times at most.

    Attributes:
        notices: what went wrong and was put right, for people.
    """

    def __init__(
        self,
        recipe: Recipe,
        training: Dataset,
        validation: Dataset,
        run: Run,
        settings: TrainingSettings,
        world: World | None = None,
        progress: Progress = silent,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Get ready.

        Args:
            recipe: what learns.
            training: patients to learn from.
            validation: patients held out; may be empty.
            run: takes checkpoints, curves and examples.
            settings: of the run.
            world: the processes that train together, each of which does the same with the same arguments.
            progress: is told of each step.
            clock: in seconds.

        Raises:
            UserError: the checkpoint is damaged or of another recipe, or the batch cannot be shared.
        """
        self._world = world or World()
        if settings.batch_size % self._world.size:
            advice = "Choose a multiple of the number of processes."
            raise UserError(f"{self._world.size} processes cannot share a batch of {settings.batch_size}.", advice)
        self._recipe, self._training, self._validation = recipe, training, validation
        self._run, self._settings, self._progress, self._clock = run, settings, progress, clock
        self._share = settings.batch_size // self._world.size
        self._table = Table(recipe, self._world, run.patients_at_a_time(self._share), settings.steps)
        self._watch, self._place = Watch(), _Place()
        self.notices: list[str] = []
        if run.checkpoint.exists():
            self._resume()
        self._saved, self._said = clock(), -_STATUS_SECONDS
        self._began = self._saved - self._place.seconds

    def run(self) -> tuple[float, str]:
        """Train.

        Returns:
            Seconds spent, those before a resume included, and how it ended: ``done``, ``paused`` or ``stopped``.
            Unless paused, ``recipe.average`` has the best weights by the patients held out, or the last ones where
            nobody was held out.

        Raises:
            UserError: losses diverge again and again, or memory does not suffice for a single patient.
        """
        ending = ""
        if not self._run.checkpoint.exists():
            self._save()
        while not ending:
            if self._place.step >= self._settings.steps or self._place.unimproved >= self._settings.patience:
                ending = "done"
            else:
                self._step()
                ending = self._requested()
        self._save()
        if self._world.is_main:
            write_gif(self._run.previews(), self._run.film)
        self._say("Trained", at_once=True)
        if ending != "paused" and self._run.best.exists():
            self._recipe.average.load_state_dict(torch.load(self._run.best, weights_only=True))
        return self._place.seconds, ending

    def _step(self) -> None:
        number, tries, batch_size = self._place.step, self._place.tries, self._settings.batch_size
        key = (self._settings.seed, tries)
        first = self._world.rank * self._share
        positions = range(number * batch_size + first, number * batch_size + first + self._share)
        items = [self._training[index] for index in draw(len(self._training), positions, key)]
        if isinstance(items[0], torch.Tensor):
            items = torch.stack(items)
        seeds = [_seed(*key, 1, position) for position in positions]
        part = self._table.part
        try:
            losses = self._table.step(number, items, seeds, _seed(*key, 2, number), 0.5**tries)
        finally:  # also when processes that train together have to start again
            if self._table.part < part:
                self._run.set_patients_at_a_time(self._table.part)
                self._note(f"Memory ran out: {self._table.part} of a batch at a time from step {number} on.")
        if trouble := self._watch.observe(losses):
            self._go_back(trouble)
            return
        self._place.step += 1
        if self._world.is_main:
            self._run.add_losses(number, losses)
        self._say(" ".join(f"{name} {value:.4f}" for name, value in losses.items()))
        if self._place.step in self._validation_steps():
            self._validate()
        if self._world.agreed(self._clock() - self._saved > _CHECKPOINT_SECONDS):
            self._save()

    def _go_back(self, trouble: str) -> None:
        """To the last checkpoint, with half the learning rate."""
        number, tries = self._place.step, self._place.tries + 1
        if tries == _TRIES:
            advice = "Start again with a lower learning rate; the run keeps its last good checkpoint."
            raise UserError(f"Training diverged {tries} times, at last at step {number}: {trouble}.", advice)
        self._resume()
        self._place.tries = tries
        self._note(f"Diverged at step {number}: {trouble}. Back to step {self._place.step}, half the learning rate.")
        self._save()

    def _validation_steps(self) -> set[int]:
        steps, count = self._settings.steps, self._settings.validations
        return {round(steps * number / count) for number in range(1, count + 1)} if count else set()

    def _validate(self) -> None:
        improved = False
        if self._world.is_main:
            held_out = self._validation if len(self._validation) else Subset(self._training, [0])
            scores, volumes = self._recipe.validate(held_out)
            self._keep_to_look_at(volumes)
            if not len(self._validation):  # the other scores of a training patient would mean nothing
                scores = {name: value for name, value in scores.items() if name in _OF_THE_GAME}
            if scores:
                self._run.add_scores(self._place.step, scores)
            if len(self._validation):
                score = next(iter(scores.values()))
                improved = score > self._place.best
                if improved:
                    self._place.best, self._place.best_step = score, self._place.step
                    with staged(self._run.best) as temporary:
                        torch.save(self._recipe.average.state_dict(), temporary)
        if len(self._validation):
            self._place.unimproved = 0 if self._world.agreed(improved) else self._place.unimproved + 1
        self._save()

    def _keep_to_look_at(self, volumes: dict[str, Any]) -> None:
        """Write the example's truth once, its latest three predictions, and every picture for people."""
        if not self._run.truth.exists():
            write_volume(volumes["truth"], self._run.truth)
        write_volume(volumes["prediction"], self._run.example(self._place.step))
        for old in self._run.predictions()[:-_EXAMPLES]:
            old.unlink()
        if "sheet" in volumes:
            write_png(volumes["sheet"], self._run.preview(self._place.step))

    def _requested(self) -> str:
        """How the training is to end, as somebody asked from outside; empty while it goes on."""
        asked = self._run.take_request() if self._world.is_main else ""
        return ("", "paused", "stopped")[self._world.agreed(("", "pause", "stop").index(asked))]

    def _note(self, text: str) -> None:
        self.notices.append(text)
        self._say(text, at_once=True)

    def _say(self, message: str, at_once: bool = False) -> None:
        """Tell where training stands; the status, a file, at most once a second."""
        if not self._world.is_main:
            return
        place, settings = self._place, self._settings
        self._progress(place.step / settings.steps, message)
        if time.monotonic() - self._said < _STATUS_SECONDS and not at_once:
            return
        self._said = time.monotonic()
        seconds = max(self._clock() - self._began, 1e-9)
        self._run.say(
            "training",
            fraction=place.step / settings.steps,
            message=message,
            eta_s=round(seconds / place.step * (settings.steps - place.step), 1) if place.step else None,
            step=place.step,
            steps=settings.steps,
            samples_per_s=round(place.step * settings.batch_size / seconds, 3),
            memory_mb=peak_memory_mb(),
            best={"step": place.best_step, "score": place.best} if place.best_step else None,
            notices=self.notices,
        )

    def _save(self) -> None:
        self._saved = self._clock()
        self._place.seconds = self._saved - self._began
        if not self._world.is_main:
            return
        state = {"place": asdict(self._place), "watch": self._watch.state_dict(), "table": self._table.state_dict()}
        with staged(self._run.checkpoint) as temporary:
            torch.save({**state, "notices": self.notices}, temporary)

    def _resume(self) -> None:
        try:
            state = torch.load(self._run.checkpoint, weights_only=True, map_location="cpu")
            self._table.load_state_dict(state["table"])
            self._watch.load_state_dict(state["watch"])
            self._place, self.notices = _Place(**state["place"]), state["notices"]
        except Exception as error:
            advice = "It is damaged or of another recipe; choose another run folder."
            raise UserError(f"The checkpoint {self._run.checkpoint} cannot be resumed.", advice) from error
        if self._world.is_main:
            self._run.curves_before(self._place.step)


def draw(count: int, positions: range, key: tuple[int, ...]) -> list[int]:
    """The patients at positions of an endless row of permutations of ``count`` of them."""
    return [_permutation(count, _seed(*key, 0, position // count))[position % count] for position in positions]


def _permutation(count: int, seed: int) -> list[int]:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()


def _seed(*key: int) -> int:
    return hash(key) % 2**63
