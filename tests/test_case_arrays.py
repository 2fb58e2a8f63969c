import numpy as np

from cvs_med import case_arrays


def test_a_pixel_is_foreground_where_that_is_more_probable_than_background() -> None:
    background = [[0.6, 0.4, 0.1]]
    pixels = np.array([background, [[0.1, 0.35, 0.2]], [[0.3, 0.25, 0.7]]], dtype=np.float32)
    assert case_arrays.label_map(pixels).tolist() == [[0, 1, 2]]
    kept = case_arrays.of_map(pixels, np.array([[1, 0, 1]], dtype=np.uint8))
    assert kept["label_map"].tolist() == [[0, 0, 2]]
    assert kept["foreground"].tolist() == [[102, 153, 230]]


def test_evidence_and_margin_sum_to_what_they_are_shares_of() -> None:
    shares = np.random.default_rng(0).normal(size=(3, 8, 8)).astype(np.float32)
    scores = shares.sum(axis=(1, 2), dtype=np.float64)
    kept = case_arrays.of_evidence(shares, scores)
    first, second, _ = np.sort(scores)[::-1]
    np.testing.assert_allclose([kept["evidence"].sum(), kept["score"]], first, rtol=1e-5)
    np.testing.assert_allclose([kept["margin"].sum(), kept["margin_sum"]], first - second, rtol=1e-4)
    assert scores[kept["rival"]] == second
