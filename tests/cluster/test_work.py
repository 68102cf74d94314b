"""What each node's job is told, from what was typed."""

from lab.autograd_command import parse_order
from lab.cluster.site import Site
from lab.cluster_place import Place
from lab.cluster_work import autograd_work, bench_words, bench_work
from lab.launch import Wish
from lab.measure import Order


def test_every_choice_reaches_the_nodes() -> None:
    order = Order(
        where=Wish(), only="matmul,memory", level="full", sizes=(256, 512), dtypes=("float32",),
        budget_s=12.5, precision_percent=2.0, threads=3, seed=9,
    )  # fmt: skip
    assert bench_words(order, Place(engine="host", device="cuda"), 1) == (
        "bench", "--engine", "host", "--device", "cuda", "--full", "--only", "matmul,memory",
        "--size", "256,512", "--dtype", "float32", "--budget", "12.5", "--precision", "2",
        "--threads", "3", "--seed", "9",
    )  # fmt: skip


def test_all_nodes_have_one_seed_also_where_none_was_asked_for() -> None:
    place = Place(engine="host", device="cpu")
    assert bench_words(Order(where=Wish()), place, 1234)[-2:] == ("--seed", "1234")


def test_all_kinds_of_work_with_torch_run_in_the_image() -> None:
    words = ("--engine", "apptainer", "--image", "/lab.sif", "--device", "cpu")
    where = Wish(engine="apptainer", image="/lab.sif", device="cpu")
    measured = bench_work(Order(where=where), Site())
    checked = autograd_work(
        parse_order(
            where, only="", target="", shapes="", order="", budget="", seed="", language="",
            variables={},
        ),
        Site(),
    )  # fmt: skip
    for work in (measured, checked):
        assert work.words[1:7] == words
        assert work.place is not None
