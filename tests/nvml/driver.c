/* A simulated libnvidia-ml.so.1: NVML's functions, answered from a scenario file (library.py says what
 * is in it). A value that the scenario does not have is "not supported", as on a GPU without it.
 * Layouts and numbers are those of NVML's public interface, as nvidia-ml-py declares them. */
#include "scenario.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

typedef unsigned int u32;
typedef unsigned long long u64;

#define ENTER(device) \
  do { \
    Code planted = scenario_enter(__func__, device); \
    if (planted != SUCCESS) return planted; \
    if (!started) return UNINITIALIZED; \
  } while (0)
/* A call whose handle may be nobody's. */
#define ENTER_DEVICE(device) \
  do { \
    if (!is_handle(device)) return INVALID_ARGUMENT; \
    ENTER(device); \
  } while (0)

static int started;
static Device devices[MOST_GPUS][MOST_INSTANCES + 1]; /* the GPU, then its instances */

static int is_handle(const Device *device) {
  return device >= &devices[0][0] && device <= &devices[MOST_GPUS - 1][MOST_INSTANCES];
}

static Device *handle(int gpu, int instance) {
  Device *device = &devices[gpu][instance + 1];
  device->gpu = gpu;
  device->instance = instance;
  return device;
}

static Code get_u32(const Device *device, const char *path, u32 *out) {
  double value;
  if (!out) return INVALID_ARGUMENT;
  if (!scenario_number(device, path, &value)) return NOT_SUPPORTED;
  *out = value < 0 ? (u32)(int)value : (u32)(u64)value;
  return SUCCESS;
}

static Code get_u64(const Device *device, const char *path, u64 *out) {
  double value;
  if (!out) return INVALID_ARGUMENT;
  if (!scenario_number(device, path, &value)) return NOT_SUPPORTED;
  *out = value < 0 ? 0 : (u64)value;
  return SUCCESS;
}

static Code get_text(const Device *device, const char *path, char *out, u32 size) {
  if (!out) return INVALID_ARGUMENT;
  return scenario_text(device, path, out, size) ? SUCCESS : NOT_SUPPORTED;
}

static u64 u64_or(const Device *device, const char *path, u64 otherwise) {
  u64 value;
  return get_u64(device, path, &value) == SUCCESS ? value : otherwise;
}

static int gpu_count(void) {
  int count = scenario_length(NULL, "gpus");
  return count < 0 ? 0 : count > MOST_GPUS ? MOST_GPUS : count;
}

/* --- the library and the machine ------------------------------------------------------------------ */

static Code start(const char *function) {
  Code planted = scenario_enter(function, NULL);
  if (planted == SUCCESS) started++;
  return planted;
}
Code nvmlInit(void) { return start("nvmlInit"); }
Code nvmlInit_v2(void) { return start("nvmlInit_v2"); }
Code nvmlInitWithFlags(u32 flags) { (void)flags; return start("nvmlInitWithFlags"); }

Code nvmlShutdown(void) {
  ENTER(NULL);
  started--;
  return SUCCESS;
}

const char *nvmlErrorString(Code code) {
  static const char *words[] = {
      "Success", "Uninitialized", "Invalid Argument", "Not Supported", "Insufficient Permissions",
      "Already Initialized", "Not Found", "Insufficient Size", "Insufficient External Power",
      "Driver Not Loaded", "Timeout", "Interrupt Request Issue", "NVML Shared Library Not Found",
      "Function Not Found", "Corrupted infoROM", "GPU is lost", "GPU requires restart",
      "The operating system has blocked the request.", "RM has detected an NVML/RM version mismatch.",
      "GPU is currently in use"};
  return code >= 0 && code < (int)(sizeof words / sizeof *words) ? words[code] : "Unknown Error";
}

#define SYSTEM_TEXT(name, key) \
  Code name(char *out, u32 size) { ENTER(NULL); return get_text(NULL, key, out, size); }
SYSTEM_TEXT(nvmlSystemGetDriverVersion, "driver_version")
SYSTEM_TEXT(nvmlSystemGetNVMLVersion, "nvml_version")
Code nvmlSystemGetCudaDriverVersion(u32 *out) { ENTER(NULL); return get_u32(NULL, "cuda_version", out); }
Code nvmlSystemGetCudaDriverVersion_v2(u32 *out) { ENTER(NULL); return get_u32(NULL, "cuda_version", out); }

Code nvmlSystemGetProcessName(u32 pid, char *out, u32 size) {
  ENTER(NULL);
  char path[64];
  snprintf(path, sizeof path, "process_names.%u", pid);
  return get_text(NULL, path, out, size) == SUCCESS ? SUCCESS : NOT_FOUND;
}

static Code count_gpus(u32 *out) {
  if (!out) return INVALID_ARGUMENT;
  *out = (u32)gpu_count();
  return SUCCESS;
}
Code nvmlDeviceGetCount(u32 *out) { ENTER(NULL); return count_gpus(out); }
Code nvmlDeviceGetCount_v2(u32 *out) { ENTER(NULL); return count_gpus(out); }

/* --- handles -------------------------------------------------------------------------------------- */

static Code by_index(const char *function, u32 index, Device **out) {
  if (!started) return UNINITIALIZED;
  if (index >= (u32)gpu_count()) return INVALID_ARGUMENT;
  Device *device = handle((int)index, -1);
  Code planted = scenario_enter(function, device);
  if (planted == SUCCESS) *out = device;
  return planted;
}
Code nvmlDeviceGetHandleByIndex(u32 index, Device **out) { return by_index(__func__, index, out); }
Code nvmlDeviceGetHandleByIndex_v2(u32 index, Device **out) { return by_index(__func__, index, out); }

static Code by_text(const char *path, const char *wanted, Device **out) {
  char text[96];
  for (int gpu = 0; gpu < gpu_count(); gpu++) {
    Device *device = handle(gpu, -1);
    if (scenario_text(device, path, text, sizeof text) && !strcmp(text, wanted)) {
      *out = device;
      return SUCCESS;
    }
    for (int i = 0; i < scenario_length(device, "MigDevices") && i < MOST_INSTANCES; i++)
      if (scenario_text(handle(gpu, i), path, text, sizeof text) && !strcmp(text, wanted)) {
        *out = handle(gpu, i);
        return SUCCESS;
      }
  }
  return NOT_FOUND;
}
#define BY_TEXT(name, path) \
  Code name(const char *wanted, Device **out) { ENTER(NULL); return by_text(path, wanted, out); }
BY_TEXT(nvmlDeviceGetHandleByUUID, "UUID")
BY_TEXT(nvmlDeviceGetHandleBySerial, "Serial")
BY_TEXT(nvmlDeviceGetHandleByPciBusId, "PciInfo.busId")
BY_TEXT(nvmlDeviceGetHandleByPciBusId_v2, "PciInfo.busId")

/* --- values of one GPU ---------------------------------------------------------------------------- */

#define TEXT(key) \
  Code nvmlDeviceGet##key(Device *d, char *out, u32 size) { ENTER_DEVICE(d); return get_text(d, #key, out, size); }
#define U32(key) \
  Code nvmlDeviceGet##key(Device *d, u32 *out) { ENTER_DEVICE(d); return get_u32(d, #key, out); }
#define U64(key) \
  Code nvmlDeviceGet##key(Device *d, u64 *out) { ENTER_DEVICE(d); return get_u64(d, #key, out); }
/* Two values of one key. */
#define PAIR(key, first, second) \
  Code nvmlDeviceGet##key(Device *d, u32 *a, u32 *b) { \
    ENTER_DEVICE(d); \
    Code code = get_u32(d, #key "." first, a); \
    return code ? code : get_u32(d, #key "." second, b); \
  }
/* One of several values of one key, chosen by a number. */
#define CHOSEN(key, ...) \
  Code nvmlDeviceGet##key(Device *d, int which, u32 *out) { \
    static const char *names[] = {__VA_ARGS__}; \
    ENTER_DEVICE(d); \
    if (which < 0 || which >= (int)(sizeof names / sizeof *names)) return INVALID_ARGUMENT; \
    char path[64]; \
    snprintf(path, sizeof path, #key ".%s", names[which]); \
    return get_u32(d, path, out); \
  }

TEXT(Name) TEXT(UUID) TEXT(Serial) TEXT(VbiosVersion) TEXT(BoardPartNumber)
TEXT(InforomImageVersion)
U32(MinorNumber) U32(Brand) U32(Architecture) U32(BusType) U32(BoardId) U32(MultiGpuBoard)
U32(NumGpuCores) U32(MemoryBusWidth) U32(PowerState) U32(PerformanceState) U32(PowerUsage)
U32(PowerManagementLimit) U32(PowerManagementDefaultLimit) U32(EnforcedPowerLimit)
U32(PowerManagementMode) U32(CurrPcieLinkGeneration) U32(MaxPcieLinkGeneration)
U32(GpuMaxPcieLinkGeneration) U32(CurrPcieLinkWidth) U32(MaxPcieLinkWidth)
U32(PcieReplayCounter) U32(PcieSpeed) U32(DefaultEccMode) U32(RetiredPagesPendingStatus)
U32(PersistenceMode) U32(ComputeMode) U32(DisplayMode) U32(DisplayActive) U32(MaxMigDeviceCount)
U32(GpuInstanceId) U32(ComputeInstanceId) U32(NumaNodeId) U32(IrqNum) U32(AccountingMode)
U64(TotalEnergyConsumption) U64(SupportedClocksEventReasons) U64(SupportedClocksThrottleReasons)
PAIR(EccMode, "current", "pending")
PAIR(MigMode, "current", "pending")
PAIR(CudaComputeCapability, "0", "1")
PAIR(PowerManagementLimitConstraints, "min", "max")
PAIR(EncoderUtilization, "utilization", "period")
PAIR(DecoderUtilization, "utilization", "period")
PAIR(DriverModel, "current", "pending")
CHOSEN(ClockInfo, "graphics", "sm", "mem", "video")
CHOSEN(MaxClockInfo, "graphics", "sm", "mem", "video")
CHOSEN(ApplicationsClock, "graphics", "sm", "mem", "video")
CHOSEN(DefaultApplicationsClock, "graphics", "sm", "mem", "video")
CHOSEN(MaxCustomerBoostClock, "graphics", "sm", "mem", "video")
CHOSEN(TemperatureThreshold, "shutdown", "slowdown", "mem_max", "gpu_max", "acoustic_min",
       "acoustic_curr", "acoustic_max", "gps_curr")

Code nvmlDeviceGetIndex(Device *d, u32 *out) {
  ENTER_DEVICE(d);
  *out = (u32)d->gpu;
  return SUCCESS;
}

/* The newer function and the older one answer from the newer one's key. */
Code nvmlDeviceGetCurrentClocksEventReasons(Device *d, u64 *out) {
  ENTER_DEVICE(d);
  return get_u64(d, "CurrentClocksEventReasons", out);
}
Code nvmlDeviceGetCurrentClocksThrottleReasons(Device *d, u64 *out) {
  ENTER_DEVICE(d);
  return get_u64(d, "CurrentClocksEventReasons", out);
}

typedef struct {
  char bus_id_legacy[16];
  u32 domain, bus, device, device_id, subsystem_id;
  char bus_id[32];
} PciInfo;

static Code pci_info(const Device *d, const char *path, PciInfo *out) {
  char id[32];
  memset(out, 0, sizeof *out);
  if (!scenario_text(d, path, id, sizeof id)) return NOT_SUPPORTED;
  snprintf(out->bus_id, sizeof out->bus_id, "%s", id);
  u32 function;
  if (sscanf(id, "%x:%x:%x.%x", &out->domain, &out->bus, &out->device, &function) == 4)
    snprintf(out->bus_id_legacy, sizeof out->bus_id_legacy, "%04X:%02X:%02X.%X",
             out->domain & 0xFFFF, out->bus & 0xFF, out->device & 0xFF, function & 0xF);
  out->device_id = (u32)u64_or(d, "PciInfo.pciDeviceId", 0);
  out->subsystem_id = (u32)u64_or(d, "PciInfo.pciSubSystemId", 0);
  return SUCCESS;
}
Code nvmlDeviceGetPciInfo_v3(Device *d, PciInfo *out) { ENTER_DEVICE(d); return pci_info(d, "PciInfo.busId", out); }
Code nvmlDeviceGetPciInfo_v2(Device *d, PciInfo *out) { ENTER_DEVICE(d); return pci_info(d, "PciInfo.busId", out); }
Code nvmlDeviceGetPciInfo(Device *d, PciInfo *out) { ENTER_DEVICE(d); return pci_info(d, "PciInfo.busId", out); }

typedef struct { u64 total, free, used; } Memory;
typedef struct { u32 version; u64 total, reserved, free, used; } Memory2;

static Code memory(const Device *d, Memory2 *out) {
  Code code = get_u64(d, "MemoryInfo.total", &out->total);
  if (code) return code;
  out->used = u64_or(d, "MemoryInfo.used", 0);
  out->reserved = u64_or(d, "MemoryInfo.reserved", 0);
  out->free = u64_or(d, "MemoryInfo.free", out->total - out->used - out->reserved);
  return SUCCESS;
}
Code nvmlDeviceGetMemoryInfo(Device *d, Memory *out) {
  Memory2 all = {0};
  ENTER_DEVICE(d);
  Code code = memory(d, &all);
  *out = (Memory){all.total, all.free, all.used + all.reserved};
  return code;
}
Code nvmlDeviceGetMemoryInfo_v2(Device *d, Memory2 *out) {
  ENTER_DEVICE(d);
  if (out->version != 0x02000028) return VERSION_MISMATCH;
  return memory(d, out);
}

typedef struct { u64 total, free, used; } Bar1;
Code nvmlDeviceGetBAR1MemoryInfo(Device *d, Bar1 *out) {
  ENTER_DEVICE(d);
  Code code = get_u64(d, "BAR1MemoryInfo.total", &out->total);
  out->used = u64_or(d, "BAR1MemoryInfo.used", 0);
  out->free = out->total - out->used;
  return code;
}

typedef struct { u32 gpu, memory; } Utilization;
Code nvmlDeviceGetUtilizationRates(Device *d, Utilization *out) {
  ENTER_DEVICE(d);
  Code code = get_u32(d, "UtilizationRates.gpu", &out->gpu);
  return code ? code : get_u32(d, "UtilizationRates.memory", &out->memory);
}

Code nvmlDeviceGetTemperature(Device *d, int sensor, u32 *out) {
  ENTER_DEVICE(d);
  return sensor ? INVALID_ARGUMENT : get_u32(d, "Temperature", out);
}
typedef struct { u32 version; int sensor; int temperature; } Temperature;
Code nvmlDeviceGetTemperatureV(Device *d, Temperature *out) {
  ENTER_DEVICE(d);
  if (out->version != 0x100000C) return VERSION_MISMATCH;
  return get_u32(d, "Temperature", (u32 *)&out->temperature);
}

Code nvmlDeviceGetNumFans(Device *d, u32 *out) {
  ENTER_DEVICE(d);
  int fans = scenario_length(d, "FanSpeed");
  *out = fans < 0 ? 0 : (u32)fans;
  return SUCCESS;
}
static Code fan_speed(const Device *d, u32 fan, u32 *out) {
  char path[64];
  int fans = scenario_length(d, "FanSpeed");
  if (fans <= 0) return NOT_SUPPORTED;
  if (fan >= (u32)fans) return INVALID_ARGUMENT;
  snprintf(path, sizeof path, "FanSpeed.%u", fan);
  return get_u32(d, path, out);
}
Code nvmlDeviceGetFanSpeed(Device *d, u32 *out) { ENTER_DEVICE(d); return fan_speed(d, 0, out); }
Code nvmlDeviceGetFanSpeed_v2(Device *d, u32 fan, u32 *out) { ENTER_DEVICE(d); return fan_speed(d, fan, out); }

typedef struct { u64 reference, violation; } Violation;
Code nvmlDeviceGetViolationStatus(Device *d, int policy, Violation *out) {
  static const char *names[] = {"power", "thermal", "sync_boost", "board_limit", "low_utilization", "reliability"};
  char path[64];
  ENTER_DEVICE(d);
  if (policy < 0 || policy > 5) return INVALID_ARGUMENT;
  snprintf(path, sizeof path, "ViolationStatus.%s", names[policy]);
  out->reference = 0;
  return get_u64(d, path, &out->violation);
}

Code nvmlDeviceGetPcieThroughput(Device *d, int counter, u32 *out) {
  struct timespec time = {0, 20000000}; /* the real one measures for 20 ms */
  ENTER_DEVICE(d);
  nanosleep(&time, NULL);
  return get_u32(d, counter ? "PcieThroughput.rx" : "PcieThroughput.tx", out);
}

/* --- memory errors -------------------------------------------------------------------------------- */

static Code ecc(const Device *d, int error, int counter, u64 *out) {
  char path[64];
  snprintf(path, sizeof path, "TotalEccErrors.%s.%s", error ? "uncorrected" : "corrected",
           counter ? "aggregate" : "volatile");
  return get_u64(d, path, out);
}
Code nvmlDeviceGetTotalEccErrors(Device *d, int error, int counter, u64 *out) {
  ENTER_DEVICE(d);
  return ecc(d, error, counter, out);
}
Code nvmlDeviceGetMemoryErrorCounter(Device *d, int error, int counter, int place, u64 *out) {
  ENTER_DEVICE(d);
  return place == 2 ? ecc(d, error, counter, out) : NOT_SUPPORTED; /* 2: the device's memory */
}

typedef struct {
  u32 version;
  u64 counts[11];
  u32 exceeded;
} Sram;
Code nvmlDeviceGetSramEccErrorStatus(Device *d, Sram *out) {
  ENTER_DEVICE(d);
  memset(out->counts, 0, sizeof out->counts);
  return get_u32(d, "SramEccErrorStatus.bThresholdExceeded", &out->exceeded);
}

Code nvmlDeviceGetRemappedRows(Device *d, u32 *corrected, u32 *uncorrected, u32 *pending, u32 *failure) {
  ENTER_DEVICE(d);
  Code code = get_u32(d, "RemappedRows.corrected", corrected);
  if (!code) code = get_u32(d, "RemappedRows.uncorrected", uncorrected);
  if (!code) code = get_u32(d, "RemappedRows.pending", pending);
  return code ? code : get_u32(d, "RemappedRows.failure", failure);
}

Code nvmlDeviceGetRetiredPages(Device *d, int cause, u32 *count, u64 *out) {
  char path[64];
  ENTER_DEVICE(d);
  const char *key = cause ? "RetiredPages.double_bit" : "RetiredPages.single_bit";
  int pages = scenario_length(d, key);
  if (pages < 0) return NOT_SUPPORTED;
  u32 room = *count;
  *count = (u32)pages;
  if (!out) return SUCCESS;
  if (room < (u32)pages) return INSUFFICIENT_SIZE;
  for (int i = 0; i < pages; i++) {
    snprintf(path, sizeof path, "%s.%d", key, i);
    out[i] = u64_or(d, path, 0);
  }
  return SUCCESS;
}

/* --- MIG ------------------------------------------------------------------------------------------ */

Code nvmlDeviceGetMigDeviceHandleByIndex(Device *d, u32 index, Device **out) {
  char path[64];
  ENTER_DEVICE(d);
  int slots = scenario_length(d, "MigDevices");
  if (slots < 0) return NOT_SUPPORTED;
  snprintf(path, sizeof path, "MigDevices.%u", index);
  if (index >= MOST_INSTANCES || !scenario_has(d, path)) return NOT_FOUND;
  *out = handle(d->gpu, (int)index);
  return SUCCESS;
}
Code nvmlDeviceIsMigDeviceHandle(Device *d, u32 *out) {
  ENTER_DEVICE(d);
  *out = d->instance >= 0;
  return SUCCESS;
}
Code nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Device *d, Device **out) {
  ENTER_DEVICE(d);
  if (d->instance < 0) return INVALID_ARGUMENT;
  *out = handle(d->gpu, -1);
  return SUCCESS;
}
typedef struct { u32 multiprocessors, others[7]; u64 memory_mib; } Attributes;
Code nvmlDeviceGetAttributes_v2(Device *d, Attributes *out) {
  ENTER_DEVICE(d);
  memset(out, 0, sizeof *out);
  out->memory_mib = u64_or(d, "MemoryInfo.total", 0) >> 20;
  return get_u32(d, "Attributes.multiprocessorCount", &out->multiprocessors);
}

/* --- NVLink, topology ----------------------------------------------------------------------------- */

static Code link_value(const Device *d, u32 link, const char *key, u32 *out) {
  char path[64];
  int links = scenario_length(d, "NvLinks");
  if (links < 0) return NOT_SUPPORTED;
  if (link >= (u32)links) return INVALID_ARGUMENT;
  snprintf(path, sizeof path, "NvLinks.%u.%s", link, key);
  return get_u32(d, path, out);
}
Code nvmlDeviceGetNvLinkState(Device *d, u32 link, u32 *out) { ENTER_DEVICE(d); return link_value(d, link, "state", out); }
Code nvmlDeviceGetNvLinkVersion(Device *d, u32 link, u32 *out) { ENTER_DEVICE(d); return link_value(d, link, "version", out); }
Code nvmlDeviceGetNvLinkRemoteDeviceType(Device *d, u32 link, u32 *out) { ENTER_DEVICE(d); return link_value(d, link, "remote_type", out); }
Code nvmlDeviceGetNvLinkErrorCounter(Device *d, u32 link, int counter, u64 *out) {
  static const char *names[] = {"errors.replay", "errors.recovery", "errors.crc_flit", "errors.crc_data"};
  u32 value = 0;
  ENTER_DEVICE(d);
  if (counter < 0 || counter > 3) return INVALID_ARGUMENT;
  Code code = link_value(d, link, names[counter], &value);
  *out = value;
  return code;
}
Code nvmlDeviceGetNvLinkRemotePciInfo_v2(Device *d, u32 link, PciInfo *out) {
  char path[64];
  ENTER_DEVICE(d);
  snprintf(path, sizeof path, "NvLinks.%u.remote.busId", link);
  return pci_info(d, path, out);
}

static Code between(const Device *a, const Device *b, const char *key, int otherwise, int *out) {
  char path[64];
  double value = otherwise;
  snprintf(path, sizeof path, "%s.%d.%d", key, a->gpu, b->gpu);
  scenario_number(NULL, path, &value);
  *out = (int)value;
  return SUCCESS;
}
Code nvmlDeviceGetTopologyCommonAncestor(Device *a, Device *b, int *out) {
  ENTER_DEVICE(a);
  return between(a, b, "topology", 40, out); /* one NUMA node */
}
Code nvmlDeviceGetP2PStatus(Device *a, Device *b, int index, int *out) {
  (void)index;
  ENTER_DEVICE(a);
  return between(a, b, "p2p", 0, out);
}
Code nvmlDeviceGetCpuAffinity(Device *d, u32 words, unsigned long *out) {
  char path[64];
  ENTER_DEVICE(d);
  int cpus = scenario_length(d, "CpuAffinity");
  if (cpus < 0) return NOT_SUPPORTED;
  memset(out, 0, words * sizeof *out);
  for (int i = 0; i < cpus; i++) {
    snprintf(path, sizeof path, "CpuAffinity.%d", i);
    u64 cpu = u64_or(d, path, 0);
    if (cpu < 64ull * words) out[cpu / 64] |= 1ul << cpu % 64;
  }
  return SUCCESS;
}

/* --- processes ------------------------------------------------------------------------------------ */

typedef struct { u32 pid; u64 memory; u32 gpu_instance, compute_instance; } Process; /* v2 and v3 */
typedef struct { u32 pid; u64 memory; } Process1;

static Code processes(const Device *d, const char *key, u32 *count, Process *out, Process1 *old) {
  char path[96];
  int running = scenario_length(d, key);
  if (running < 0) return NOT_SUPPORTED;
  u32 room = *count;
  *count = (u32)running;
  if (running == 0) return SUCCESS;
  if (room < (u32)running) return INSUFFICIENT_SIZE;
  for (int i = 0; i < running; i++) {
    Process process = {0, 0, 0xFFFFFFFF, 0xFFFFFFFF};
    snprintf(path, sizeof path, "%s.%d.pid", key, i);
    get_u32(d, path, &process.pid);
    snprintf(path, sizeof path, "%s.%d.usedGpuMemory", key, i);
    process.memory = u64_or(d, path, ~0ull); /* not available */
    snprintf(path, sizeof path, "%s.%d.gpuInstanceId", key, i);
    get_u32(d, path, &process.gpu_instance);
    snprintf(path, sizeof path, "%s.%d.computeInstanceId", key, i);
    get_u32(d, path, &process.compute_instance);
    if (out) out[i] = process;
    if (old) old[i] = (Process1){process.pid, process.memory};
  }
  return SUCCESS;
}
#define RUNNING(kind) \
  Code nvmlDeviceGet##kind##RunningProcesses(Device *d, u32 *count, Process1 *out) { \
    ENTER_DEVICE(d); \
    return processes(d, #kind "RunningProcesses", count, NULL, out); \
  } \
  Code nvmlDeviceGet##kind##RunningProcesses_v2(Device *d, u32 *count, Process *out) { \
    ENTER_DEVICE(d); \
    return processes(d, #kind "RunningProcesses", count, out, NULL); \
  } \
  Code nvmlDeviceGet##kind##RunningProcesses_v3(Device *d, u32 *count, Process *out) { \
    ENTER_DEVICE(d); \
    return processes(d, #kind "RunningProcesses", count, out, NULL); \
  }
RUNNING(Compute) RUNNING(Graphics) RUNNING(MPSCompute)

typedef struct { u32 pid; u64 time_stamp; u32 sm, memory, encoder, decoder; } Sample;
Code nvmlDeviceGetProcessUtilization(Device *d, Sample *out, u32 *count, u64 since) {
  static const char *names[] = {"pid", "smUtil", "memUtil", "encUtil", "decUtil"};
  char path[96];
  (void)since;
  ENTER_DEVICE(d);
  int samples = scenario_length(d, "ProcessUtilization");
  if (samples < 0) return NOT_SUPPORTED;
  if (samples == 0) return NOT_FOUND;
  u32 room = *count;
  *count = (u32)samples;
  if (!out || room < (u32)samples) return INSUFFICIENT_SIZE;
  for (int i = 0; i < samples; i++) {
    u32 values[5] = {0};
    for (int k = 0; k < 5; k++) {
      snprintf(path, sizeof path, "ProcessUtilization.%d.%s", i, names[k]);
      get_u32(d, path, &values[k]);
    }
    snprintf(path, sizeof path, "ProcessUtilization.%d.timeStamp", i);
    out[i] = (Sample){values[0], u64_or(d, path, 0), values[1], values[2], values[3], values[4]};
  }
  return SUCCESS;
}

/* --- field values --------------------------------------------------------------------------------- */

typedef struct {
  u32 field, scope;
  long long time_stamp, latency_us;
  u32 type; /* 1: unsigned int, 3: unsigned long long */
  Code code;
  union { double real; u32 number; u64 large; } value;
} FieldValue;
Code nvmlDeviceGetFieldValues(Device *d, int count, FieldValue *values) {
  char path[64];
  ENTER_DEVICE(d);
  for (int i = 0; i < count; i++) {
    snprintf(path, sizeof path, "FieldValues.%u", values[i].field);
    values[i].value.large = 0;
    values[i].type = 3;
    values[i].code = get_u64(d, path, &values[i].value.large);
  }
  return SUCCESS;
}
