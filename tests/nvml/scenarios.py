"""Machines: each function returns a scenario that a test may change before it puts it in place."""

import copy
from typing import Any

Scenario = dict[str, Any]

GIB = 1 << 30
IDLE, POWER_CAP, HW_SLOWDOWN, SW_THERMAL, HW_THERMAL, POWER_BRAKE = 0x1, 0x4, 0x8, 0x20, 0x40, 0x80
# What driver 470 does not have of what is read here; it lists processes in their second version.
OLD_DRIVER_OMITS = (
    "nvmlDeviceGetMemoryInfo_v2",
    "nvmlDeviceGetTemperatureV",
    "nvmlDeviceGetCurrentClocksEventReasons",
    "nvmlDeviceGetSupportedClocksEventReasons",
    "nvmlDeviceGetComputeRunningProcesses_v3",
    "nvmlDeviceGetGraphicsRunningProcesses_v3",
    "nvmlDeviceGetMPSComputeRunningProcesses_v3",
    "nvmlDeviceGetSramEccErrorStatus",
    "nvmlDeviceGetNumFans",
    "nvmlDeviceGetPcieSpeed",
    "nvmlDeviceGetNumGpuCores",
    "nvmlDeviceGetMemoryBusWidth",
    "nvmlDeviceGetNumaNodeId",
)


def machine(*gpus: dict[str, Any], driver: str = "580.65.06", cuda: int = 13000) -> Scenario:
    return {
        "driver_version": driver, "nvml_version": f"13.{driver}", "cuda_version": cuda,
        "gpus": list(gpus),
    }  # fmt: skip


def h100(index: int = 0, *, busy: bool = False) -> dict[str, Any]:
    """An H100 of an eight-GPU board, as its NVML tells it."""
    used = 41 * GIB if busy else 600 << 20
    processes = [{"pid": 4700 + index, "usedGpuMemory": 40 * GIB}] if busy else []
    return {
        "Name": "NVIDIA H100 80GB HBM3",
        "UUID": f"GPU-5f7c1a2e-0000-4000-8000-00000000000{index:x}",
        "Serial": f"16520230012{index:02d}",
        "MinorNumber": index,
        "Brand": 14,
        "Architecture": 9,
        "CudaComputeCapability": [9, 0],
        "PciInfo": {"busId": f"00000000:{0x1B + 0x10 * index:02X}:00.0",
                    "pciDeviceId": 0x233010DE, "pciSubSystemId": 0x16C110DE},
        "VbiosVersion": "96.00.61.00.01",
        "NumaNodeId": index // 4,
        "CpuAffinity": list(range(56 * (index // 4), 56 * (index // 4) + 56)),
        "NumGpuCores": 16896,
        "MemoryInfo": {"total": 80 * GIB, "used": used, "reserved": 400 << 20},
        "BAR1MemoryInfo": {"total": 128 * GIB, "used": 1 * GIB},
        "UtilizationRates": {"gpu": 98 if busy else 0, "memory": 61 if busy else 0},
        "EncoderUtilization": {"utilization": 0, "period": 167000},
        "DecoderUtilization": {"utilization": 0, "period": 167000},
        "Temperature": (62 if busy else 31) + index % 3,
        "TemperatureThreshold": {"shutdown": 92, "slowdown": 89, "gpu_max": 87, "mem_max": 95},
        "FieldValues": {"82": 70 if busy else 40},
        "PowerUsage": 655_250 if busy else 70_500 + 100 * index,
        "PowerManagementMode": 1,
        "PowerManagementLimit": 700_000,
        "PowerManagementDefaultLimit": 700_000,
        "PowerManagementLimitConstraints": {"min": 200_000, "max": 700_000},
        "EnforcedPowerLimit": 700_000,
        "TotalEnergyConsumption": 8_123_456_789 + index,
        "PowerState": 0,
        "PerformanceState": 0,
        "ClockInfo": {"graphics": 1755, "sm": 1755, "mem": 2619, "video": 1365} if busy
        else {"graphics": 345, "sm": 345, "mem": 2619, "video": 765},
        "MaxClockInfo": {"graphics": 1980, "sm": 1980, "mem": 2619, "video": 1545},
        "CurrentClocksEventReasons": POWER_CAP if busy else IDLE,
        "ViolationStatus": {"power": 12_000_000_000, "thermal": 0},
        "CurrPcieLinkGeneration": 5 if busy else 1,
        "MaxPcieLinkGeneration": 5,
        "CurrPcieLinkWidth": 16,
        "MaxPcieLinkWidth": 16,
        "PcieReplayCounter": 0,
        "PcieThroughput": {"tx": 1200, "rx": 3400},
        "EccMode": {"current": 1, "pending": 1},
        "TotalEccErrors": {"corrected": {"volatile": 0, "aggregate": 3},
                           "uncorrected": {"volatile": 0, "aggregate": 0}},
        "SramEccErrorStatus": {"bThresholdExceeded": 0},
        "RemappedRows": {"corrected": 0, "uncorrected": 0, "pending": 0, "failure": 0},
        "PersistenceMode": 1,
        "ComputeMode": 0,
        "DisplayMode": 0,
        "DisplayActive": 0,
        "FanSpeed": [],
        "MigMode": {"current": 0, "pending": 0},
        "MaxMigDeviceCount": 7,
        "MigDevices": [],
        "NvLinks": [
            {"state": 1, "version": 6, "remote_type": 2,
             "remote": {"busId": f"00000000:{0xA0 + link % 4:02X}:00.0"},
             "errors": {"replay": 0, "recovery": 0, "crc_flit": 0, "crc_data": 0}}
            for link in range(18)
        ],
        "ComputeRunningProcesses": processes,
        "GraphicsRunningProcesses": [],
        "MPSComputeRunningProcesses": [],
        "ProcessUtilization": [
            {"pid": p["pid"], "smUtil": 97, "memUtil": 60, "encUtil": 0, "decUtil": 0,
             "timeStamp": 1_700_000_000_000_000} for p in processes
        ],
    }  # fmt: skip


def healthy(count: int = 8) -> Scenario:
    """H100s, of which the first half is at work."""
    return machine(*(h100(index, busy=index < count // 2) for index in range(count)))


def consumer() -> Scenario:
    """One card of a desktop: fans, a display, no ECC, no NVLink, its link asleep."""
    gpu = h100(busy=False)
    for key in ("Serial", "EccMode", "TotalEccErrors", "SramEccErrorStatus", "RemappedRows",
                "MigMode", "MaxMigDeviceCount", "MigDevices", "NvLinks", "NumaNodeId",
                "FieldValues", "ViolationStatus"):  # fmt: skip
        del gpu[key]
    gpu |= {
        "Name": "NVIDIA GeForce RTX 4090", "UUID": "GPU-cafe4090-0000-4000-8000-000000000001",
        "CudaComputeCapability": [8, 9], "VbiosVersion": "95.02.3C.00.8C",
        "MemoryInfo": {"total": 24564 << 20, "used": 812 << 20, "reserved": 370 << 20},
        "UtilizationRates": {"gpu": 3, "memory": 1}, "FanSpeed": [0, 0], "Temperature": 41,
        "TemperatureThreshold": {"shutdown": 99, "slowdown": 96, "gpu_max": 90},
        "PowerUsage": 22_310, "EnforcedPowerLimit": 450_000, "PowerManagementLimit": 450_000,
        "PowerManagementDefaultLimit": 450_000,
        "PowerManagementLimitConstraints": {"min": 10_000, "max": 600_000},
        "PerformanceState": 8, "CurrPcieLinkWidth": 8, "MaxPcieLinkGeneration": 4,
        "PersistenceMode": 0, "DisplayMode": 1, "DisplayActive": 1,
        "GraphicsRunningProcesses": [{"pid": 1801, "usedGpuMemory": 420 << 20}],
    }  # fmt: skip
    return machine(gpu)


def unified_memory() -> Scenario:
    """A GB10, whose GPU has no memory of its own."""
    gpu = h100(busy=False)
    for key in ("MemoryInfo", "BAR1MemoryInfo", "EccMode", "TotalEccErrors", "RemappedRows",
                "NvLinks", "MigMode", "MaxMigDeviceCount", "MigDevices", "FieldValues",
                "PowerManagementLimit", "PowerManagementDefaultLimit", "EnforcedPowerLimit",
                "PowerManagementLimitConstraints"):  # fmt: skip
        del gpu[key]
    gpu |= {"Name": "NVIDIA GB10", "CudaComputeCapability": [12, 1]}
    return machine(gpu)


def mig() -> Scenario:
    """An H100 that is cut into instances: two are there, one of their slots is empty."""
    gpu = h100(busy=True)
    del gpu["UtilizationRates"]
    instance = {
        "Name": "NVIDIA H100 80GB HBM3 MIG 3g.40gb", "MemoryInfo": {"total": 40 * GIB, "used": GIB},
        "GpuInstanceId": 1, "ComputeInstanceId": 0, "Attributes": {"multiprocessorCount": 60},
        "UUID": "MIG-1d1f2a00-0000-5000-8000-000000000001",
        "ComputeRunningProcesses": [{"pid": 4711, "usedGpuMemory": GIB}],
    }  # fmt: skip
    small = copy.deepcopy(instance) | {
        "Name": "NVIDIA H100 80GB HBM3 MIG 1g.10gb", "GpuInstanceId": 9,
        "MemoryInfo": {"total": 10 * GIB, "used": 0}, "ComputeRunningProcesses": [],
        "UUID": "MIG-1d1f2a00-0000-5000-8000-000000000002",
        "Attributes": {"multiprocessorCount": 16},
    }  # fmt: skip
    gpu |= {"MigMode": {"current": 1, "pending": 1}, "MigDevices": [instance, None, small],
            "ComputeRunningProcesses": []}  # fmt: skip
    return machine(gpu)


def old_driver() -> Scenario:
    """A T4 under driver 470; the library is to be built without OLD_DRIVER_OMITS."""
    gpu = consumer()["gpus"][0]
    gpu |= {"Name": "Tesla T4", "CudaComputeCapability": [7, 5], "DisplayActive": 0,
            "MemoryInfo": {"total": 15360 << 20, "used": 100 << 20},
            "RetiredPages": {"single_bit": [4096], "double_bit": []},
            "RetiredPagesPendingStatus": 0, "GraphicsRunningProcesses": [], "FanSpeed": [],
            "ComputeRunningProcesses": [{"pid": 99, "usedGpuMemory": 50 << 20}]}  # fmt: skip
    return machine(gpu, driver="470.256.02", cuda=11040)


def refusing(function: str, code: int) -> Scenario:
    """A driver of which one function always gives an error."""
    return healthy(1) | {"calls": {function: {"error": code}}}


def sick() -> Scenario:
    """Eight H100s at work, each with another fault."""
    gpus = [h100(index, busy=True) for index in range(8)]
    gpus[0]["calls"] = {"*": {"error": 15}, "nvmlDeviceGetHandleByIndex": {}}
    gpus[1] |= {"CurrentClocksEventReasons": HW_THERMAL | HW_SLOWDOWN, "Temperature": 91}
    gpus[1]["ClockInfo"]["sm"] = 990
    gpus[2] |= {"CurrPcieLinkGeneration": 1, "CurrPcieLinkWidth": 8}
    gpus[3]["RemappedRows"] = {"corrected": 0, "uncorrected": 5, "pending": 0, "failure": 1}
    gpus[4]["TotalEccErrors"]["uncorrected"] = {"volatile": 2, "aggregate": 2}
    for link in (3, 4, 5):
        gpus[5]["NvLinks"][link]["state"] = 0
    gpus[6]["CurrentClocksEventReasons"] = POWER_BRAKE | HW_SLOWDOWN
    gpus[7] |= {"EnforcedPowerLimit": 350_000, "PowerManagementLimit": 350_000}
    return machine(*gpus)


def well() -> dict[str, Scenario]:
    """The machines without a fault, by name."""
    return {
        "healthy": healthy(), "one": healthy(1), "consumer": consumer(),
        "unified_memory": unified_memory(), "mig": mig(),
    }  # fmt: skip
