"""Labels in doubt, in words and as a table: a report and an audit tell them alike."""

from cvs_med.evaluation.doubts import Doubts

MOST = 20
"""Labels in doubt that are listed; all of them are in the JSON file."""

HEADER = ("image", "label", "probability")

NOT_ASKED = (
    "Labels in doubt were not looked for: what doubts a label must see the disease, as no probe here may. Name a "
    "finished run of this data set with --run, and its answers are held against the labels."
)


def told(doubts: Doubts) -> str:
    """Say how many labels are in doubt, and what that is worth."""
    return (
        f"{len(doubts.found)} of {doubts.cases} labels are contradicted by the answers: another class is as probable "
        "as it is for the images that carry its label, in the mean, and the label is not the answer (confident "
        f"learning, by networks that had not seen the image and are right in {doubts.right}). Such a doubt may be the "
        "method's mistake as well as the label's, and where the method is right in few it mostly is the method's: look "
        "at the images. No label was changed and no image left out."
    )


def caption(doubts: Doubts) -> str:
    """Head the table of the labels in doubt."""
    many = f" ({MOST} of {len(doubts.found)}; the rest in the JSON file)" if len(doubts.found) > MOST else ""
    return f"Labels in doubt, with their probability, the least probable first{many}"


def rows(doubts: Doubts) -> tuple[tuple[str, ...], ...]:
    """Give image, label with the answer below it, and the label's probability."""
    listed = doubts.found[:MOST]
    return tuple((each.case, f"{each.label}\nrather {each.answer}", f"{each.probability:.3f}") for each in listed)
