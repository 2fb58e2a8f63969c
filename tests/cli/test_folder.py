"""A user's own folder from the first look to a report, and what must not be found in anything written."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from PIL import ExifTags, Image, PngImagePlugin

from cvs_med import datasets
from cvs_med.cli import main

SMALL = (
    "--backbone", "resnet18", "--weights", "none", "--image-size", "64", "--epochs", "1", "--folds", "2", "--precision",
    "fp32", "--device", "cpu",
)  # fmt: skip


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [*map(str, words)])


def said(*words: object) -> str:
    result = run(*words)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_the_first_look_writes_what_is_read_again(own_folder: Path) -> None:
    before = datasets.opened("folder", own_folder)[0].cases(own_folder)
    output = said("data", "init", own_folder)
    assert "8 images; classes from labels.csv: benign 4, malignant 4" in output
    assert "groups in labels.csv: 4" in output
    content = yaml.safe_load((own_folder / "dataset.yaml").read_text())
    assert content["classes"] == {"benign": "benign", "malignant": "malignant"}
    assert datasets.opened("folder", own_folder)[0].cases(own_folder) == before


@pytest.mark.parametrize(("dark", "expected"), [(8, "automatic"), (7, "none"), (0, "none")])
def test_dark_surroundings_are_left_out_where_all_images_have_some(own_folder: Path, dark: int, expected: str) -> None:
    for file in sorted((own_folder / "images").iterdir())[:dark]:
        pixels = np.array(Image.open(file))
        pixels[:, :8] = pixels[:, -8:] = 0
        Image.fromarray(pixels).save(file)
    output = said("data", "init", own_folder)
    assert ("dark surroundings in all of 8 images" in output) == (expected == "automatic")
    assert yaml.safe_load((own_folder / "dataset.yaml").read_text())["field_of_view"] == expected


def test_the_first_look_overwrites_nothing_unless_it_is_told_to(own_folder: Path) -> None:
    (own_folder / "dataset.yaml").write_text("title: mine\n")
    result = run("data", "init", own_folder)
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert (own_folder / "dataset.yaml").read_text() == "title: mine\n"
    said("data", "init", own_folder, "--force")
    assert "title: mine" not in (own_folder / "dataset.yaml").read_text()


def test_the_first_look_guesses_classes_and_patients_from_names(own_folder: Path) -> None:
    (own_folder / "labels.csv").unlink()
    output = said("data", "init", own_folder)
    assert "the file names (a guess): b 4, m 4" in output
    assert "may begin with the patient (a guess, not used)" in output
    text = (own_folder / "dataset.yaml").read_text()
    kind, root = datasets.opened("folder", own_folder)
    assert [case.group for case in kind.cases(root)] == [None] * 8
    (own_folder / "dataset.yaml").write_text(text.replace("# group:", "group:"))
    assert {case.group for case in kind.cases(root)} == {"P00", "P01", "P02", "P03"}


def test_the_first_look_allows_the_empty_masks_of_a_class(own_folder: Path) -> None:
    for path in (own_folder / "masks").glob("*_b*"):
        Image.fromarray(np.zeros((40, 60), dtype=np.uint8)).save(path)
    assert "empty masks in: benign" in said("data", "init", own_folder)
    assert "no problem found" in said("data", "check", "--dataset", "folder", "--data-dir", own_folder, "--folds", 2)


def test_without_labels_the_first_look_says_how_to_give_them(own_folder: Path) -> None:
    (own_folder / "labels.csv").unlink()
    for number, path in enumerate(sorted((own_folder / "images").iterdir())):
        path.rename(path.with_name(f"{number}.png"))
    result = run("data", "init", own_folder)
    assert result.exit_code == 2
    assert "Write labels.csv" in result.stderr
    assert not (own_folder / "dataset.yaml").exists()


def test_a_description_counts_and_draws(own_folder: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((50, 70), 3000, dtype=np.uint16)).save(own_folder / "images" / "P00_b0.png")
    (own_folder / "masks" / "P00_b0.png").unlink()
    out = tmp_path / "described"
    output = said("data", "describe", "--dataset", "folder", "--data-dir", own_folder, "--out", out)
    found = json.loads((out / "description.json").read_text())
    assert found["sizes"] == {"60 x 40": 7, "70 x 50": 1}
    assert found["bits"] == {"8": 7, "16": 1}
    assert (found["groups"], found["largest_group"]) == (4, 2)
    assert [(each["name"], each["cases"], each["masks"]) for each in found["classes"]] == [
        ("benign", 4, 3),
        ("malignant", 4, 4),
    ]
    masks = [np.asarray(Image.open(path)) > 0 for path in sorted((own_folder / "masks").glob("*_m*"))]
    assert found["classes"][1]["share"] == pytest.approx(
        [min(map(np.mean, masks)), np.median(list(map(np.mean, masks))), max(map(np.mean, masks))]
    )
    assert "benign: 4 images, 3 masks" in output
    with Image.open(out / "contact-sheet.png") as sheet:
        assert min(sheet.size) > 300
        assert len(np.unique(np.asarray(sheet).reshape(-1, 3), axis=0)) > 100


def test_other_data_sets_are_described_too(fundus: Path, cifar10: Path, tmp_path: Path) -> None:
    for name, folder, counted in (("hrf", fundus, "sizes: 60 x 40 (6)"), ("cifar10", cifar10, "bits: 8 (60)")):
        output = said("data", "describe", "--dataset", name, "--data-dir", folder, "--out", tmp_path / "out")
        assert counted in output


@pytest.mark.parametrize("method", ["cvs", "classification", "probe"])
@pytest.mark.parametrize("rule", ["foreground: field", "empty_masks: allowed", "empty_masks: {benign: field}"])
def test_empty_masks_and_the_whole_field_are_learnt(own_folder: Path, tmp_path: Path, method: str, rule: str) -> None:
    (own_folder / "dataset.yaml").write_text(f"{rule}\nfield_of_view: automatic\n")
    Image.fromarray(np.zeros((40, 60), dtype=np.uint8)).save(own_folder / "masks" / "P00_b0.png")
    said("cv", "--dataset", "folder", "--data-dir", own_folder, *SMALL, "--method", method, "--out", tmp_path / "run")
    assert (tmp_path / "run" / "report.html").exists()
    assert (tmp_path / "run" / "segmentation.csv").exists() == (method == "cvs")


def test_a_class_without_any_foreground_is_not_learnt_from_the_map_alone(own_folder: Path, tmp_path: Path) -> None:
    (own_folder / "dataset.yaml").write_text("empty_masks: {benign: allowed}")
    for path in (own_folder / "masks").glob("*_b*"):
        Image.fromarray(np.zeros((40, 60), dtype=np.uint8)).save(path)
    command = ("cv", "--dataset", "folder", "--data-dir", own_folder, *SMALL)
    result = run(*command, "--set", "loss.class_weight=0", "--out", tmp_path / "map")
    assert result.exit_code == 2
    assert "class 'benign': expected foreground in some of its images" in result.stderr
    said(*command, "--out", tmp_path / "both")


def test_missing_masks_stop_cvs_alone(own_folder: Path, tmp_path: Path) -> None:
    (own_folder / "masks" / "P00_b0.png").unlink()
    assert "note: 1 of 8 have no mask" in said(
        "data", "check", "--dataset", "folder", "--data-dir", own_folder, "--folds", 2
    )
    command = ("cv", "--dataset", "folder", "--data-dir", own_folder, *SMALL)
    result = run(*command, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "found none for 1 of 8 (P00_b0)" in result.stderr
    assert "`cvs-med propagate`" in result.stderr
    assert "a method without a map, such as classification" in result.stderr
    for method in ("classification", "probe"):
        said(*command, "--method", method, "--out", tmp_path / method)


def test_a_few_masks_are_enough_when_each_fold_makes_the_others(own_folder: Path, tmp_path: Path) -> None:
    """Two cases of each class have a mask; a normal class may be without foreground."""
    (own_folder / "dataset.yaml").write_text("empty_masks: {benign: allowed}")
    for name in ("P00_b1", "P01_b3", "P02_m1", "P03_m3"):
        (own_folder / "masks" / f"{name}.png").unlink()
    for path in (own_folder / "masks").glob("*_b*"):
        Image.fromarray(np.zeros((40, 60), dtype=np.uint8)).save(path)
    command = ("cv", "--dataset", "folder", "--data-dir", own_folder, *SMALL, "--masked-per-class")
    result = run(*command, 2, "--out", tmp_path / "more")
    assert result.exit_code == 2
    assert "class 'benign': expected at least 2 cases with a mask in the training part of each fold" in result.stderr
    assert "found 1, 1. Draw more masks, ask for more folds, or for --masked-per-class 1." in result.stderr
    assert not list((tmp_path / "more").glob("fold-*"))
    output = said(*command, 1, "--splits", "grouped", "--out", tmp_path / "run")
    assert "Each fold learnt from 2 masks that were given; a network made the other 2 of its training part" in " ".join(
        output.split()
    )
    for fold in range(2):
        for path in (tmp_path / "run" / f"fold-{fold}" / "masks").glob("*_b*.png"):
            with Image.open(path) as mask:
                assert mask.getextrema() == (0, 0)
    repeated = ("--repeats", 2, "--out", tmp_path / "repeats")
    said(*command, 1, *repeated)
    assert len(list((tmp_path / "repeats").glob("seed-*/fold-*/masks/masks.csv"))) == 4


def test_a_choice_and_a_sweep_take_no_few_masks(own_folder: Path, mnist: Path, tmp_path: Path) -> None:
    texts = {"one": "method: cvs", "two": "method: multitask\nloss: {class_weight: 1}"}
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(f"dataset: folder\n{text}\n")
    both = f"{tmp_path / 'one.yaml'},{tmp_path / 'two.yaml'}"
    where = ("--dataset", "folder", "--data-dir", own_folder)
    asked = {
        "--select": ("cv", *where, "--select", both, "--masked-per-class", 1, "--out", tmp_path / "run"),
        "a sweep": ("sweep", "paper/mnist-wideresnet", "--data-dir", mnist, "--set", "masks.per_class=1"),
        "masks of a whole": ("propagate", *where, "--manual", 1, "--set", "masks.per_class=1", "--out", tmp_path / "s"),
    }
    for what, words in asked.items():
        result = run(*words)
        assert result.exit_code == 2, result.output
        assert f"Expected protocols without masks.per_class for {what}" in result.stderr


def test_a_folder_is_audited(own_folder: Path, tmp_path: Path, dicom: Callable[..., Path]) -> None:
    (own_folder / "images" / "P00_b0.png").unlink()
    dicom(own_folder / "images" / "P00_b0.dcm", np.random.default_rng(0).integers(0, 4000, (40, 60), dtype=np.uint16))
    said("audit", "--dataset", "folder", "--data-dir", own_folder, "--out", tmp_path / "audit")
    assert (tmp_path / "audit" / "audit.html").exists()


SECRETS = ("Zyklamowski", "19530417", "PIDX90817", "Grauwackenhof", "1.2.3.4.55501.7")


def plant(folder: Path, dicom: Callable[..., Path]) -> None:
    """Put what identifies a person wherever a file can hold it."""
    name, born, number, place, uid = SECRETS
    pixels = np.random.default_rng(0).integers(0, 4000, (40, 60), dtype=np.uint16)
    elements = {
        "PatientName": f"{name}^Anna", "PatientBirthDate": born, "PatientID": number, "InstitutionName": place,
        "StudyInstanceUID": uid, "StudyDescription": name, "ReferringPhysicianName": name, "ImageComments": place,
        "SpecificCharacterSet": "ISO_IR 100", "WindowCenter": "2000", "WindowWidth": "4000",
    }  # fmt: skip
    images = folder / "images"
    (images / "P00_b0.png").unlink()
    dicom(images / "P00_b0.dcm", pixels, **elements)
    exif = Image.Exif()
    for tag in (ExifTags.Base.Artist, ExifTags.Base.ImageDescription, ExifTags.Base.Copyright, ExifTags.Base.Model):
        exif[tag] = f"{name} {number} {place}"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = f"{name} {born}"
    words = PngImagePlugin.PngInfo()
    words.add_text("Patient", f"{name} {number}")
    for path in sorted(images.glob("P00_b1.png")) + sorted(images.glob("P03*.png")):
        with Image.open(path) as image:
            image.save(path, exif=exif, pnginfo=words)
    with Image.open(images / "P01_b2.png") as image:
        image.save(images / "P01_b2.jpg", exif=exif, comment=name)
    (images / "P01_b2.png").unlink()
    nibabel = pytest.importorskip("nibabel")
    with Image.open(images / "P02_m0.png") as image:
        volume = nibabel.Nifti1Image(np.asarray(image.convert("L")).T[::-1, ::-1], np.eye(4))
    volume.header["descrip"], volume.header["db_name"] = name, number
    volume.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", f"{name} {place}".encode()))
    nibabel.save(volume, images / "P02_m0.nii")
    (images / "P02_m0.png").unlink()


def test_nothing_that_names_a_person_is_written(
    own_folder: Path, tmp_path: Path, own_folders: Path, dicom: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    plant(own_folder, dicom)
    planted = b"".join(path.read_bytes() for path in own_folder.rglob("*") if path.is_file())
    assert all(secret.encode() in planted for secret in SECRETS)
    where = ("--dataset", "folder", "--data-dir", own_folder)
    printed = said("data", "init", own_folder) + said("data", "check", *where, "--folds", 2)
    printed += said("data", "describe", *where, "--out", tmp_path / "out" / "described")
    printed += said("audit", *where, "--out", tmp_path / "out" / "audit")
    cv, model = tmp_path / "out" / "run", tmp_path / "out" / "model"
    printed += said("cv", *where, *SMALL, "--out", cv)
    printed += said("train", *where, "--cv", cv, "--out", model)
    for wanted in ("html", "md", "json", "pdf"):
        printed += said("report", cv, "--format", wanted)
    printed += said("card", cv) + said("checklist", cv)
    printed += said("predict", "--run", cv, "--out", tmp_path / "out" / "answers", own_folder / "images")
    for wanted in ("onnx", "monai-bundle"):
        printed += said("export", model, "--format", wanted, "--out", tmp_path / "out" / wanted)
    # A file that is broken, or that nothing here reads, is named without a word of what it holds.
    whole = (own_folder / "images" / "P00_b0.dcm").read_bytes()
    (own_folder / "images" / "P00_b0.dcm").write_bytes(whole[: len(whole) - 3000])
    printed += run("data", "check", *where, "--folds", 2).output
    elements = {"PatientName": SECRETS[0], "PhotometricInterpretation": SECRETS[0], "PatientID": SECRETS[2]}
    dicom(own_folder / "images" / "P00_b0.dcm", np.zeros((4, 4), dtype=np.uint8), **elements)
    printed += run("data", "check", *where, "--folds", 2).output
    assert "P00_b0.dcm: expected a whole DICOM file" in printed
    written = [path for folder in (tmp_path / "out", own_folders) for path in folder.rglob("*") if path.is_file()]
    assert len(written) > 20
    contents = {"printed": printed.encode(), "log": caplog.text.encode()}
    contents |= {str(path): path.read_bytes() for path in [*written, own_folder / "dataset.yaml"]}
    for path in written:
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                contents |= {f"{path}/{name}": archive.read(name) for name in archive.namelist()}
    for place, content in contents.items():
        for secret in SECRETS:
            assert secret.encode() not in content, (secret, place)
    for path in written:
        if path.suffix in (".png", ".jpg"):
            with Image.open(path) as image:
                assert not image.getexif(), path
