"""What else than the disease could lie behind a result: what the audit found, images seen twice, labels in doubt."""

from cvs_med.report import audit as audits
from cvs_med.report import doubts, words
from cvs_med.report.document import Block, Heading, Table, Text
from cvs_med.report.facts import Facts
from cvs_med.report.kept_audit import KeptAudit, KeptFinding


def audited(facts: Facts) -> list[Block]:
    """Say whether the label can be guessed without the disease."""
    heading = Heading("Can the label be guessed without the disease?")
    audit = facts.audit
    if audit is None:
        unknown = (
            "Not known: the data set was not audited for shortcuts. The command "
            f"cvs-med audit --dataset {facts.dataset.name} with --out and this run's folder audits it, and the next "
            "report shows what it found."
        )
        return [heading, Text(unknown, "notice")]
    rows = tuple(_probe(each) for each in audit.findings if each.right is not None)
    marked = frozenset(n for n, each in enumerate(audit.findings) if each.grade in ("found", "carrier"))
    header = ("probe", "right", "grade", "in words")
    table = Table("What the shortcut audit found, the surest first", header, rows, marked, prose=True)
    suspects = [Text(audits.SUSPECT)] if audit.graded("suspect") else []
    caveat = [Text(said) for said in audit.sentences[-1:]]
    return [heading, Text(_introduction(audit)), table, *suspects, Text(_twice(facts, audit)), *caveat]


def doubted(facts: Facts) -> list[Block]:
    """List the images whose label the out-of-fold answers contradict."""
    blocks: list[Block] = [Heading("Labels that the answers contradict"), Text(doubts.told(facts.doubts))]
    if facts.doubts.found:
        blocks.append(Table(doubts.caption(facts.doubts), doubts.HEADER, doubts.rows(facts.doubts)))
    return blocks


def _introduction(audit: KeptAudit) -> str:
    found = len(audit.graded("found"))
    asked = sum(each.right is not None for each in audit.findings)
    count = f"{found} of {asked} probes were" if found > 1 else f"{found or 'None'} of {asked} probes was"
    carriers = words.listed([each.probe for each in audit.graded("carrier")])
    carried = f" A carrier follows the date or the camera into the pixels: {carriers}." if carriers else ""
    return (
        f"{count} shown to guess the label better than chance.{carried} Each probe sees one thing that is not the "
        f"disease, or need not be, and guesses the class in {audit.folds} {audit.splits} folds; p is held against "
        f"{audit.permutations} permutations and corrected by Holm. What a probe of the pixels can use (colour, "
        "sharpness, geometry, border), a network can use too: a result that is no better than the best of these is no "
        "evidence that the disease was seen. Masks of tested images, dates, cameras and files are not given to the "
        "network; what differs with them, such as light or compression, may still be in its pixels."
    )


def _probe(finding: KeptFinding) -> tuple[str, ...]:
    ends = f"{100 * (finding.low or 0):.0f} to {100 * (finding.high or 0):.0f} %"
    right = f"{finding.right} of {finding.cases}\n{ends}"
    grade = finding.grade if finding.p_corrected is None else f"{finding.grade}\n{words.p(finding.p_corrected)}"
    return finding.probe, right, grade, finding.verdict


def _twice(facts: Facts, audit: KeptAudit) -> str:
    """Say which images are nearly the same, and how many such pairs the folds of this run part."""
    said = audits.told_duplicates(audit.duplicates)
    folds = {p.case_id: p.fold for p in facts.predictions}
    parted = sum(folds.get(pair.first) != folds.get(pair.second) for pair in audit.duplicates)
    if not audit.duplicates:
        return said
    return f"{said} This run's folds part {parted} of these: there, one image was learnt from and the other tested."
