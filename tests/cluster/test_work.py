"""What each node's job is told, from what was typed."""

from lab.cluster_work import bench_words
from lab.launch import Wish
from lab.measure import Order


def test_every_choice_reaches_the_nodes() -> None:
    order = Order(
        where=Wish(), only="matmul,memory", level="full", sizes=(256, 512), dtypes=("float32",),
        budget_s=12.5, precision_percent=2.0, threads=3, seed=9,
    )  # fmt: skip
    assert bench_words(order, "cuda", 1) == (
        "bench", "--engine", "host", "--device", "cuda", "--full", "--only", "matmul,memory",
        "--size", "256,512", "--dtype", "float32", "--budget", "12.5", "--precision", "2",
        "--threads", "3", "--seed", "9",
    )  # fmt: skip


def test_all_nodes_have_one_seed_also_where_none_was_asked_for() -> None:
    assert bench_words(Order(where=Wish()), "cpu", 1234)[-2:] == ("--seed", "1234")
