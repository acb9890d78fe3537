"""The model store: what goes in comes out, and nothing else does."""

import json
import zipfile

import pytest
import torch

from CTGANLib.__main__ import main
from CTGANLib.biplanar.network import BiplanarGenerator
from CTGANLib.biplanar.publish import publish
from CTGANLib.biplanar.recipe import BiplanarSettings
from CTGANLib.biplanar.reconstruct import NETWORKS
from CTGANLib.errors import UserError
from CTGANLib.models import store
from CTGANLib.models.bundle import METADATA, WEIGHTS, open_bundle, save_bundle, sha256
from CTGANLib.models.combine import combine
from CTGANLib.models.exchange import export_model, import_model


@pytest.fixture(autouse=True)
def user_store(tmp_path, monkeypatch):
    monkeypatch.setenv("CTGAN_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def generator(tmp_path):
    """A bundle as training publishes it, and its network."""
    torch.manual_seed(0)
    network = BiplanarGenerator(channels_2d=(8, 8, 8, 8), channels_3d=(8, 8, 8, 8), heads=(2,))
    return publish(tmp_path / "Small", network, BiplanarSettings(), [], [], 0.1, "cpu"), network


@pytest.fixture
def bundle(tmp_path):
    """A bundle with a few numbers for weights."""
    scores = [{"method": "Tiny", "n": 2, "psnr_true": 20.5, "psnr_true_ci95": float("nan")}]
    ours = {"task": "biplanar", "license": "CC0-1.0", "trained_on": ["a", "b"], "scores": scores}
    metadata = {"name": "Tiny", "data_source": "here", "ctgan": ours}
    return save_bundle(tmp_path / "Tiny", torch.nn.Linear(2, 2), {"_target_": "Linear"}, metadata, "# Card", "CC0")


@pytest.fixture
def combined(bundle, tmp_path):
    """``bundle`` with texture weights and two snapshots from other trainings."""
    parts = []
    for number in range(3):
        ours = {
            "task": "biplanar",
            "license": "CC0-1.0",
            "trained_on": ["b", f"c{number}"],
            "hours": number + 0.5,
            "device": "cpu",
            "settings": {"steps": 100 + number},
        }
        metadata = {"name": "Part", "data_source": "here; there", "ctgan": ours}
        definition = {"_target_": "Linear"}
        folder = tmp_path / f"Part {number}"
        parts.append(save_bundle(folder, torch.nn.Linear(2, 2), definition, metadata, "# P", "CC0"))
    return combine(bundle, parts[0], parts[1:], tmp_path / "Combined"), parts


def change_metadata(model, change) -> None:
    """Let ``change`` edit a bundle's metadata, or return other ones."""
    path = model.folder / METADATA
    entries = json.loads(path.read_text())
    changed = change(entries)
    path.write_text(json.dumps(entries if changed is None else changed))


def set_weights(model, state) -> None:
    """Other weights, with the right hash."""
    torch.save(state, model.folder / WEIGHTS)
    change_metadata(model, lambda entries: entries["ctgan"].update(sha256=sha256(model.folder / WEIGHTS)))


def is_empty(user_store) -> bool:
    return not user_store.exists() or list(user_store.iterdir()) == []


def zipped(tmp_path, entries: dict[str, bytes | str], name="Zipped.zip"):
    with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in entries.items():
            archive.writestr(entry, content)
    return tmp_path / name


def contents(model) -> dict[str, bytes]:
    """A bundle's files under the names they have in a zip."""
    files = (path for path in model.folder.rglob("*") if path.is_file())
    return {f"Tiny/{path.relative_to(model.folder).as_posix()}": path.read_bytes() for path in files}


def test_a_saved_model_loads_with_its_architecture_and_weights(generator):
    model, network = generator
    loaded = model.load("biplanar", NETWORKS)
    assert loaded.arguments["channels_3d"] == [8, 8, 8, 8]
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float()), name


@pytest.mark.parametrize("ending", ["", ".zip"])
def test_export_import_delete(bundle, tmp_path, user_store, ending):
    target = tmp_path / f"Exported{ending}"
    export_model(bundle, target)
    imported = import_model(target)
    assert imported.name == "Exported"
    assert (imported.folder / WEIGHTS).read_bytes() == (bundle.folder / WEIGHTS).read_bytes()
    assert (imported.folder / "docs" / "README.md").read_text() == "# Card"
    assert "Exported" in [model.name for model in store.list_models()]
    with pytest.raises(UserError, match="already"):
        import_model(target)
    store.delete_model(imported)
    assert is_empty(user_store)


def test_an_export_replaces_no_folder(bundle, tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError, match="already"):
        export_model(bundle, tmp_path / "mine")


def test_the_catalogue_tells_what_a_model_is(bundle):
    imported = import_model(bundle.folder)
    (entry,) = [entry for entry in map(store.describe, store.list_models()) if entry["name"] == "Tiny"]
    assert entry == {
        "name": "Tiny",
        "task": "biplanar",
        "title": "Tiny",
        "license": "CC0-1.0",
        "data": {"n": 2, "sources": "here"},
        "scores": [{"method": "Tiny", "n": 2, "psnr_true": 20.5}],
        "size_mb": 0.0,
        "texture": False,
        "snapshots": 0,
        "path": str(imported.folder),
        "own": True,
    }
    shipped = store.describe(store.find_model("ChestBiplanar"))
    assert not shipped["own"] and shipped["data"]["n"] == 16 and shipped["scores"][0]["psnr_true"] > 20


def test_rename(bundle, user_store):
    import_model(bundle.folder)
    for taken in ("ChestBiplanar", "chestbiplanar"):
        with pytest.raises(UserError, match="already"):
            store.rename_model(store.find_model("Tiny"), taken)
    assert store.rename_model(store.find_model("Tiny"), "tiny").name == "tiny"
    assert store.rename_model(store.find_model("tiny"), "Übung 2 (alt)").name == "Übung 2 (alt)"
    assert [path.name for path in user_store.iterdir()] == ["Übung 2 (alt)"]
    store.find_model("Übung 2 (alt)").verify()


@pytest.mark.parametrize(
    "name",
    [
        "", " ", ".", "..", "../x", "a/b", "a\\b", "C:x", "con", "NUL.txt", "com1", ".hidden", "a.", "a ", "a\n",
        "x" * 65, "a*", "a?", 'a"', "a<b", "a|b", "a\0b", "-rf",
    ],
)
def test_names_are_plain_file_names(bundle, user_store, name):
    model = import_model(bundle.folder)
    with pytest.raises(UserError, match="cannot be called"):
        store.rename_model(model, name)
    assert [path.name for path in user_store.iterdir()] == ["Tiny"]


def test_adopted_models_take_free_names(bundle, user_store):
    names = [store.adopt(bundle.folder, name).name for name in ("run", "run", "RUN", "ChestBiplanar", "../a:b", "con")]
    assert names == ["run", "run 2", "RUN 3", "ChestBiplanar 2", "_a_b", "Model"]
    assert all(folder.parent == user_store for folder in user_store.iterdir())
    assert store.adopt(bundle.folder, "x" * 100).name == "x" * 59


def test_shipped_models_stay(bundle):
    for model in (bundle, store.find_model("ChestBiplanar")):
        with pytest.raises(UserError, match="ships"):
            store.delete_model(model)
        with pytest.raises(UserError, match="ships"):
            store.rename_model(model, "Other")


def test_half_written_models_are_not_listed(bundle, user_store):
    import_model(bundle.folder).folder.rename(user_store / ".0123456789abcdef")
    assert [model.name for model in store.list_models() if store.is_own(model)] == []


def test_changed_weights_are_noticed(bundle, user_store):
    weights = bundle.folder / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-100] + bytes(100))
    with pytest.raises(UserError, match="damaged"):
        bundle.load("biplanar", NETWORKS)
    with pytest.raises(UserError, match="The model Tiny is damaged"):
        import_model(bundle.folder)
    with pytest.raises(UserError, match="damaged"):
        store.adopt(bundle.folder, "Tiny")
    with pytest.raises(UserError, match="damaged"):
        export_model(bundle, bundle.folder.with_suffix(".zip"))
    assert is_empty(user_store)


def test_weights_that_carry_code_are_not_run(bundle, tmp_path, user_store):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    set_weights(bundle, {"x": Evil()})
    for attempt in (lambda: open_bundle(bundle.folder).load("biplanar", NETWORKS), lambda: import_model(bundle.folder)):
        with pytest.raises(UserError, match="cannot be read as plain numbers"):
            attempt()
    assert not (tmp_path / "owned").exists() and is_empty(user_store)


@pytest.mark.parametrize("state", [[1, 2], {"x": 1}, "text", torch.zeros(2)])
def test_weights_are_tensors_by_name(bundle, user_store, state):
    set_weights(bundle, state)
    with pytest.raises(UserError, match="not those of a network"):
        import_model(bundle.folder)
    assert is_empty(user_store)


@pytest.mark.parametrize(
    "definition",
    [
        {"_target_": "os.system", "command": "touch owned"},
        {"_target_": "BiplanarGenerator", "channels_2d": "$__import__('os').system('touch owned')"},
        {"_target_": "BiplanarGenerator", "channels_2d": [8, 8], "channels_3d": [8, 8]},
    ],
)
def test_definitions_are_data(bundle, definition, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (bundle.folder / "configs" / "inference.json").write_text(json.dumps({"network_def": definition}))
    with pytest.raises(UserError, match="cannot be loaded"):
        bundle.load("biplanar", NETWORKS)
    assert not (tmp_path / "owned").exists()


def test_a_model_of_another_task_is_refused(bundle, user_store):
    with pytest.raises(UserError, match="is for biplanar"):
        bundle.load("segmentation", NETWORKS)
    change_metadata(bundle, lambda entries: entries["ctgan"].update(task="telepathy"))
    with pytest.raises(UserError, match="for 'telepathy', which this version cannot do"):
        import_model(bundle.folder)
    assert is_empty(user_store)


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("metadata cannot be read", lambda entries: [entries]),
        ("metadata cannot be read", lambda entries: "text"),
        ("another program", lambda entries: entries.pop("ctgan") and None),
        ("not an object", lambda entries: entries.update(ctgan=[1])),
        ("gives no task", lambda entries: entries["ctgan"].update(task=7)),
        ("gives no license", lambda entries: entries["ctgan"].pop("license") and None),
        ("gives no name", lambda entries: entries.update(name=["x"])),
        ("gives no name", lambda entries: entries.update(name=" ")),
        ("SHA-256", lambda entries: entries["ctgan"].update(sha256="0")),
        ("SHA-256", lambda entries: entries["ctgan"].update(sha256=10**100)),
        ("trained_on is of a wrong type", lambda entries: entries["ctgan"].update(trained_on=[{}])),
        ("scores is of a wrong type", lambda entries: entries["ctgan"].update(scores=7)),
        ("settings is of a wrong type", lambda entries: entries["ctgan"].update(settings=[])),
        ("format is of a wrong type", lambda entries: entries["ctgan"].update(format="1")),
        ("format is of a wrong type", lambda entries: entries["ctgan"].update(format=float("nan"))),
        ("newer version", lambda entries: entries["ctgan"].update(format=10**100)),
        ("data_source is of a wrong type", lambda entries: entries.update(data_source={})),
    ],
)
def test_metadata_of_wrong_types_are_refused_with_the_reason(bundle, user_store, reason, change):
    change_metadata(bundle, change)
    for attempt in (open_bundle, import_model, lambda folder: import_model(zipped(folder.parent, contents(bundle)))):
        with pytest.raises(UserError, match=reason) as refused:
            attempt(bundle.folder)
        assert "\n" not in refused.value.message
    assert is_empty(user_store)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null", b'{"ctgan": ' + b"9" * 5000 + b"}"])
def test_metadata_that_are_no_json_are_refused(bundle, user_store, text):
    (bundle.folder / METADATA).write_bytes(text)
    with pytest.raises(UserError, match="is not a CTGAN model"):
        import_model(bundle.folder)
    assert is_empty(user_store)


def test_a_model_with_strange_scores_is_listed_without_them(bundle):
    strange = [{"method": "x", "a": [1], "b": None, "c": {}, "d": 10**400, "psnr_true": 1.5}, {}]
    change_metadata(bundle, lambda entries: entries["ctgan"].update(scores=strange))
    entry = store.describe(import_model(bundle.folder))
    assert entry["scores"] == [{"method": "x", "d": 10**400, "psnr_true": 1.5}, {}]


@pytest.mark.parametrize("file", ["configs/metadata.json", "configs/inference.json", "models/model.pt"])
def test_missing_files_are_named(bundle, user_store, file):
    (bundle.folder / file).unlink()
    with pytest.raises(UserError, match=f"it has no {file}|0 files {file}"):
        import_model(bundle.folder)
    with pytest.raises(UserError, match=f"it has no {file}|0 files {file}"):
        import_model(zipped(bundle.folder.parent, contents(bundle)))
    assert is_empty(user_store)


def test_links_are_refused(bundle, tmp_path, user_store):
    (tmp_path / "secret").write_text("secret")
    card = bundle.folder / "docs" / "README.md"
    card.unlink()
    card.symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match="holds a link"):
        import_model(bundle.folder)
    card.unlink()
    card.parent.rmdir()
    card.parent.symlink_to(tmp_path)
    with pytest.raises(UserError, match="holds a link"):
        import_model(bundle.folder)
    entry = zipfile.ZipInfo("Tiny/LICENSE")
    entry.external_attr = 0o120777 << 16
    archive = zipped(tmp_path, {name: data for name, data in contents(bundle).items() if "LICENSE" not in name})
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(entry, "/etc/passwd")
    with pytest.raises(UserError, match="holds a link"):
        import_model(archive)
    assert is_empty(user_store)


@pytest.mark.parametrize(
    "entry", ["../escaped.txt", "/escaped.txt", "Tiny/../../escaped.txt", "..\\escaped.txt", "C:escaped.txt", "C:/x"]
)
def test_a_zip_cannot_write_outside_its_folder(bundle, tmp_path, user_store, entry):
    archive = zipped(tmp_path, {**contents(bundle), entry: "out"})
    with pytest.raises(UserError, match="outside"):
        import_model(archive)
    assert not list(tmp_path.rglob("*escaped*")) and is_empty(user_store)


@pytest.mark.parametrize("entry", ["Tiny/models/model.pt", "Tiny/models/MODEL.pt", "tiny/./LICENSE"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_no_two_files_of_one_name(bundle, tmp_path, user_store, entry):
    archive = zipped(tmp_path, contents(bundle))
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(entry, "other")
    with pytest.raises(UserError, match="two files of one name"):
        import_model(archive)
    assert is_empty(user_store)


def test_a_zip_holds_one_model_only_and_nothing_else_is_taken(bundle, tmp_path, user_store):
    files = contents(bundle)
    two = files | {name.replace("Tiny", "Other"): data for name, data in files.items()}
    with pytest.raises(UserError, match="2 files"):
        import_model(zipped(tmp_path, two, "Two.zip"))
    extra = files | {"Tiny/run.py": "import os", "Tiny/configs/train.json": "{}"}
    model = import_model(zipped(tmp_path, extra, "Extra.zip"))
    assert sorted(path.name for path in model.folder.rglob("*") if path.is_file()) == sorted(
        ["LICENSE", "README.md", "inference.json", "metadata.json", "model.pt"]
    )
    flat = {name.removeprefix("Tiny/"): data for name, data in files.items()}
    assert import_model(zipped(tmp_path, flat, "Flat.zip")).name == "Flat"


def test_bombs_are_not_unpacked(bundle, tmp_path, user_store, monkeypatch):
    files = contents(bundle)
    with pytest.raises(UserError, match="more than any model"):
        import_model(zipped(tmp_path, files | {"Tiny/docs/README.md": bytes(2**24 + 1)}))
    monkeypatch.setattr("CTGANLib.models.exchange.LARGEST_WEIGHTS", 1000)
    with pytest.raises(UserError, match="more than any model"):
        import_model(zipped(tmp_path, files | {"Tiny/models/model.pt": bytes(100_000)}))
    with pytest.raises(UserError, match="larger than any model"):
        import_model(bundle.folder)
    assert is_empty(user_store)


def test_damaged_zips_are_refused(bundle, tmp_path, user_store):
    whole = zipped(tmp_path, contents(bundle)).read_bytes()
    encrypted = bytearray(whole)
    for start in range(len(whole)):  # the flag of each entry in the central directory
        if whole[start : start + 4] == b"PK\1\2":
            encrypted[start + 8] |= 1
    damaged = {"cut": whole[:-200], "zeros": whole[:200] + bytes(600) + whole[800:], "locked": bytes(encrypted)}
    for name, content in damaged.items():
        (tmp_path / f"{name}.zip").write_bytes(content)
        with pytest.raises(UserError) as refused:
            import_model(tmp_path / f"{name}.zip")
        assert "zip" in refused.value.message, refused.value
    assert is_empty(user_store)


@pytest.mark.parametrize("name", ["con.zip", ".zip", "a?.zip", " .zip"])
def test_a_file_with_no_name_for_a_model_is_refused(bundle, tmp_path, user_store, name):
    archive = zipped(tmp_path, contents(bundle))
    archive.rename(tmp_path / name)
    with pytest.raises(UserError, match="cannot be called"):
        import_model(tmp_path / name)
    assert is_empty(user_store)


def test_foreign_files_are_refused(tmp_path, user_store):
    (tmp_path / "text.zip").write_text("not a zip")
    zipped(tmp_path, {"readme.txt": "hello"}, "other.zip")
    (tmp_path / "folder").mkdir()
    for name in ("text.zip", "other.zip", "folder", "absent.zip"):
        with pytest.raises(UserError):
            import_model(tmp_path / name)
    assert is_empty(user_store)


def test_unknown_names_list_the_known(bundle):
    import_model(bundle.folder)
    with pytest.raises(UserError, match="Tiny"):
        store.find_model("Unknown")


def test_a_damaged_model_of_the_store_is_told_from_an_unknown_one(bundle):
    model = import_model(bundle.folder)
    change_metadata(model, lambda entries: [entries])
    with pytest.raises(UserError, match="metadata cannot be read"):
        store.find_model("Tiny")


def test_a_combined_model_keeps_where_each_part_comes_from(combined, bundle):
    model, parts = combined
    model.check()
    assert model.has_texture and model.snapshots == ["snapshot_1", "snapshot_2"]
    for name, source in zip(("model", "texture", "snapshot_1", "snapshot_2"), (bundle, *parts), strict=True):
        for key, value in source.weights().items():
            assert torch.equal(model.weights(name)[key], value)
    ours = model.metadata["ctgan"]
    assert ours["trained_on"] == ["a", "b", "c0", "c1", "c2"]  # a patient of any part is no test patient
    assert model.metadata["data_source"] == "here; there"
    provenance = {"trained_on": ["b", "c0"], "hours": 0.5, "device": "cpu", "settings": {"steps": 100}}
    assert ours["parts"]["texture"] == {"model": "Part 0", **provenance}
    card = (model.folder / "docs/README.md").read_text()
    assert card.startswith("# Card\n") and "`models/snapshot_2.pt`: the model Part 2, 102 steps, 2.5 hours" in card
    described = store.describe(model)
    assert (described["texture"], described["snapshots"]) == (True, 2)


def test_further_weights_hold_only_what_differs(bundle, tmp_path):
    network = torch.nn.Linear(2, 2)
    network.load_state_dict({name: value.float() for name, value in bundle.weights().items()})
    network.bias.data += 1
    texture = save_bundle(tmp_path / "T", network, {"_target_": "Linear"}, bundle.metadata, "# P", "CC0")
    model = combine(bundle, texture, [], tmp_path / "Combined")
    assert torch.load(model.folder / "models/texture.pt", weights_only=True).keys() == {"bias"}
    assert torch.equal(model.weights("texture")["weight"], bundle.weights()["weight"])


def test_snapshots_are_added_to_those_that_there_are(combined, tmp_path):
    model, parts = combined
    more = combine(model, None, parts[:1], tmp_path / "More")
    assert more.snapshots == ["snapshot_1", "snapshot_2", "snapshot_3"]
    assert more.hashes["texture"] == model.hashes["texture"]


@pytest.mark.parametrize("ending", ["", ".zip"])
def test_further_weights_travel(combined, tmp_path, user_store, ending):
    model, _ = combined
    export_model(model, tmp_path / f"Exported{ending}")
    imported = import_model(tmp_path / f"Exported{ending}")
    imported.check()
    assert imported.hashes == model.hashes and imported.folder.parent == user_store
    assert store.adopt(imported.folder, "Copy").hashes == model.hashes


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda file: file.write_bytes(b"other"), "texture weights have changed"),
        (lambda file: file.unlink(), "no models/texture.pt"),
        (lambda file: torch.save({"weight": torch.zeros(3)}, file), "texture weights of another network"),
        (lambda file: torch.save({"weight": print}, file), "cannot be read as plain numbers"),
    ],
)
def test_damaged_or_foreign_further_weights_are_refused(combined, user_store, spoil, message):
    model, _ = combined
    file = model.folder / "models/texture.pt"
    spoil(file)
    if "changed" not in message and file.is_file():  # even if their hash is right
        change_metadata(model, lambda entries: entries["ctgan"]["further"].update(texture=sha256(file)))
    with pytest.raises(UserError, match=message):
        import_model(model.folder)
    assert is_empty(user_store)


@pytest.mark.parametrize(
    ("further", "message"),
    [
        ({}, "no SHA-256 of models/texture.pt"),
        ({"texture": "x"}, "no SHA-256 of further weights"),
        (["texture"], "no SHA-256 of further weights"),
        ({"../model": "0" * 64}, "unknown weights"),
    ],
)
def test_each_further_file_has_its_hash(combined, further, message):
    model, _ = combined
    change_metadata(model, lambda entries: entries["ctgan"].update(further=further))
    with pytest.raises(UserError, match=message):
        open_bundle(model.folder)


def test_only_trainings_of_one_network_are_combined(bundle, combined, generator, tmp_path):
    parts = combined[1]
    out = tmp_path / "Out"
    for texture, snapshots, folder, message in (
        (generator[0], [], out, "another network"),
        (None, [], out, "nothing to combine"),
        (parts[0], parts, parts[1].folder, "already"),
        (None, parts * 4, out, "at most 9"),
        (parts[0], [], tmp_path / "a*", "cannot be called"),
    ):
        with pytest.raises(UserError, match=message):
            combine(bundle, texture, snapshots, folder)
    change_metadata(parts[0], lambda entries: entries["ctgan"].update(license="other"))
    with pytest.raises(UserError, match="another license"):
        combine(bundle, open_bundle(parts[0].folder), [], out)
    change_metadata(parts[0], lambda entries: entries["ctgan"].update(task="segmentation"))
    with pytest.raises(UserError, match="another network"):
        combine(bundle, open_bundle(parts[0].folder), [], out)
    assert not out.exists()


def test_the_command_combines_and_the_list_tells(bundle, combined, user_store, capsys):
    part = str(combined[1][0].folder)
    out = str(user_store / "By command")
    assert main(["models", "combine", str(bundle.folder), "--texture", part, "--snapshots", part, "--out", out]) == 0
    assert main(["models", "verify", "By command"]) == 0
    capsys.readouterr()
    assert main(["models", "list"]) == 0
    head, *rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if "|" in line]
    (row,) = [row for row in rows if "By command" in row[1]]
    told = dict(zip([cell.strip() for cell in head], [cell.strip() for cell in row], strict=True))
    assert (told["texture"], told["snapshots"]) == ("yes", "1")
