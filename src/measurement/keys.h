/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of measurement/: what points are told apart by. */
#ifndef DSP_MEASUREMENT_KEYS_H
#define DSP_MEASUREMENT_KEYS_H

#include "measurement/score.h"

/* Most keys that can be crossed. */
#define DSP_MAX_SCORE_KEYS 4

/* The value of a key for one point. Values are in `order`, then by name. */
typedef struct {
  char *text; /* NULL: the key does not apply; the caller frees */
  double order;
} DspKeyValue;

typedef struct {
  const char *name;
  DspKeyValue (*value)(const DspScored *scored);
} DspScoreKey;

/* The key of that name, or NULL. */
const DspScoreKey *dsp_score_key(const char *name);

#endif
