"""HRF, the High-Resolution Fundus image database: 45 photographs with vessel masks and fields of view.

15 healthy eyes, 15 with diabetic retinopathy, 15 with glaucoma, each 3504 x 2336 pixels.
"""

from functools import partial

from cvs_med.datasets import fundus
from cvs_med.datasets.archive import Official
from cvs_med.datasets.dataset import DataSet

CODES = ("h", "dr", "g")

HRF = DataSet(
    name="hrf",
    title="High-Resolution Fundus (HRF) Image Database",
    class_names=("healthy", "diabetic retinopathy", "glaucoma"),
    class_codes=CODES,
    foreground="vessels",
    licence="CC BY 4.0",
    citation=(
        "Budai, Bock, Maier, Hornegger, Michelson: Robust Vessel Segmentation in Fundus Images. "
        "International Journal of Biomedical Imaging, 2013, article 154860."
    ),
    notes=(
        "The capture times suggest about 28 sittings rather than 45 independent people (two photographs less than 15 "
        "minutes apart are one sitting). Random folds can put two eyes of one person on both sides; grouped folds do "
        "not. This is an inference, not a statement of the authors.",
        "The area of the expert's vessel mask alone tells healthy from diseased eyes almost perfectly (AUC 0.98), but "
        "not diabetic retinopathy from glaucoma (AUC 0.51).",
        "JPEG compression and capture dates differ by class: 12 of 15 files of diabetic retinopathy exceed 1.5 MB, "
        "against 5 healthy and 8 with glaucoma, and only diabetic retinopathy reaches beyond March 2007. A network "
        "may learn the camera's settings instead of the disease.",
        "In some copies of the database the vessel masks 11_h, 12_h and 13_h are not the originals but were rebuilt "
        "from labels of arteries and veins of the same photographs.",
    ),
    survey=partial(fundus.survey, codes=CODES),
    surroundings=True,
    official=Official(
        name="hrf",
        downloads={
            "https://www5.cs.fau.de/fileadmin/research/datasets/fundus-images/all.zip": (
                "a914d02cda161b7f33f25d0397c276d50e9a6cbc705e9b364a54f0adafed57e4"
            )
        },
        max_bytes=100_000_000,
    ),
)
