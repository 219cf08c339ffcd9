/* SPDX-License-Identifier: Apache-2.0 */
/* The table of methods, in the order of reports. */
#include "schedule/method.h"

extern const DspMethod dsp_method_single, dsp_method_dsp, dsp_method_ulysses,
    dsp_method_ring, dsp_method_usp, dsp_method_megatron_sp,
    dsp_method_megatron_tp;

static const DspMethod *const methods[] = {
    &dsp_method_single,      &dsp_method_dsp, &dsp_method_ulysses,
    &dsp_method_ring,        &dsp_method_usp, &dsp_method_megatron_sp,
    &dsp_method_megatron_tp,
};

guint dsp_methods(const DspMethod *const **list) {
  *list = methods;
  return G_N_ELEMENTS(methods);
}

const DspMethod *dsp_method_find(const char *name) {
  for (guint i = 0; i < G_N_ELEMENTS(methods); i++)
    if (g_str_equal(methods[i]->name, name))
      return methods[i];
  return NULL;
}

int dsp_method_variant(const DspMethod *method, const char *name) {
  for (int i = 0; method->variants[i]; i++)
    if (g_str_equal(method->variants[i], name))
      return i;
  return -1;
}
