"""dataset.yaml: what the files of a user's own folder cannot say. Every field has a default; there may be no file."""

import reprlib
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from cvs_med import strict_yaml
from cvs_med.datasets.folder import patterns
from cvs_med.datasets.folder.names import inside
from cvs_med.errors import DataError, Problem, fault, printable, reason
from cvs_med.types import Empty, Reading, Shape

FILE = "dataset.yaml"

_LARGEST = 1 << 18
_KINDS = ("dict[", "literal[", "constrained-int", "int", "function-", "[key]")
_SHORT = reprlib.Repr()
_NOT_YAML = (yaml.YAMLError, ValueError, AttributeError, RecursionError)
"""What PyYAML raises: the last three for impossible dates and numbers, a wrong !!timestamp, and endless brackets."""


def _is_printable(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("expected words without line breaks or control signs")
    return text


def _number_as_text(value: object) -> object:
    """Take a class named by a number as the labels write it; `yes` and `no`, truth values in YAML, stay a fault."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Words = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_is_printable)]
Code = Annotated[Words, BeforeValidator(_number_as_text)]
Pattern = Annotated[str, Field(min_length=1), AfterValidator(patterns.check)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Group(_Section):
    """What tells the patient, so that nobody is on both sides of a split: a column of labels.csv, or the file name."""

    column: Words = "group"
    pattern: Pattern | None = None


class Volumes(_Section):
    """Which slice of a NIfTI volume is read."""

    plane: Literal["axial", "coronal", "sagittal"] = "axial"
    slice: Annotated[int, Field(ge=0)] | Literal["middle"] = "middle"


class Window(_Section):
    """Values that are shown, such as Hounsfield units; of DICOM, NIfTI and files of more than 8 bits."""

    centre: float
    width: float = Field(gt=0)


class Settings(_Section):
    """All of dataset.yaml.

    Attributes:
        title: what reports call the data.
        classes: a class as the labels write it, to its name for people, in order; none of them: as the labels have it.
        foreground_name: what the masks show, in the plural.
        foreground_shape: whether that is lines, such as vessels, or regions, such as organs and lesions.
        labels: labels.csv, the subfolders of images, or `label_pattern` on the file names; by default labels.csv if it
            is there, else the subfolders.
        label_pattern: finds the class in a file name without its ending.
        group: what tells the patient.
        foreground: the masks, or the whole field of view of every image.
        empty_masks: what a mask without foreground means, for all classes or by class.
        field_of_view: everything, or what is not the dark surroundings.
        volumes: slice of a volume.
        window: values that are shown.
    """

    title: Words = "Own images"
    classes: dict[Code, Words] = Field(default_factory=dict)
    foreground_name: Words = "foreground"
    foreground_shape: Shape = "regions"
    labels: Literal["csv", "folders", "names"] | None = None
    label_pattern: Pattern | None = None
    group: Group = Group()
    foreground: Literal["masks", "field"] = "masks"
    empty_masks: Empty | dict[Code, Empty] = "refused"
    field_of_view: Literal["none", "automatic"] = "none"
    volumes: Volumes = Volumes()
    window: Window | None = None

    @model_validator(mode="after")
    def _fields_agree(self) -> "Settings":
        if (self.labels == "names") != (self.label_pattern is not None):
            raise ValueError("expected label_pattern together with `labels: names`, and only then")
        if len(set(self.classes.values())) < len(self.classes):
            raise ValueError("expected another name for every class")
        if isinstance(self.empty_masks, dict) and self.classes and not self.empty_masks.keys() <= self.classes.keys():
            raise ValueError("expected in empty_masks only what stands in classes, as the labels write it")
        return self

    @property
    def reading(self) -> Reading:
        """How the files become pictures."""
        window = None if self.window is None else (self.window.centre, self.window.width)
        return Reading(self.volumes.plane, self.volumes.slice, window)

    def empty_of(self, code: str) -> Empty:
        """Say what an empty mask means in a class."""
        return self.empty_masks.get(code, "refused") if isinstance(self.empty_masks, dict) else self.empty_masks


def load(root: Path) -> Settings:
    """Read dataset.yaml; without one, everything is as by default.

    Raises:
        DataError: it cannot be read; all its faults are listed.
    """
    path = root / FILE
    if not (path.exists() or path.is_symlink()):
        return Settings()
    if not inside(path, root):
        raise fault(FILE, "a file in this folder", "a link that leaves it", "Copy the file here.")
    try:
        return Settings.model_validate(_content(path))
    except ValidationError as error:
        raise DataError([_problem(each) for each in error.errors()]) from None


def _content(path: Path) -> object:
    try:
        if path.stat().st_size > _LARGEST:
            raise fault(FILE, "a few lines", f"more than {_LARGEST // 1024} kB", "Take out what does not belong there.")
        text = path.read_text(encoding="utf-8-sig")
        # Aliases of aliases would fill the memory.
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=yaml.SafeLoader)):
            raise fault(FILE, "YAML without aliases", "one", "Write the value out instead of *name.")
        content = strict_yaml.parse(text)
    except OSError as error:
        raise fault(FILE, "a readable file", reason(error), "Allow reading, or remove it.") from error
    except _NOT_YAML as error:
        found = printable(str(error).replace("\n", " "))
        remedy = "Correct it, or have it written anew by `cvs-med data init DIR --force`."
        raise fault(FILE, "YAML in UTF-8", found, remedy) from error
    return {} if content is None else content


def _problem(error: ErrorDetails) -> Problem:
    """Put what pydantic says into our words."""
    parts = [str(part) for part in error["loc"]]
    # pydantic names the kind of value too where several are allowed.
    place = [part for part in parts if part in Settings.model_fields or not part.startswith(_KINDS)]
    where = f"{FILE}, {printable('.'.join(place))}" if place else FILE
    if error["type"] == "extra_forbidden":
        fields = ", ".join(Settings.model_fields) if len(place) == 1 else "its fields"
        return Problem(where, f"one of {fields}", "a field that is not known", "Correct its name, or take it out.")
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ").removeprefix("expected ")
    remedy = "Correct it; words such as yes and no need quotes."
    return Problem(where, message, printable(_SHORT.repr(error["input"])), remedy)
