/* SPDX-License-Identifier: Apache-2.0 */
/* Attention to the keys that a rank has, whole or block by block: each block
 * with the log of its sum of exponentials, by which blocks are merged (online
 * softmax) and probabilities recomputed in the backward pass. */
#include "numerics/executor.h"
#include <math.h>

/* All that a step works on: its own tokens as queries, keys in sequences as
 * many and long, joint tokens in both (in the keys if `joint_keys`). */
typedef struct {
  DspRank *rank;
  DspAttend a;
  gboolean joint_keys;
  DspSequences queries, keys;
  int64_t *query_rows, *key_rows; /* global */
  int64_t tokens;
} Work;

static DspDevice *device_of(const DspRank *rank) {
  return rank->run->device;
}

static void need_lse(const DspAttend *a, DspArray *y, gboolean block) {
  if (!y)
    return;
  const DspKernels *kernels = y->device->kernels;
  gsize n = (gsize)(y->rows * a->heads);
  if (!y->lse)
    y->lse = kernels->alloc(y->device, n * sizeof(float));
  if (block && !y->block) {
    y->block = kernels->alloc(y->device, n * (gsize)a->dim * y->device->number);
    y->block_lse = kernels->alloc(y->device, n * sizeof(float));
  }
}

/* --- tokens ----------------------------------------------------------------
 */

static gboolean is_seen(const Work *w, int64_t global) {
  return global >= 0 || w->rank->run->keeps_padding;
}

static int64_t sample_of(const Work *w, int64_t sequence) {
  for (int64_t i = 0; i < w->queries.length; i++) {
    int64_t row =
        w->query_rows[w->queries.rows[sequence * w->queries.length + i]];
    if (row >= 0)
      return row / w->tokens - dsp_rank_first_sample(w->rank);
  }
  return -1;
}

static void add_tokens(const Work *w, const DspSequences *s,
                       const int64_t *global, int64_t sequence, GArray *list) {
  for (int64_t i = 0; i < s->length; i++) {
    int64_t row = s->rows[sequence * s->length + i];
    const DspToken token = {row, global[row], 0};
    if (is_seen(w, global[row]))
      g_array_append_val(list, token);
  }
}

/* Joint tokens see and are seen always. */
static void add_joint(const Work *w, int64_t sequence, int64_t order,
                      GArray *list) {
  const DspArray *x = w->a.query[1].x;
  int64_t sample = x ? sample_of(w, sequence) : -1;
  int64_t text = x ? x->rows / dsp_job_batch(&w->rank->run->schedule->job) : 0;
  for (int64_t i = 0; sample >= 0 && i < text; i++) {
    const DspToken token = {sample * text + i, order, 1};
    g_array_append_val(list, token);
  }
}

static DspTokens list_tokens(const Work *w, gboolean keys) {
  const DspSequences *s = keys ? &w->keys : &w->queries;
  GArray *list = g_array_new(FALSE, FALSE, sizeof(DspToken));
  DspTokens tokens = {w->queries.n, g_new0(int64_t, (gsize)w->queries.n + 1),
                      NULL};
  for (int64_t i = 0; i < tokens.n; i++) {
    add_tokens(w, s, keys ? w->key_rows : w->query_rows, i, list);
    if (!keys || w->joint_keys)
      add_joint(w, i, keys ? -1 : INT64_MAX, list);
    tokens.first[i + 1] = list->len;
  }
  tokens.tokens = (DspToken *)(void *)g_array_free(list, FALSE);
  return tokens;
}

static void tokens_clear(DspTokens *tokens) {
  g_free(tokens->first);
  g_free(tokens->tokens);
}

/* --- one attention ---------------------------------------------------------
 */

static void work(Work *w) {
  DspAttend *a = &w->a;
  a->q = list_tokens(w, FALSE);
  a->k = list_tokens(w, TRUE);
  a->overlap =
      a->query[1].x && a->q.n > dsp_job_batch(&w->rank->run->schedule->job);
  for (int i = 0; i < 2; i++)
    need_lse(a, a->query[i].y, a->query[i].block);
  device_of(w->rank)->kernels->attend(device_of(w->rank), a);
  tokens_clear(&a->q);
  tokens_clear(&a->k);
}

static void work_clear(Work *w) {
  dsp_sequences_clear(&w->queries);
  if (w->keys.rows != w->queries.rows)
    dsp_sequences_clear(&w->keys);
  if (w->key_rows != w->query_rows)
    g_free(w->key_rows);
  g_free(w->query_rows);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Work, work_clear)

static DspAttend attention_of(const DspRank *rank, const DspStep *step) {
  const DspTensor *t = dsp_tensor_of(rank->run->schedule, step->inputs[0]);
  const DspOp *op = step->op;
  return (DspAttend){
      .heads = op->heads / t->split,
      .kv_heads = MAX(op->kv_heads / t->split, 1),
      .dim = op->head_dim,
      .causal = op->causal,
      .back = step->attention.direction == DSP_BACKWARD,
      .scale = (float)(rank->run->scale_error / sqrt((double)op->head_dim))};
}

/* Columns beside the attention pass it by, where the arrays have them. */
static void pass(const DspAttend *a) {
  int64_t in = (a->heads + 2 * a->kv_heads) * a->dim;
  int64_t out = a->heads * a->dim;
  for (int i = 0; i < 2; i++) {
    const DspArray *x = a->query[i].x;
    if (!x || x->width <= in)
      continue;
    DspColumnSum sum = {x, a->query[i].y, in, out, x->width - in};
    if (a->back)
      sum = (DspColumnSum){a->query[i].dy, a->query[i].dx, out, in, sum.n};
    x->device->kernels->add_columns(&sum);
  }
}

static int64_t output_width(const DspAttend *a, const DspArray *x) {
  return x->width - 2 * a->kv_heads * a->dim;
}

static void round_array(DspArray *a) {
  if (a)
    a->device->kernels->round(a);
}

static void round_results(const DspAttend *a) {
  for (int i = 0; i < 2; i++)
    round_array(a->back ? a->query[i].dx : a->query[i].y);
}

/* The query's side of a step: x with its sequences. */
static Work work_on(DspRank *rank, const DspStep *step, int x) {
  const DspSchedule *schedule = rank->run->schedule;
  const DspTensor *t = dsp_tensor_of(schedule, x);
  int64_t n;
  Work w = {.rank = rank, .a = attention_of(rank, step)};
  w.queries = dsp_sequences(schedule, step->op, t->stream, t->layout);
  w.query_rows = dsp_rank_rows(rank, x, &n);
  w.tokens =
      dsp_stream_tokens(schedule->job.model, t->stream, &schedule->job.lengths);
  w.a.query[0].x = dsp_rank_get(rank, x);
  return w;
}

/* A gradient made like y: heads that were exchanged are fewer than a tensor
 * tells. */
static DspArray *gradient_like(DspRank *rank, int tensor, const DspArray *y) {
  if (!y)
    return NULL;
  return dsp_rank_put(rank, tensor, y->rows, y->width);
}

static void join(Work *w, DspRank *rank, int joint, int side, int djoint,
                 int dside) {
  if (joint < 0)
    return;
  DspArray *x = dsp_rank_get(rank, joint);
  if (!x)
    return;
  w->a.query[1].x = x;
  if (w->a.back) {
    w->a.query[1].y = dsp_rank_get(rank, side);
    w->a.query[1].dx = dsp_rank_put(rank, djoint, x->rows, x->width);
    w->a.query[1].dy = gradient_like(rank, dside, w->a.query[1].y);
  } else
    w->a.query[1].y = dsp_rank_put(rank, side, x->rows, output_width(&w->a, x));
  w->a.key[1].x = x;
  w->a.key[1].dx = w->a.query[1].dx;
  w->a.key[1].first = w->a.heads;
}

/* Keys are in the queries' own array. */
static void own_keys(Work *w) {
  w->a.key[0].x = w->a.query[0].x;
  w->a.key[0].dx = w->a.query[0].dx;
  w->a.key[0].first = w->a.heads;
}

static void self(DspRank *rank, const DspStep *step) {
  g_auto(Work) w = work_on(rank, step, step->inputs[0]);
  const DspArray *x = w.a.query[0].x;
  if (x && !w.a.back) {
    w.a.query[0].y =
        dsp_rank_put(rank, step->output, x->rows, output_width(&w.a, x));
    join(&w, rank, step->inputs[1], step->also[0], -1, -1);
  } else if (x) {
    w.a.query[0].dx = dsp_rank_put(rank, step->output, x->rows, x->width);
    w.a.query[0].dy = dsp_rank_gradient(rank, step->inputs[2]);
    w.a.query[0].y = dsp_rank_get(rank, step->inputs[3]);
    join(&w, rank, step->inputs[1], step->inputs[5], step->also[0],
         step->inputs[4]);
  }
  w.keys = w.queries;
  w.key_rows = w.query_rows;
  w.joint_keys = TRUE;
  own_keys(&w);
  if (rank->error)
    return;
  work(&w);
  pass(&w.a);
  round_results(&w.a);
}

/* --- cross-attention -------------------------------------------------------
 */

/* Each sequence has the text of its sample, of which there may be copies one
 * behind another. */
static void text_keys(Work *w, int text, const DspArray *kv) {
  int64_t batch = dsp_job_batch(&w->rank->run->schedule->job), base;
  g_free(dsp_rank_rows(w->rank, text, &base));
  int64_t length = base / batch, copies = kv->rows / base;
  w->a.key[0].x = kv;
  w->keys = (DspSequences){w->queries.n, length * copies, NULL};
  w->keys.rows = g_new0(int64_t, (gsize)(w->keys.n * w->keys.length));
  w->key_rows = g_new0(int64_t, (gsize)kv->rows);
  for (int64_t s = 0; s < w->keys.n; s++)
    for (int64_t i = 0; i < w->keys.length; i++)
      w->keys.rows[s * w->keys.length + i] =
          i / length * base + MAX(sample_of(w, s), 0) * length + i % length;
}

/* A sequence a sample: all queries of the sample. */
static void cross(DspRank *rank, const DspStep *step) {
  DspOp op = *step->op;
  DspStep all = *step;
  for (guint i = 0; i < rank->run->schedule->job.model->n_dims; i++)
    op.over |= 1u << i;
  all.op = &op;
  g_auto(Work) w = work_on(rank, &all, step->inputs[0]);
  const DspArray *x = w.a.query[0].x, *kv = dsp_rank_get(rank, step->inputs[1]);
  if (x && kv && !w.a.back)
    w.a.query[0].y = dsp_rank_put(rank, step->output, x->rows, x->width);
  else if (x && kv) {
    w.a.query[0].dx = dsp_rank_put(rank, step->output, x->rows, x->width);
    w.a.query[0].y = dsp_rank_get(rank, step->inputs[3]);
    w.a.query[0].dy = dsp_rank_gradient(rank, step->inputs[2]);
    w.a.key[0].dx = dsp_rank_put(rank, step->also[0], kv->rows, kv->width);
  }
  if (rank->error)
    return;
  text_keys(&w, step->inputs[1], kv);
  work(&w);
  round_results(&w.a);
  round_array(w.a.key[0].dx);
}

/* --- rounds of a ring ------------------------------------------------------
 */

static DspArray *fetch_kv(const DspRank *rank, const DspAttend *a,
                          const DspArray *buffer, int64_t rows) {
  DspArray *kv = dsp_array_new(device_of(rank), rows, 2 * a->kv_heads * a->dim);
  if (buffer)
    kv->device->kernels->decode(kv, buffer->bytes);
  return kv;
}

static void store_kv(DspRank *rank, int tensor, const DspArray *kv) {
  gsize size = (gsize)dsp_dtype_bytes(rank->run->dtype);
  DspArray *buffer =
      dsp_buffer_new(kv->device, (gsize)(kv->rows * kv->width) * size);
  kv->device->kernels->encode(kv, buffer->bytes);
  dsp_rank_set(rank, tensor, buffer);
}

/* Rows of the rank whose keys are held in this round. */
static int64_t *rows_held(const DspRank *rank, const DspStep *step) {
  const DspSchedule *schedule = rank->run->schedule;
  const DspTensor *t = dsp_tensor_of(schedule, step->inputs[0]);
  DspPosition p = rank->position;
  int64_t ring = schedule->plan.degree[DSP_AXIS_RING], n;
  p.at[DSP_AXIS_RING] = (p.at[DSP_AXIS_RING] - step->ring_round + ring) % ring;
  return dsp_rows(schedule, &p, t->stream, t->layout, &n);
}

/* Else other ranks hold other sequences, which a mask hides. */
static gboolean mixes_shard(const DspRank *rank, const DspStep *step) {
  int dim = dsp_tensor_of(rank->run->schedule, step->inputs[0])->layout.dim;
  return dim >= 0 && step->op->over & (1u << dim);
}

static gboolean takes_part(const DspRank *rank, const DspStep *step) {
  return !step->ring_causal ||
         rank->position.at[DSP_AXIS_RING] >= step->ring_round;
}

static void first_round(Work *w) {
  own_keys(w);
  work(w);
  pass(&w->a);
}

static void later_round(Work *w, DspRank *rank, const DspStep *step,
                        const DspArray *held) {
  int64_t rows = w->a.query[0].x->rows;
  g_autoptr(DspArray) kv = fetch_kv(rank, &w->a, held, rows);
  g_autoptr(DspArray) dkv =
      w->a.back ? fetch_kv(rank, &w->a, NULL, rows) : NULL;
  if (!step->ring_confused && !mixes_shard(rank, step))
    w->keys.length = 0;
  w->a.query[0].block = w->a.query[1].block = !w->a.back;
  w->a.key[0].x = kv;
  w->a.key[0].dx = dkv;
  work(w);
  if (dkv)
    store_kv(rank, step->output, dkv);
}

static void round_step(DspRank *rank, const DspStep *step) {
  g_auto(Work) w = work_on(rank, step, step->inputs[0]);
  const DspArray *x = w.a.query[0].x;
  const DspArray *held = dsp_rank_get(rank, step->inputs[1]);
  gboolean first = step->ring_round == 0;
  if (x && held && !w.a.back) {
    w.a.query[0].y =
        dsp_rank_put(rank, step->output, x->rows, output_width(&w.a, x));
    join(&w, rank, step->inputs[2], step->also[0], -1, -1);
  } else if (x && held) {
    w.a.query[0].dx = dsp_rank_put(rank, first ? step->output : step->also[1],
                                   x->rows, x->width);
    w.a.query[0].y = dsp_rank_get(rank, step->inputs[3]);
    w.a.query[0].dy = gradient_like(rank, step->inputs[2], w.a.query[0].y);
    join(&w, rank, step->inputs[4], step->inputs[6], step->also[0],
         step->inputs[5]);
  }
  w.keys = w.queries;
  w.key_rows = rows_held(rank, step);
  w.joint_keys = first;
  if (rank->error)
    return;
  if (first)
    first_round(&w);
  else
    later_round(&w, rank, step, held);
}

static void add_buffers(DspRank *rank, const DspStep *step) {
  const DspArray *more = dsp_rank_get(rank, step->inputs[1]);
  const DspArray *y = rank->values[step->output];
  if (!more)
    return;
  const DspKernels *kernels = more->device->kernels;
  DspArray *sum = dsp_buffer_new(more->device, more->n_bytes);
  kernels->copy(sum->device, sum->bytes, more->bytes, more->n_bytes);
  if (y)
    kernels->add_bytes(sum->device, sum->bytes, y->bytes, more->n_bytes);
  dsp_rank_set(rank, step->output, sum);
}

/* The gradients of this rank's keys have come home. */
static void add_home(DspRank *rank, const DspStep *step) {
  DspAttend a = attention_of(rank, step);
  const DspArray *more = dsp_rank_get(rank, step->inputs[1]);
  DspArray *dx = dsp_rank_get(rank, step->output);
  if (!more || !dx)
    return;
  g_autoptr(DspArray) kv = fetch_kv(rank, &a, more, dx->rows);
  const DspColumnSum sum = {kv, dx, 0, a.heads * a.dim, kv->width};
  dx->device->kernels->add_columns(&sum);
  round_array(dx);
}

/* Of two buffers the sum; of a gradient and a buffer the keys' columns; of an
 * output the merge with its block. Where a gradient of queries was added to
 * where it lies there is nothing left to do. */
void dsp_step_merge(DspRank *rank, const DspStep *step) {
  DspAttend a = attention_of(rank, step);
  const DspKernels *kernels = device_of(rank)->kernels;
  const DspTensor *t = dsp_tensor_of(rank->run->schedule, step->output);
  if (step->inputs[1] >= 0 && t->kind == DSP_TENSOR_BUFFER)
    add_buffers(rank, step);
  else if (step->inputs[1] >= 0)
    add_home(rank, step);
  else if (t->kind == DSP_TENSOR_ACTIVATION && takes_part(rank, step)) {
    kernels->merge(rank->values[step->output], a.heads, a.dim);
    if (step->also[0] >= 0)
      kernels->merge(rank->values[step->also[0]], a.heads, a.dim);
  }
}

/* A rank that has nothing to attend to in a round gives an empty gradient. */
static void skip_round(DspRank *rank, const DspStep *step) {
  if (step->attention.direction == DSP_FORWARD)
    return;
  DspAttend a = attention_of(rank, step);
  const DspArray *x = dsp_rank_get(rank, step->inputs[0]);
  if (!x)
    return;
  g_autoptr(DspArray) none = fetch_kv(rank, &a, NULL, x->rows);
  store_kv(rank, step->output, none);
}

void dsp_step_attention(DspRank *rank, const DspStep *step) {
  if (step->op->kind == DSP_OP_CROSS_ATTENTION)
    cross(rank, step);
  else if (step->ring_round < 0)
    self(rank, step);
  else if (takes_part(rank, step))
    round_step(rank, step);
  else
    skip_round(rank, step);
}
