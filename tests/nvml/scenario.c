#define _GNU_SOURCE
#include "scenario.h"

#include <cjson/cJSON.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER; /* never held while a call waits */
static cJSON *scenario;
static struct stat seen;

/* How often each function was called for each GPU; kept when the file is read again. */
typedef struct Counter { char function[80]; int gpu; long calls; struct Counter *next; } Counter;
static Counter *counters;
static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;

/* Named by the environment; or beside the library; or where a container has it, since what an engine
 * runs in a container later on does not get the variables of a CDI specification. */
static const char *file_name(void) {
  static const char *mounted = "/run/nvml/scenario.json";
  static char beside[4096];
  const char *named = getenv("NVML_SCENARIO");
  if (named && *named) return named;
  Dl_info self;
  if (!dladdr((void *)file_name, &self) || !self.dli_fname) return mounted;
  snprintf(beside, sizeof beside, "%s", self.dli_fname);
  char *slash = strrchr(beside, '/');
  if (!slash) return mounted;
  snprintf(slash + 1, sizeof beside - (size_t)(slash + 1 - beside), "scenario.json");
  return access(beside, R_OK) ? mounted : beside;
}

static char *contents(const char *name) {
  FILE *file = fopen(name, "r");
  if (!file) return NULL;
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  char *text = size < 0 ? NULL : calloc(1, (size_t)size + 1);
  if (text && fread(text, 1, (size_t)size, file) != (size_t)size) text[0] = '\0';
  fclose(file);
  return text;
}

static bool unchanged(const struct stat *now) {
  return scenario && now->st_ino == seen.st_ino && now->st_size == seen.st_size &&
         now->st_mtim.tv_sec == seen.st_mtim.tv_sec && now->st_mtim.tv_nsec == seen.st_mtim.tv_nsec;
}

bool scenario_refresh(void) {
  const char *name = file_name();
  struct stat now;
  if (!name || stat(name, &now)) {
    fprintf(stderr, "simulated NVML: no scenario %s\n", name ? name : "(NVML_SCENARIO)");
    return false;
  }
  pthread_rwlock_rdlock(&lock);
  bool same = unchanged(&now);
  pthread_rwlock_unlock(&lock);
  if (same) return true;
  pthread_rwlock_wrlock(&lock);
  char *text = contents(name);
  cJSON *read = text ? cJSON_Parse(text) : NULL;
  free(text);
  if (read) {
    cJSON_Delete(scenario);
    scenario = read;
    seen = now;
  } else {
    fprintf(stderr, "simulated NVML: %s is no JSON\n", name);
  }
  pthread_rwlock_unlock(&lock);
  return read != NULL;
}

/* Follow a path from a node; a number among its steps is a place in a list. */
static const cJSON *follow(const cJSON *node, const char *path) {
  char steps[256], *rest = steps, *step;
  snprintf(steps, sizeof steps, "%s", path);
  while (node && (step = strsep(&rest, ".")))
    node = cJSON_IsArray(node) ? cJSON_GetArrayItem(node, atoi(step))
                               : cJSON_GetObjectItemCaseSensitive(node, step);
  return node && !cJSON_IsNull(node) ? node : NULL;
}

static const cJSON *root_of(const Device *device) {
  if (!device) return scenario;
  char path[64];
  if (device->instance < 0)
    snprintf(path, sizeof path, "gpus.%d", device->gpu);
  else
    snprintf(path, sizeof path, "gpus.%d.MigDevices.%d", device->gpu, device->instance);
  return follow(scenario, path);
}

/* The name without a version at its end: faults may be planted under either. */
static void base_name(const char *function, char *out, size_t size) {
  snprintf(out, size, "%s", function);
  char *mark = strrchr(out, '_');
  if (mark && mark[1] == 'v' && mark[2] >= '0' && mark[2] <= '9') *mark = '\0';
  if (!strcmp(out, "nvmlInitWithFlags")) snprintf(out, size, "nvmlInit");
}

static bool same_function(const char *planted, const char *function) {
  char a[80], b[80];
  if (!strcmp(planted, function)) return true;
  base_name(planted, a, sizeof a);
  base_name(function, b, sizeof b);
  /* nvmlDeviceGetX_v2 plants in that version alone; nvmlDeviceGetX, and nvmlInit_v2, in all. */
  return !strcmp(a, b) && (!strcmp(planted, a) || !strcmp(b, "nvmlInit"));
}

static const cJSON *planted_in(const cJSON *node, const char *function) {
  const cJSON *calls = node ? cJSON_GetObjectItemCaseSensitive(node, "calls") : NULL;
  const cJSON *fault = NULL, *every = NULL;
  cJSON_ArrayForEach(fault, calls) {
    if (same_function(fault->string, function)) return fault;
    if (!strcmp(fault->string, "*")) every = fault;
  }
  return every;
}

static long count(const char *function, int gpu) {
  pthread_mutex_lock(&counting);
  Counter *found = counters;
  while (found && (found->gpu != gpu || strcmp(found->function, function))) found = found->next;
  if (!found && (found = calloc(1, sizeof *found))) {
    snprintf(found->function, sizeof found->function, "%s", function);
    found->gpu = gpu;
    found->next = counters;
    counters = found;
  }
  long calls = found ? ++found->calls : 0;
  pthread_mutex_unlock(&counting);
  return calls;
}

static bool is_missing(const char *function) {
  const cJSON *name = NULL;
  cJSON_ArrayForEach(name, cJSON_GetObjectItemCaseSensitive(scenario, "functions_missing"))
    if (cJSON_IsString(name) && !strcmp(name->valuestring, function)) return true;
  return false;
}

static double number_of(const cJSON *node, const char *key, double otherwise) {
  const cJSON *value = cJSON_GetObjectItemCaseSensitive(node, key);
  return cJSON_IsNumber(value) ? value->valuedouble : otherwise;
}

Code scenario_enter(const char *function, const Device *device) {
  if (!scenario_refresh()) return UNKNOWN;
  long calls = count(function, device ? device->gpu : -1);
  double wait_ms = 0;
  bool hang = false;
  Code code = SUCCESS;
  pthread_rwlock_rdlock(&lock);
  const cJSON *gpu = NULL;
  if (device) {
    Device whole = {device->gpu, -1};
    gpu = root_of(&whole);
    if (!root_of(device)) code = LOST; /* taken out of the scenario while it was in use */
  }
  const cJSON *fault = planted_in(gpu, function);
  if (!fault) fault = planted_in(scenario, function);
  if (is_missing(function)) code = FUNCTION_NOT_FOUND;
  if (fault && calls >= number_of(fault, "from_call", 1) &&
      calls <= number_of(fault, "until_call", 1e15)) {
    code = (Code)number_of(fault, "error", code);
    wait_ms = number_of(fault, "latency_ms", 0);
    hang = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(fault, "hang"));
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(fault, "crash"))) abort();
  }
  pthread_rwlock_unlock(&lock);
  while (hang) pause();
  if (wait_ms > 0) {
    struct timespec time = {(time_t)(wait_ms / 1e3), (long)((long long)(wait_ms * 1e6) % 1000000000)};
    nanosleep(&time, NULL);
  }
  return code;
}

bool scenario_number(const Device *device, const char *path, double *out) {
  pthread_rwlock_rdlock(&lock);
  const cJSON *root = root_of(device), *value = root ? follow(root, path) : NULL;
  bool found = cJSON_IsNumber(value) || cJSON_IsBool(value);
  if (found) *out = cJSON_IsNumber(value) ? value->valuedouble : cJSON_IsTrue(value);
  pthread_rwlock_unlock(&lock);
  return found;
}

bool scenario_text(const Device *device, const char *path, char *out, size_t size) {
  pthread_rwlock_rdlock(&lock);
  const cJSON *root = root_of(device), *value = root ? follow(root, path) : NULL;
  bool found = cJSON_IsString(value);
  if (found && size) snprintf(out, size, "%s", value->valuestring);
  pthread_rwlock_unlock(&lock);
  return found;
}

int scenario_length(const Device *device, const char *path) {
  pthread_rwlock_rdlock(&lock);
  const cJSON *root = root_of(device), *value = root ? follow(root, path) : NULL;
  int length = cJSON_IsArray(value) ? cJSON_GetArraySize(value) : -1;
  pthread_rwlock_unlock(&lock);
  return length;
}

bool scenario_has(const Device *device, const char *path) {
  pthread_rwlock_rdlock(&lock);
  const cJSON *root = root_of(device);
  bool found = root && follow(root, path);
  pthread_rwlock_unlock(&lock);
  return found;
}
