"""What input that is not ideal costs: radiographs simulated from CTs of test patients, spoiled in one way at a time.

The ways are those of ``CTGANLib/biplanar/conditions.py``, as ``evaluate --conditions`` scores them; here the generator
stands beside the refined result. Means over the patients; ``change`` is the mean difference from the ideal input with
its 95 % interval. See ``CTGANLib/biplanar/condition_scores.py`` for what each column says.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import environment

DATA = environment.REPOSITORY.parent / "shared" / "data" / "ct"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--data", type=Path, metavar="FOLDER", default=DATA, help="CTs; those of role test are used")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keep prepared CTs there")
    parser.add_argument("--model", metavar="NAME", help="a model of the store, or its folder; default: the first")
    arguments = parser.parse_args()
    if not environment.entered():
        return environment.restart()
    from CTGANLib.biplanar.condition_scores import score_conditions
    from CTGANLib.biplanar.reconstruct import Reconstructor
    from CTGANLib.datasets.preparation import prepare_data
    from CTGANLib.evaluation.scores import condition_table, table
    from CTGANLib.events import Reporter
    from CTGANLib.models.store import find_model, first_model

    model = find_model(arguments.model) if arguments.model else first_model("biplanar")
    names = {"generator": False, "refined": True}
    predictors = {name: Reconstructor.from_model(model, refine=refine) for name, refine in names.items()}
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare_data(arguments.data, arguments.cache or Path(folder), roles=("test",))
        rows = score_conditions(predictors, prepared.files("test"), Reporter(json_lines=False).progress)
    for name in predictors:
        print(f"\r\033[K\n{name}\n{table(condition_table([row for row in rows if row['method'] == name]))}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
