"""What one operator costs that has next to nothing to do."""

from lab.bench.case import NotHere, Workload, axis, benchmark


def _held(device: str, mode: str) -> int:
    return 4


@benchmark(
    memory_bytes=_held,
    mode=axis("back_to_back", accelerator=("back_to_back", "round_trip")),
)
def launch(device: str, mode: str) -> Workload:
    """Change the sign of one number in place: the cost of an operator before it has any work.

    On a CPU that is the way from Python to the loop. On an accelerator it is `back_to_back` what
    launching a kernel takes while earlier ones still run, and `round_trip` the time from a launch
    until the host knows that it is done: of all cases this one alone waits for the device in its
    call, as the wait is what it measures.

    No FLOP or bytes are given: both are nothing beside the launch.
    """
    import torch

    number = torch.rand((), device=device)
    if mode == "back_to_back":
        return Workload(run=number.neg_)
    if device == "cpu":
        raise NotHere("On a CPU an operator is done when its call returns: back_to_back tells all.")

    def round_trip() -> None:
        number.neg_()
        torch.accelerator.synchronize(device)

    return Workload(run=round_trip)
