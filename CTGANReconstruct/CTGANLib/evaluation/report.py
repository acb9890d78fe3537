"""An evaluation as one HTML file that explains itself: tables, a chart, and pictures of three cases."""

import math
import tempfile
from datetime import date
from html import escape
from pathlib import Path

from .. import __version__
from ..datasets.cases import TRAIN
from ..datasets.preparation import PreparedData
from ..models.bundle import Model
from ..training.kit import Kit
from .chart import chart
from .page import definitions, image, rows_table, warning, write_page
from .scores import ALL_BACKGROUND, MEAN_VOLUME, NEAREST_VOLUME, summarize, turned
from .sections import conditions_section, pairs_section, specificity_section, volumes_section
from .sheets import LARGEST_DIFFERENCE, PLANES, WINDOW, Sheets, color_scale

_MEANING = {
    "psnr_x2ct": "PSNR in dB as the literature gives it: HU −1024 to 1476, peak 4095. Higher is better.",
    "psnr_true": "PSNR in dB of the same window with the peak that it can have, 2500. Higher is better.",
    "ssim_x2ct": "SSIM of the literature: 7×7 window on the slices across each axis. 1 is perfect.",
    "psnr": "PSNR in dB. Higher is better.",
    "mse": "Mean squared error of values from 0 to 1. Lower is better.",
    "ssim": "SSIM with a 3D window. 1 is perfect.",
    "mae_hu": "Mean absolute error in HU inside the body. Lower is better.",
    "lung_dice": "Overlap of the lungs, segmented alike in both volumes. 1 is perfect.",
    "bone_dice": "Overlap of the bones, segmented alike in both volumes. 1 is perfect.",
    "nrmse": "Error of the re-projections over the range of the radiographs, mean of both views. Lower is better.",
    "ncc": "Correlation of the re-projections with the radiographs, mean of both views. 1 is perfect.",
    "truth_ncc": "Correlation of the volume with the truth.",
    "other_ncc": "Correlation of the volume with the same method's volume of another patient. As high as truth_ncc, it "
    "says that the method tells patients hardly apart.",
    "uncertainty_rank": "Rank correlation of the uncertainty with the absolute error in the body. 1: it tells exactly "
    "where the errors are.",
    "coverage_1sd": "Share of the body where the error is within one standard deviation. 0.683 if these are right.",
    "coverage_2sd": "Share of the body where the error is within two standard deviations. 0.954 if these are right.",
    "seconds": "Time of the reconstruction of one case.",
    "kid": "Kernel distance of the features from those of real test cases. Lower is better; 0 for one distribution.",
    "mmd": "The same with a Gaussian kernel.",
    "kid_ratio": "The kernel distance over that of real training cases from the same test cases. 1: as real ones.",
    "minus_kid": "The kernel distance, negative. Higher is better.",
    "fid": "Fréchet distance of the features. Lower is better.",
    "organ_kid": "The kernel distance by what the project's segmenter sees; so are the other names with organ_.",
    "precision": "Share that lies among real cases. Higher is better.",
    "recall": "Share of the real cases that lies among these. Higher is better.",
    "density": "In how many neighborhoods of real cases one lies, over the number expected. Higher is better.",
    "coverage": "Share of the real cases that have one near. Higher is better.",
    "ms_ssim": "MS-SSIM of pairs within a set. Lower is more varied.",
    "histogram_hu": "HU by which voxels would have to change on average to be distributed as the training volumes'.",
    "fid_planes": "2.5D-FID: Fréchet distance of the features of axial, coronal and sagittal slices. Lower is better.",
    "hu_distance": "HU by which voxels would have to change on average to be distributed as the real ones.",
    "nearest_hu": "Median difference in HU from the nearest training case. Near 0: learned by heart.",
    "nearest_least_hu": "The least of these differences.",
    "held_out_nearest_hu": "The same of real cases held out from training: what nearest_hu is to be compared with.",
    "held_out_nearest_least_hu": "And the least of these.",
    "brightness_distance": "Brightness by which pixels would have to change to be distributed as the real ones.",
    "nearest_brightness": "Median difference from the nearest training picture. Near 0: learned by heart.",
    "nearest_least_brightness": "The least of these differences.",
    "held_out_nearest_brightness": "The same of real pictures held out: to be compared with nearest_brightness.",
    "held_out_nearest_least_brightness": "And the least of these.",
    "patch_hu": "Median difference in HU of a made patch from the nearest training patch. Near 0: learned by heart.",
    "patch_least_hu": "The least of these differences.",
    "own_patch_hu": "The same between training patches that do not overlap: what patch_hu is to be compared with.",
    "own_patch_least_hu": "And the least of these.",
}
# More cases make no report that anybody reads; the file of rows has them all.
_MOST_CASES = 60
_MOST_LEFT_OUT = 60


def facts(name: str, kit: Kit, data: PreparedData, models: dict[str, Model]) -> dict[str, str]:
    """What a reader must know of an evaluation, for :func:`html_report`.

    Args:
        name: of the data set.
        kit: of the models' recipe.
        data: the data set.
        models: by the names that the rows give them.
    """
    scored = [f"{_count(len(data.of(role)))} of the role {role}" for role in kit.scored if data.of(role)]
    told = {"Data set": name, "Scored": ", ".join(scored)}
    if kit.baselines:
        told["Baselines"] = _baselines(kit.baselines, len(data.of(TRAIN)))
    for method, model in models.items():
        told[f"Model {method}"] = _card(model)
    if data.left_out:
        told["Left out"] = _count(len(data.left_out))
    return {**told, "Made": _made()}


def _baselines(names: tuple[str, ...], training: int) -> str:
    if MEAN_VOLUME not in names:
        return ", ".join(names)
    mean = "the mean volume of the first model's training"
    return f"{mean}, and the nearest of {training} training volumes" if training else mean


def seen_in_training(models: dict[str, Model], cases: list[str]) -> list[str]:
    """A sentence for each model whose training cases have the names of cases that it is scored on."""
    sentences = []
    for name, model in models.items():
        seen = sorted(set(cases) & set(model.metadata["ctgan"].get("trained_on", ())))
        if seen:
            sentences.append(
                f"{name} was trained on cases of these names: {', '.join(seen)}. If they are the same patients, "
                "its scores say nothing."
            )
    return sentences


def html_report(
    path: Path,
    title: str,
    about: dict[str, str],
    rows: list[dict],
    sheets: Sheets,
    score: str,
    warnings: list[str] | tuple[str, ...] = (),
    left_out: dict[str, str] | None = None,
    conditions: list[dict] | tuple[dict, ...] = (),
) -> None:
    """Write a report as one HTML file, which needs nothing from elsewhere.

    Args:
        path: of the file; it appears complete or not at all.
        title: of the report.
        about: what was evaluated, see :func:`facts`.
        rows: one a case and method; the first method is the one that the report is about.
        sheets: has been shown every case, or none where there is nothing to show beside each other.
        score: the metric that says which case is worst and best; higher is better.
        warnings: sentences that stand at the top.
        left_out: cases that could not be scored, with the reason.
        conditions: one a case, method and condition, the ideal one first.

    Raises:
        UserError: the place cannot be written.
    """
    parts = [
        *map(warning, warnings),
        definitions(about),
        "<h2>Summary</h2>",
        "<p>Mean ± half the 95 % interval over the cases.</p>",
        rows_table([{**row, "what it says": _MEANING.get(row[""], "")} for row in turned(summarize(rows))]),
        f"<p>{_methods(rows)}</p>",
        _chart(rows, score),
        *_sheets(rows, sheets, score),
        specificity_section(rows),
        volumes_section(rows),
        pairs_section(sheets),
        conditions_section(list(conditions)),
        _cases(rows, score),
        _left_out(left_out or {}),
    ]
    write_page(path, title, parts)


def ablation_report(path: Path, about: dict[str, str], lines: list[dict], rows: list[dict], score: str) -> None:
    """Write the table of an ablation as one HTML file.

    Args:
        path: of the file; it appears complete or not at all.
        about: what was compared on which cases.
        lines: of ``ablation.ablation_table``.
        rows: of ``ablation.seed_means``.
        score: the metric of the chart.

    Raises:
        UserError: the place cannot be written.
    """
    parts = [
        definitions({**about, "Made": _made()}),
        "<h2>Combinations</h2>",
        "<p>Means over seeds and cases ± half the 95 % interval over the cases of the means over seeds; change: "
        "from the first combination, case by case; seed_sd: the standard deviation between seeds of the means over "
        "cases.</p>",
        rows_table(lines),
        _meaning(rows),
        _chart(rows, score),
    ]
    write_page(path, "Ablation", parts)


def _card(model: Model) -> str:
    """What a model's metadata tells of its making."""
    ours = model.metadata["ctgan"]
    told = [model.metadata["name"], f"trained on {_count(len(ours.get('trained_on', ())))}"]
    settings = ours.get("settings", {})
    told += [f"{name} {settings[name]}" for name in ("steps", "batch_size", "seed") if name in settings]
    told += [f"{ours['hours']} hours on {ours.get('device', '')}"] if "hours" in ours else []
    return "; ".join([*told, f"license {ours['license']}", f"SHA-256 {ours['sha256'][:12]}…"])


def _meaning(rows: list[dict]) -> str:
    told = [f"<b>{escape(name)}</b>: {escape(_MEANING[name])}" for name in rows[0] if name in _MEANING]
    return f'<p class="note">{" ".join([*told, _methods(rows)])}</p>'


def _methods(rows: list[dict]) -> str:
    """What the baselines among the methods are."""
    methods, told = {row["method"] for row in rows}, []
    if {MEAN_VOLUME, NEAREST_VOLUME} & methods:
        told.append(f"{MEAN_VOLUME} and {NEAREST_VOLUME}: what one knows without a model.".capitalize())
    if ALL_BACKGROUND in methods:
        told.append(f"{ALL_BACKGROUND.capitalize()}: what labels nothing.")
    return " ".join(told)


def _chart(rows: list[dict], score: str) -> str:
    scores: dict[str, dict[str, float]] = {}
    for row in rows:
        if score in row:
            scores.setdefault(row["method"], {})[row["case"]] = _number(row[score])
    drawn = image(chart(scores, score).encode(), "svg+xml", 860, f"{score} of each case and method")
    return f'<div class="together"><h2>{escape(score)} of each case</h2>{drawn}</div>'


def _ranked(rows: list[dict], score: str) -> list[str]:
    """The cases by the first method's score, worst first."""
    own = [row for row in rows if row["method"] == rows[0]["method"]]
    return [row["case"] for row in sorted(own, key=lambda row: _number(row[score]))]


def _sheets(rows: list[dict], sheets: Sheets, score: str) -> list[str]:
    ranked = _ranked(rows, score)
    chosen = {"Worst": ranked[0], "Median": ranked[len(ranked) // 2], "Best": ranked[-1]}
    # Of fewer than three cases some are the same.
    titles: dict[str, list[str]] = {}
    for title, case in chosen.items():
        titles.setdefault(case, []).append(title)
    return [_sheet(" and ".join(names).lower(), case, rows, sheets) for case, names in titles.items() if case in sheets]


def _sheet(title: str, case: str, rows: list[dict], sheets: Sheets) -> str:
    pictures = sheets.pictures(case)
    width = min(165, 960 // len(pictures))
    head = "".join(f'<th class="picture">{escape(name)}</th>' for name in pictures)
    lines = []
    for number, plane in enumerate(PLANES):
        cells = [image(drawn[number], "jpeg", width, f"{name}, {plane}") for name, drawn in pictures.items()]
        lines.append("<tr>" + "".join(f'<td class="picture">{drawn}</td>' for drawn in cells) + "</tr>")
    own = [{name: value for name, value in row.items() if name != "case"} for row in rows if row["case"] == case]
    return (
        f'<div class="sheet"><h2>The {escape(title)} case: {escape(case)}</h2>'
        f"<table><tr>{head}</tr>{''.join(lines)}</table>{_legend()}{rows_table(own)}</div>"
    )


def _legend() -> str:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scale.jpg"
        color_scale(file)
        scale = image(file.read_bytes(), "jpeg", 160, "color scale")
    low, high = WINDOW
    return (
        f'<p class="note">Middle slices: {", ".join(PLANES)}. Gray: {_signed(low)} to {_signed(high)} HU. '
        f"Differences: 0 {scale} {LARGEST_DIFFERENCE:.0f} HU and more. R and L: the patient's right and left; "
        "A and P: front and back.</p>"
    )


def _cases(rows: list[dict], score: str) -> str:
    ranked = _ranked(rows, score)
    shown = ranked[:_MOST_CASES]
    by_case: dict[str, list[dict]] = {case: [] for case in shown}
    for row in rows:
        if row["case"] in by_case:
            by_case[row["case"]].append(row)
    few = f"<p>The {len(shown)} worst of {len(ranked)}.</p>" if len(shown) < len(ranked) else ""
    return (
        f'<div class="sheet"><h2>Each case, the worst first</h2>{few}'
        f"{rows_table([row for members in by_case.values() for row in members])}</div>"
    )


def _left_out(left_out: dict[str, str]) -> str:
    if not left_out:
        return ""
    shown = dict(list(left_out.items())[:_MOST_LEFT_OUT])
    rest = f"<p>And {len(left_out) - len(shown)} more.</p>" if len(shown) < len(left_out) else ""
    return f"<h2>Left out</h2>{definitions(shown)}{rest}"


def _number(value: float | None) -> float:
    """A score; files of rows hold nothing where a perfect result has an infinite one."""
    return math.inf if value is None else value


def _made() -> str:
    return f"{date.today().isoformat()} with CTGAN {__version__}"


def _count(cases: int) -> str:
    return "1 case" if cases == 1 else f"{cases} cases"


def _signed(value: float) -> str:
    return f"{value:.0f}".replace("-", "−")
