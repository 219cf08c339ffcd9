/* SPDX-License-Identifier: Apache-2.0 */
#include "numerics/cpu.h"
#include "numerics/function.h"
#include <math.h>
#include <string.h>

/* --- memory ----------------------------------------------------------------
 */

static void *alloc(DspDevice *device, gsize bytes) {
  (void)device;
  return g_malloc0(MAX(bytes, 1));
}

static void release(DspDevice *device, void *memory) {
  (void)device;
  g_free(memory);
}

static void copy_floats(DspDevice *device, float *to, const float *from,
                        int64_t n) {
  (void)device;
  memcpy(to, from, sizeof(float) * (gsize)n);
}

static int64_t count(const DspArray *array) {
  return array->rows * array->width;
}

static void write_array(DspArray *to, const float *from) {
  copy_floats(to->device, to->v, from, count(to));
}

static void read_array(const DspArray *from, float *to) {
  copy_floats(from->device, to, from->v, count(from));
}

/* --- columns and messages --------------------------------------------------
 */

static void add_columns(const DspColumnSum *s) {
  for (int64_t r = 0; r < s->from->rows; r++)
    for (int64_t c = 0; c < s->n; c++)
      dsp_cpu_row(s->to, r)[s->first_to + c] +=
          dsp_cpu_row(s->from, r)[s->first_from + c];
}

static void round_array(DspArray *array) {
  dsp_round_all(array->v, count(array), array->device->dtype);
}

static gsize element(const DspDevice *device) {
  return (gsize)dsp_dtype_bytes(device->dtype);
}

static void pack(const DspArray *x, const DspMessage *m, guint8 *to) {
  for (int64_t i = 0; i < m->n_rows; i++)
    for (int64_t j = 0; j < m->n_columns; j++, to += element(x->device))
      dsp_store(to,
                m->rows[i] < 0 ? 0 : dsp_cpu_row(x, m->rows[i])[m->columns[j]],
                x->device->dtype);
}

static void unpack(DspArray *y, const DspMessage *m, const guint8 *from) {
  for (int64_t i = 0; i < m->n_rows; i++)
    for (int64_t j = 0; j < m->n_columns; j++, from += element(y->device))
      if (m->rows[i] >= 0)
        dsp_cpu_row(y, m->rows[i])[m->columns[j]] +=
            dsp_fetch(from, y->device->dtype);
}

/* --- buffers ---------------------------------------------------------------
 */

static void copy(DspDevice *device, guint8 *to, const guint8 *from, gsize n) {
  (void)device;
  memcpy(to, from, n);
}

static void add_bytes(DspDevice *device, guint8 *to, const guint8 *from,
                      gsize n) {
  for (gsize i = 0; i < n; i += element(device))
    dsp_store(to + i,
              dsp_fetch(from + i, device->dtype) +
                  dsp_fetch(to + i, device->dtype),
              device->dtype);
}

static void encode(const DspArray *x, guint8 *to) {
  const float *v = x->v;
  for (int64_t i = 0; i < count(x); i++)
    dsp_store(to + (gsize)i * element(x->device), v[i], x->device->dtype);
}

static void decode(DspArray *y, const guint8 *from) {
  float *v = y->v;
  for (int64_t i = 0; i < count(y); i++)
    v[i] = dsp_fetch(from + (gsize)i * element(y->device), y->device->dtype);
}

/* --- weights ---------------------------------------------------------------
 */

static void pick(DspDevice *device, const DspPick *p, int64_t n,
                 const float *from, guint8 *to) {
  for (int64_t i = p->begin; i < p->end; i++, to += element(device))
    dsp_store(to, i < n ? from[p->list[i]] : 0, device->dtype);
}

static void unpick(DspDevice *device, const DspPick *p, float *to,
                   const guint8 *from) {
  for (int64_t i = p->begin; i < p->end; i++, from += element(device))
    to[p->list[i]] = dsp_fetch(from, device->dtype);
}

static void update(DspDevice *device, const DspPick *p, float *weights,
                   const float *gradients, float rate) {
  for (int64_t i = p->begin; i < p->end; i++) {
    float *w = &weights[p->list[i]];
    *w = dsp_round(*w - rate * gradients[p->list[i]], device->dtype);
  }
}

static void forget(DspDevice *device, const DspPick *p, float *weights) {
  (void)device;
  for (int64_t i = p->begin; i < p->end; i++)
    weights[p->list[i]] = NAN;
}

static void close_device(DspDevice *device) {
  g_free(device);
}

static const DspKernels kernels = {
    .alloc = alloc,
    .release = release,
    .put = copy_floats,
    .get = copy_floats,
    .write = write_array,
    .read = read_array,
    .product = dsp_cpu_product,
    .product_back = dsp_cpu_product_back,
    .weight_back = dsp_cpu_weight_back,
    .bias_back = dsp_cpu_bias_back,
    .point = dsp_cpu_point,
    .sums = dsp_cpu_sums,
    .attend = dsp_cpu_attend,
    .merge = dsp_cpu_merge,
    .add_columns = add_columns,
    .round = round_array,
    .pack = pack,
    .unpack = unpack,
    .copy = copy,
    .add_bytes = add_bytes,
    .encode = encode,
    .decode = decode,
    .pick = pick,
    .unpick = unpick,
    .update = update,
    .forget = forget,
    .close = close_device,
};

DspDevice *dsp_cpu_new(DspDtype dtype) {
  DspDevice *device = g_new0(DspDevice, 1);
  *device = (DspDevice){&kernels, dtype, sizeof(float)};
  return device;
}
