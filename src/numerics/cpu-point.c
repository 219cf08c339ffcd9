/* SPDX-License-Identifier: Apache-2.0 */
#include "numerics/cpu.h"
#include "numerics/function.h"
#include <math.h>

/* --- norms -----------------------------------------------------------------
 */

/* One group of one row, with its scales and shifts: `n` of its `all` columns,
 * and what the ranks that have them have summed, or NULL. */
typedef struct {
  const float *x, *dy, *scale, *shift, *sum, *back_sum;
  float *y, *dscale, *dshift;
  int64_t n, all;
} Group;

static float squares(const Group *g, float mean) {
  float sum = 0;
  for (int64_t i = 0; i < g->n; i++)
    sum += (g->x[i] - mean) * (g->x[i] - mean);
  return sum;
}

static void moments(const DspPoint *p, const Group *g, float *mean,
                    float *inverse) {
  float sum = 0;
  for (int64_t i = 0; !p->rms && i < g->n; i++)
    sum += g->x[i];
  *mean = sum / (float)g->n;
  float square = g->sum ? *g->sum : squares(g, *mean);
  *inverse = 1 / sqrtf(square / (float)g->all + (float)DSP_NORM_EPSILON);
}

static void norm_group(const DspPoint *p, const Group *g) {
  float mean, inverse;
  moments(p, g, &mean, &inverse);
  for (int64_t i = 0; i < g->n; i++)
    g->y[i] = (g->x[i] - mean) * inverse * (g->scale ? g->scale[i] : 1) +
              (g->shift ? g->shift[i] : 0);
}

static void norm_group_back(const DspPoint *p, const Group *g) {
  float mean, inverse, a = 0, b = 0;
  moments(p, g, &mean, &inverse);
  for (int64_t i = 0; i < g->n; i++) {
    float hat = (g->x[i] - mean) * inverse;
    float d = g->dy[i] * (g->scale ? g->scale[i] : 1);
    a += p->rms ? 0 : d;
    b += d * hat;
    if (g->dscale)
      g->dscale[i] += g->dy[i] * hat;
    if (g->dshift)
      g->dshift[i] += g->dy[i];
  }
  b = g->back_sum ? *g->back_sum : b;
  for (int64_t i = 0; g->y && i < g->n; i++) {
    float d = g->dy[i] * (g->scale ? g->scale[i] : 1);
    float hat = (g->x[i] - mean) * inverse;
    g->y[i] += inverse * (d - a / (float)g->n - hat * (b / (float)g->all));
  }
}

static float *at(const DspArray *a, int64_t row, int64_t column) {
  return a ? dsp_cpu_row(a, row) + column : NULL;
}

/* The group of columns from `c` on, of the groups number `which`. */
static Group group_of(const DspPoint *p, int64_t row, guint which, int64_t c) {
  const DspNormGroups *s = &p->groups[which];
  int64_t sum = row * p->n_sums + which;
  return (Group){at(p->x, row, c),
                 at(p->dy, row, c),
                 p->scale ? p->scale + s->weights : NULL,
                 p->shift ? p->shift + s->weights : NULL,
                 p->sums ? p->sums + sum : NULL,
                 p->back_sums ? p->back_sums + sum : NULL,
                 at(p->y, row, c),
                 p->dscale ? p->dscale + s->weights : NULL,
                 p->dshift ? p->dshift + s->weights : NULL,
                 s->size,
                 s->size * MAX(p->parts, 1)};
}

static void norm(const DspPoint *p, int64_t row) {
  for (guint i = 0; i < G_N_ELEMENTS(p->groups); i++) {
    const DspNormGroups *s = &p->groups[i];
    for (int64_t c = s->first; c < s->first + s->n * s->size; c += s->size) {
      const Group g = group_of(p, row, i, c);
      (p->dy ? norm_group_back : norm_group)(p, &g);
    }
  }
}

static float products(const DspPoint *p, const Group *g) {
  float mean, inverse, sum = 0;
  moments(p, g, &mean, &inverse);
  for (int64_t i = 0; i < g->n; i++)
    sum += g->dy[i] * (g->scale ? g->scale[i] : 1) * g->x[i] * inverse;
  return sum;
}

/* Columns that ranks divide are one group, or one of q and one of k. */
void dsp_cpu_sums(DspDevice *device, const DspPoint *p, float *to) {
  (void)device;
  for (int64_t row = 0; row < p->x->rows; row++)
    for (guint i = 0; i < (guint)p->n_sums; i++) {
      const Group g = group_of(p, row, i, p->groups[i].first);
      to[row * p->n_sums + i] = p->dy ? products(p, &g) : squares(&g, 0);
    }
}

/* --- vectors of the conditioning -------------------------------------------
 */

static int64_t vector(const DspPoint *p, int64_t row, int64_t column) {
  return p->sample[row] * p->vectors->width +
         (p->column + column) % p->vectors->width;
}

static float vector_of(const DspPoint *p, int64_t row, int64_t column) {
  return ((const float *)p->vectors->v)[vector(p, row, column)];
}

static void add_vector(const DspPoint *p, int64_t row, int64_t column,
                       float x) {
  ((float *)p->dvectors->v)[vector(p, row, column)] += x;
}

static gboolean has_vectors(const DspPoint *p, int64_t row) {
  return p->vectors && p->sample[row] >= 0;
}

static void modulate(const DspPoint *p, int64_t row) {
  gboolean has = has_vectors(p, row);
  for (int64_t c = 0; c < p->in; c++) {
    float scale = has ? vector_of(p, row, c) : 0;
    float shift = has ? vector_of(p, row, p->in + c) : 0;
    float x = *at(p->x, row, c);
    if (!p->dy) {
      *at(p->y, row, c) = x * (1 + scale) + shift;
      continue;
    }
    float dy = *at(p->dy, row, c);
    if (p->y)
      *at(p->y, row, c) += dy * (1 + scale);
    if (has && p->dvectors) {
      add_vector(p, row, c, dy * x);
      add_vector(p, row, p->in + c, dy);
    }
  }
}

static void residual(const DspPoint *p, int64_t row) {
  gboolean has = has_vectors(p, row);
  for (int64_t c = 0; c < p->in; c++) {
    float gate = has ? vector_of(p, row, c) : 1, x = *at(p->x, row, c);
    if (!p->dy) {
      *at(p->y, row, c) = (p->stream ? *at(p->stream, row, c) : 0) + x * gate;
      continue;
    }
    float dy = *at(p->dy, row, c);
    *at(p->y, row, c) += dy * gate;
    if (has && p->dvectors)
      add_vector(p, row, c, dy * x);
  }
}

/* --- rope ------------------------------------------------------------------
 */

static void rope(const DspPoint *p, int64_t row) {
  const float *angles = p->angles + 2 * p->place[row] * p->pairs;
  const float *x = at(p->dy ? p->dy : p->x, row, 0);
  for (int64_t c = 0; c < p->in / 2; c++) {
    float cosine = angles[2 * (c % p->pairs)];
    float sine = angles[2 * (c % p->pairs) + 1];
    float *y = at(p->y, row, 2 * c);
    sine = p->dy ? -sine : sine;
    y[0] += x[2 * c] * cosine - x[2 * c + 1] * sine;
    y[1] += x[2 * c] * sine + x[2 * c + 1] * cosine;
  }
}

/* --- activations -----------------------------------------------------------
 */

static void activation(const DspPoint *p, int64_t row) {
  int64_t half = p->in / 2;
  gboolean second = dsp_gates_second(p->function);
  const float *x = at(p->x, row, p->first);
  float *y = at(p->y, row, p->first);
  for (int64_t c = 0; c < p->out; c++) {
    int64_t f = p->gated && second ? c + half : c;
    int64_t g = second ? c : c + half;
    float value = (float)dsp_activate(p->function, x[f]);
    float over = p->gated ? x[g] : 1;
    if (!p->dy) {
      y[c] = value * over;
      continue;
    }
    float dy = at(p->dy, row, p->first)[c];
    y[f] += dy * over * (float)dsp_activate_slope(p->function, x[f]);
    if (p->gated)
      y[g] += dy * value;
  }
}

static void (*const on_row[DSP_N_OPS])(const DspPoint *, int64_t) = {
    [DSP_OP_NORM] = norm,         [DSP_OP_QK_NORM] = norm,
    [DSP_OP_MODULATE] = modulate, [DSP_OP_RESIDUAL] = residual,
    [DSP_OP_ROPE] = rope,         [DSP_OP_ACTIVATION] = activation,
};

void dsp_cpu_point(DspDevice *device, const DspPoint *p) {
  (void)device;
  for (int64_t row = 0; row < p->x->rows; row++)
    on_row[p->kind](p, row);
}
