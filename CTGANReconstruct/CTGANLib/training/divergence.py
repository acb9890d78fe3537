"""Sees when a training goes wrong: losses that are no numbers, that explode, or a player that has lost for good."""

import math

_SETTLED = 50  # steps before an explosion can be told from the restless beginning
_EXPLOSION = 20.0
_BEATEN = 1e-3
_BEATEN_STEPS = 200


class Watch:
    """Observes the losses of every step."""

    def __init__(self) -> None:
        self._state: dict[str, dict[str, float]] = {}

    def observe(self, losses: dict[str, float]) -> str:
        """What is wrong with this step, in words; empty if nothing is.

        A loss explodes where it is twenty times its running mean, or its lowest value where that is below zero: a loss
        that crosses zero, as those of a critic do, has no mean to measure it by. One side of an adversarial pair has
        collapsed where the loss of the discriminator has been next to nothing for 200 steps: it tells all apart, and
        the other learns nothing from it any more.
        """
        for name, value in losses.items():
            if not math.isfinite(value):
                return f"the loss {name} is not a number"
        for name, value in losses.items():
            seen = self._state.setdefault(name, {"count": 0, "mean": 0.0, "beaten": 0})
            usual = max(seen["mean"], -seen.get("lowest", 0.0))
            if seen["count"] >= _SETTLED and abs(value) > _EXPLOSION * usual + _BEATEN:
                return f"the loss {name} rose to {value:.3g} from {seen['mean']:.3g}"
            seen["lowest"] = min(seen.get("lowest", 0.0), value)
            seen["count"] += 1
            seen["mean"] += (abs(value) - seen["mean"]) / min(seen["count"], _SETTLED)
            seen["beaten"] = seen["beaten"] + 1 if name == "discriminator" and value < _BEATEN else 0
            if seen["beaten"] >= _BEATEN_STEPS:
                return "the discriminator has won, and the generator learns nothing from it any more"
        return ""

    def state_dict(self) -> dict:
        return self._state

    def load_state_dict(self, state: dict) -> None:
        self._state = state
