"""How far readers agree with the model, with one another and with the reference; and the files to take away."""

import streamlit as st

from cvs_med.report import words
from cvs_med.review import exports, summary
from cvs_med.review.summary import Comparison, Reader
from screens import session


def show() -> None:
    """Show the summary of all readers."""
    run, store = session.run(), session.store()
    listed = session.rows()
    answers = store.answers(run.digest)
    if not session.admin():
        answers = [answer for answer in answers if answer.reader == session.reader()]
    done = all(row.done for row in listed)
    st.markdown("#### Summary")
    if not answers:
        st.info("Nobody has answered yet.")
        return
    unhidden = not session.blinded() or done
    if not unhidden:
        st.markdown("You read blinded: the comparison with the reference appears when you have answered all cases.")
    found = summary.summarise(run, answers, with_reference=unhidden)
    st.dataframe([_reader(reader, len(run.ids)) for reader in found.readers], hide_index=True)
    st.markdown("##### Agreement")
    st.dataframe([_comparison(comparison) for comparison in found.comparisons], hide_index=True)
    st.markdown(
        "Cohen's kappa: 1 is full agreement, 0 what chance gives. Cases on which a reader could not tell are left out."
    )
    _matrix(found.comparisons)
    if unhidden and session.admin():
        _downloads()


def _reader(reader: Reader, cases: int) -> dict[str, object]:
    return {
        "Reader": reader.name,
        "Answered": f"{reader.answered} of {cases}",
        "Agreed": reader.agreed,
        "Other diagnosis": reader.other,
        "Cannot tell": reader.cannot_tell,
        "Seconds a case (median)": None if reader.seconds is None else round(reader.seconds),
    }


def _comparison(comparison: Comparison) -> dict[str, object]:
    return {
        "Who": comparison.first,
        "Compared with": comparison.second,
        "Same class": words.sentence(comparison.agreement, "cases"),
        "Cohen's kappa": exports.kappa(comparison),
    }


def _matrix(comparisons: tuple[Comparison, ...]) -> None:
    if not comparisons:
        return
    names = [f"{comparison.first} and {comparison.second}" for comparison in comparisons]
    number = st.selectbox("Confusion of", range(len(names)), format_func=lambda n: names[n])
    chosen, classes = comparisons[number], session.run().class_names
    table: dict[str, list[object]] = {f"{chosen.first} (rows)": list(classes)}
    for column, name in enumerate(classes):
        table[f"{chosen.second}: {name}"] = [row[column] for row in chosen.matrix]
    st.dataframe(table, hide_index=True)


def _downloads() -> None:
    run, store = session.run(), session.store()
    csv, json, pdf = st.columns(3)
    csv.download_button(
        "Answers (CSV)", lambda: exports.as_csv(store.answers(run.digest)), f"{run.name}-answers.csv", "text/csv"
    )
    json.download_button("Everything (JSON)", lambda: exports.as_json(run, store), f"{run.name}-reviews.json")
    pdf.download_button(
        "Summary (PDF)",
        lambda: exports.as_pdf(run, summary.summarise(run, store.answers(run.digest))),
        f"{run.name}-summary.pdf",
        "application/pdf",
    )
