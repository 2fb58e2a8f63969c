"""Functions in turn."""

from collections.abc import Callable

from cvs_med.benchmark import rounds


def test_rounds_alternate_and_the_first_one_warms_up() -> None:
    order: list[str] = []
    functions: list[Callable[[], None]] = [lambda: order.append("a"), lambda: order.append("b")]
    seconds = rounds.alternate(functions, 2)
    assert order == ["a", "b"] * 3
    assert [len(times) for times in seconds] == [2, 2]
