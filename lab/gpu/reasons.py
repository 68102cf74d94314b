"""Why there is no value, by NVML's errors, and what is done about those of a whole GPU."""

DMESG = "sudo dmesg | grep -i -e nvrm -e xid"

# What an error code of nvml.h says of one value. Of a whole GPU only those in `CONDITIONS` do.
REASONS = {
    3: "not_supported",
    4: "no_permission",
    6: "not_supported",  # "not found": no such link, instance or sample on this GPU
    8: "insufficient_power",
    10: "no_answer",
    11: "irq_issue",
    13: "too_old",
    14: "corrupted_inforom",
    15: "lost",
    16: "reset_required",
    17: "operating_system",
    22: "not_supported",  # ECC under a vGPU
    25: "too_old",
    26: "not_supported",
    28: "lost",  # "GPU not found", on a handle that was one
}
# Reasons that speak of the whole GPU, worst first.
CONDITIONS = (
    "lost",
    "reset_required",
    "insufficient_power",
    "irq_issue",
    "operating_system",
    "corrupted_inforom",
)
_NOT_HERE = (2, 3, 13, 25, 26)  # an argument, a function or a version that a driver lacks
# What is done about an error that NVML gives for a whole machine or a whole GPU.
REMEDIES = {
    "insufficient_power": (
        "its power cables do not deliver what it needs",
        "shut down, and connect every auxiliary power plug of the GPU",
    ),
    "irq_issue": (
        "the kernel does not get its interrupts",
        f"{DMESG}; reboot; update the BIOS if it stays",
    ),
    "corrupted_inforom": (
        "the GPU's own store of settings and error counts is damaged",
        "reboot; if it stays, have the GPU replaced",
    ),
    "lost": (
        "it fell off the bus (XID 79): heat, power, or a loose or broken card or riser",
        f"{DMESG}; switch the machine off and on; if it comes again, reseat or replace the GPU",
    ),
    "reset_required": (
        "after an error it works again only when it is reset",
        "end its programs, then sudo nvidia-smi --gpu-reset -i {index}; or reboot",
    ),
    "operating_system": (
        "the operating system or a control group blocks the driver",
        f"{DMESG}; see the limits of the job or the container (device cgroup)",
    ),
    "no_answer": (
        "the driver hangs in this call",
        f"{DMESG}; end the GPU's programs; if it stays, reboot",
    ),
    "unknown": ("the driver answers with an error that it does not explain", f"{DMESG}; reboot"),
}


def reason_of(code: int) -> str:
    """Why there is no value, by NVML's error code; `unknown` for the rest."""
    return REASONS.get(code, "not_supported" if code in _NOT_HERE else "unknown")
