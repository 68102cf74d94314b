"""What a GPU has several of: fans, NVLinks, MIG instances, processes."""

import ctypes
from typing import Any

from lab.gpu.ask import Device
from lab.gpu.fields import FIELDS, Call
from lab.gpu.owners import owner
from lab.gpu.reasons import reason_of

_MOST_LINKS, _MOST_FANS, _MOST_INSTANCES = 36, 32, 64  # the first is nvml.h's own bound
_NO_INSTANCE = 0xFFFFFFFF
_REMOTE = {0: "gpu", 1: "ibm_npu", 2: "switch"}
# NVML_NVLINK_VERSION_* of nvml.h.
_LINK_VERSIONS = {
    1: "1.0", 2: "2.0", 3: "2.2", 4: "3.0", 5: "3.1", 6: "4.0", 7: "5.0", 8: "6.0",
}  # fmt: skip
_LINK_ERRORS = {"replay": 0, "recovery": 1, "crc_flit": 2, "crc_data": 3}
_PROCESS_KINDS = {"compute": "Compute", "graphics": "Graphics", "mps": "MPSCompute"}
_INSTANCE_FIELDS = tuple(
    field for field in FIELDS if field.name in ("uuid", "memory_total_bytes", "memory_used_bytes")
)
_MEMORY_TEMPERATURE = 82  # NVML_FI_DEV_MEMORY_TEMP


def read_fans(device: Device) -> None:
    """Speed of each fan in percent of its maximum; a GPU without any has an empty list."""
    count, reason = device.ask(("nvmlDeviceGetNumFans",))
    if reason:  # before driver 510 there is no count; one fan then answers for all
        device.put("fan_percent", (("nvmlDeviceGetFanSpeed",),), lambda speed: [speed])
        return
    speeds, why = [], ""
    for fan in range(min(count, _MOST_FANS)):
        speed, why = device.ask(("nvmlDeviceGetFanSpeed_v2", fan))
        if why:
            break
        speeds.append(speed)
    _put(device, "fan_percent", speeds, why)


def read_memory_temperature(device: Device) -> None:
    """Temperature of the memory in degrees Celsius, where it has a sensor."""
    call: Call = ("nvmlDeviceGetFieldValues", (_MEMORY_TEMPERATURE,))
    answer, reason = device.ask(call)
    if not reason and answer[0].nvmlReturn != 0:
        reason = reason_of(answer[0].nvmlReturn)
    _put(device, "memory_temperature_c", None if reason else answer[0].value.uiVal, reason)


def read_sram(device: Device) -> None:
    """Whether the errors of the on-chip memory passed the bound at which NVIDIA replaces a GPU."""
    structure = getattr(device.nvml, "c_nvmlEccSramErrorStatus_v1_t", None)
    if structure is None:
        device.missing["sram_threshold_exceeded"] = "too_old"
        return
    status = structure()
    device.put(
        "sram_threshold_exceeded",
        (("nvmlDeviceGetSramEccErrorStatus", ctypes.byref(status)),),
        lambda _: bool(status.bThresholdExceeded),
    )


def read_links(device: Device) -> None:
    """Each NVLink: whether it is up, what is at its other end, its error counters."""
    links: list[dict[str, Any]] = []
    for number in range(_MOST_LINKS):
        state, reason = device.ask(("nvmlDeviceGetNvLinkState", number))
        if reason:
            if reason not in ("not_supported",) or not links:
                device.missing["nvlinks"] = reason
            break
        links.append(_link(device, number, bool(state)))
    if "nvlinks" not in device.missing or links:
        device.values["nvlinks"] = links


def _link(device: Device, number: int, active: bool) -> dict[str, Any]:
    link: dict[str, Any] = {"link": number, "active": active}
    version, reason = device.ask(("nvmlDeviceGetNvLinkVersion", number))
    if not reason:
        link["version"] = _LINK_VERSIONS.get(version, str(version))
    if not active:
        return link
    remote, reason = device.ask(("nvmlDeviceGetNvLinkRemoteDeviceType", number))
    if not reason:
        link["remote"] = _REMOTE.get(remote, "unknown")
    info, reason = device.ask(("nvmlDeviceGetNvLinkRemotePciInfo", number))
    if not reason:
        link["remote_pci_bus_id"] = _text(info.busId)
    for name, counter in _LINK_ERRORS.items():
        count, reason = device.ask(("nvmlDeviceGetNvLinkErrorCounter", number, counter))
        if not reason:
            link[f"{name}_errors"] = count
    return link


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def read_instances(device: Device) -> list[Device]:
    """The MIG instances of a GPU; returns each as a device, for its processes.

    Their values go into the list `mig_instances` of the GPU.
    """
    found: list[Device] = []
    described = []
    count, reason = device.ask(("nvmlDeviceGetMaxMigDeviceCount",))
    for index in range(0 if reason else min(count, _MOST_INSTANCES)):
        handle, why = device.ask(("nvmlDeviceGetMigDeviceHandleByIndex", index))
        if why:  # a slot without an instance
            reason = why if why not in ("not_supported",) else reason
            continue
        instance = Device(device.nvml, handle)
        found.append(instance)
        described.append(_instance(instance))
    _put(device, "mig_instances", described, reason)
    return found


def _instance(instance: Device) -> dict[str, Any]:
    instance.read(_INSTANCE_FIELDS)
    ids = {"gpu_instance": "nvmlDeviceGetGpuInstanceId",
           "compute_instance": "nvmlDeviceGetComputeInstanceId"}  # fmt: skip
    for name, call in ids.items():
        instance.put(name, ((call,),), int)
    instance.put(
        "multiprocessors", (("nvmlDeviceGetAttributes_v2",),), lambda a: a.multiprocessorCount
    )
    instance.put("profile", (("nvmlDeviceGetName",),), _profile)
    return {**instance.values, "missing": dict(instance.missing)}


def _profile(name: Any) -> str | None:
    """`1g.10gb` in "NVIDIA H100 80GB HBM3 MIG 1g.10gb"."""
    _, mark, profile = _text(name).partition(" MIG ")
    return profile if mark else None


def read_processes(device: Device, instances: list[Device]) -> None:
    """Who uses a GPU and its instances, with memory, and who they are on this system."""
    rows: dict[tuple[int, int | None], dict[str, Any]] = {}
    reason = ""
    for kind, name in _PROCESS_KINDS.items():
        for asked in (device, *instances):
            answer, why = asked.ask(
                # By their versions: without one nvidia-ml-py gives up where the newest is missing.
                (f"nvmlDeviceGet{name}RunningProcesses_v3",),
                (f"nvmlDeviceGet{name}RunningProcesses_v2",),  # drivers before 510
            )
            reason = reason or (why if kind == "compute" and asked is device else "")
            for process in answer or ():
                row = _process(process, kind) | _place(asked)
                rows.setdefault((row["pid"], row.get("gpu_instance")), row)
    used = _utilization(device)
    for (pid, _), row in rows.items():
        row.update(owner(pid))
        if pid in used:
            row["sm_percent"] = used[pid]
    _put(device, "processes", list(rows.values()), "" if rows else reason)


def _process(process: Any, kind: str) -> dict[str, Any]:
    row = {"pid": process.pid, "kind": kind}
    if process.usedGpuMemory is not None:
        row["memory_bytes"] = process.usedGpuMemory
    for name, number in (
        ("gpu_instance", getattr(process, "gpuInstanceId", None)),
        ("compute_instance", getattr(process, "computeInstanceId", None)),
    ):
        if number not in (None, _NO_INSTANCE):
            row[name] = number
    return row


def _place(device: Device) -> dict[str, Any]:
    """The instance that was asked: its own processes do not all say where they run."""
    names = ("gpu_instance", "compute_instance")
    return {name: device.values[name] for name in names if name in device.values}


def _utilization(device: Device) -> dict[int, int]:
    """Share of the multiprocessors' time that each process had last; nobody is an error for
    NVML."""
    samples, _ = device.ask(("nvmlDeviceGetProcessUtilization", 0))
    newest: dict[int, Any] = {}
    for sample in samples or ():
        if sample.pid not in newest or newest[sample.pid].timeStamp < sample.timeStamp:
            newest[sample.pid] = sample
    return {pid: sample.smUtil for pid, sample in newest.items() if sample.smUtil <= 100}


def _put(device: Device, name: str, value: Any, reason: str) -> None:
    if reason:
        device.missing[name] = reason
    elif value is not None:
        device.values[name] = value
