/* The scenario file: read when it changes, asked by paths such as "MemoryInfo.total". */
#ifndef SCENARIO_H
#define SCENARIO_H

#include <stdbool.h>
#include <stddef.h>

typedef int Code; /* nvmlReturn_t */

enum {
  SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6,
  INSUFFICIENT_SIZE = 7, FUNCTION_NOT_FOUND = 13, LOST = 15, VERSION_MISMATCH = 25, UNKNOWN = 999
};

/* A GPU, or one of its MIG instances; what NVML's handles point to. */
typedef struct { int gpu; int instance; /* -1: the GPU itself */ } Device;

#define MOST_GPUS 64
#define MOST_INSTANCES 16

/* Read the file where it has changed; false where there is none that can be read. */
bool scenario_refresh(void);

/* What the scenario plants for this call: waits as long as it says, then returns its error. */
Code scenario_enter(const char *function, const Device *device);

/* Values; `device` NULL asks the whole machine. False where there is none. */
bool scenario_number(const Device *device, const char *path, double *out);
bool scenario_text(const Device *device, const char *path, char *out, size_t size);
int scenario_length(const Device *device, const char *path); /* -1: no list */
bool scenario_has(const Device *device, const char *path);

#endif
