/* SPDX-License-Identifier: Apache-2.0 */
/* Attention to the keys that a rank has, whole or block by block: each block
 * with the log of its sum of exponentials, by which blocks are merged (online
 * softmax) and probabilities recomputed in the backward pass. */
#include "numerics/executor.h"
#include "numerics/function.h"
#include <math.h>

/* Queries or keys of one head of one sequence. `order`: global row; -1 marks
 * padding, which nothing sees; joint tokens see and are seen always. */
typedef struct {
  int64_t n, capacity, *order;
  float **a, **b, **da, **db; /* q, dq | k, v, dk, dv */
  float **out, **lse;         /* of queries */
} Tokens;

typedef struct {
  DspRank *rank;
  const DspStep *step;
  int64_t heads, kv_heads, dim;
  gboolean causal;
  float scale;
} Attention;

static Tokens tokens_new(int64_t capacity) {
  gsize n = (gsize)MAX(capacity, 1);
  return (Tokens){0,
                  capacity,
                  g_new(int64_t, n),
                  g_new0(float *, n),
                  g_new0(float *, n),
                  g_new0(float *, n),
                  g_new0(float *, n),
                  g_new0(float *, n),
                  g_new0(float *, n)};
}

static void tokens_clear(Tokens *t) {
  g_free(t->order);
  g_free(t->a);
  g_free(t->b);
  g_free(t->da);
  g_free(t->db);
  g_free(t->out);
  g_free(t->lse);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tokens, tokens_clear)

static gboolean sees(const Attention *a, const Tokens *q, int64_t i,
                     const Tokens *k, int64_t j) {
  return !a->causal || k->order[j] <= q->order[i];
}

static float score(const Attention *a, const float *q, const float *k) {
  float sum = 0;
  for (int64_t c = 0; c < a->dim; c++)
    sum += q[c] * k[c];
  return sum * a->scale;
}

/* Fills out and lse of every query. */
static void attend(const Attention *a, const Tokens *q, const Tokens *k) {
  g_autofree float *s = g_new(float, (gsize)MAX(k->n, 1));
  for (int64_t i = 0; i < q->n; i++) {
    float top = -INFINITY, sum = 0;
    for (int64_t j = 0; j < k->n; j++) {
      s[j] = sees(a, q, i, k, j) ? score(a, q->a[i], k->a[j]) : -INFINITY;
      top = MAX(top, s[j]);
    }
    for (int64_t c = 0; c < a->dim; c++)
      q->out[i][c] = 0;
    for (int64_t j = 0; j < k->n && top > -INFINITY; j++) {
      float p = expf(s[j] - top);
      sum += p;
      for (int64_t c = 0; c < a->dim; c++)
        q->out[i][c] += p * k->b[j][c];
    }
    for (int64_t c = 0; c < a->dim && sum > 0; c++)
      q->out[i][c] /= sum;
    *q->lse[i] = top > -INFINITY ? top + logf(sum) : -INFINITY;
  }
}

/* The gradient of q (a) in da; of k and v in da and db of the keys. `out` is
 * the final output, b the gradient of it. */
static void attend_back(const Attention *a, const Tokens *q, const Tokens *k) {
  for (int64_t i = 0; i < q->n; i++) {
    const float *dy = q->b[i];
    float mean = 0;
    for (int64_t c = 0; c < a->dim; c++)
      mean += dy[c] * q->out[i][c];
    for (int64_t j = 0; j < k->n; j++) {
      if (!sees(a, q, i, k, j))
        continue;
      float p = expf(score(a, q->a[i], k->a[j]) - *q->lse[i]), dp = 0;
      for (int64_t c = 0; c < a->dim; c++)
        dp += dy[c] * k->b[j][c];
      float ds = p * (dp - mean) * a->scale;
      for (int64_t c = 0; c < a->dim; c++) {
        if (k->db[j])
          k->db[j][c] += p * dy[c];
        if (k->da[j])
          k->da[j][c] += ds * q->a[i][c];
        if (q->da[i])
          q->da[i][c] += ds * k->a[j][c];
      }
    }
  }
}

/* --- where tokens lie
 * ------------------------------------------------------------------ */

/* An array of q, k and v (or k and v: `q_heads` is 0) and its gradient. */
typedef struct {
  const DspArray *x;
  DspArray *dx;
  int64_t q_heads;
} Source;

static float *head(const DspArray *a, int64_t row, int64_t first, int64_t h,
                   int64_t dim) {
  return a ? a->v + row * a->width + (first + h) * dim : NULL;
}

static void add_key(const Attention *a, Tokens *t, const Source *s, int64_t row,
                    int64_t h, int64_t order) {
  int64_t kv = h / (a->heads / a->kv_heads), v = s->q_heads + a->kv_heads;
  int64_t i = t->n++;
  t->order[i] = order;
  t->a[i] = head(s->x, row, s->q_heads, kv, a->dim);
  t->b[i] = head(s->x, row, v, kv, a->dim);
  t->da[i] = head(s->dx, row, s->q_heads, kv, a->dim);
  t->db[i] = head(s->dx, row, v, kv, a->dim);
}

/* Where a query's results are: forward y (or its block), backward y and dy. */
typedef struct {
  DspArray *x, *dx, *y;
  const DspArray *dy;
  gboolean block;
} Target;

static void add_query(const Attention *a, Tokens *t, const Target *s,
                      int64_t row, int64_t h, int64_t order) {
  int64_t i = t->n++;
  int64_t at = row * a->heads + h;
  t->order[i] = order;
  t->a[i] = head(s->x, row, 0, h, a->dim);
  t->da[i] = head(s->dx, row, 0, h, a->dim);
  t->b[i] = head(s->dy, row, 0, h, a->dim);
  t->out[i] =
      s->block ? s->y->block + at * a->dim : head(s->y, row, 0, h, a->dim);
  t->lse[i] = (s->block ? s->y->block_lse : s->y->lse) + at;
}

static void need_lse(const Attention *a, DspArray *y, gboolean block) {
  gsize n = (gsize)(y->rows * a->heads);
  if (!y->lse)
    y->lse = g_new0(float, n);
  if (block && !y->block) {
    y->block = g_new0(float, n *(gsize)a->dim);
    y->block_lse = g_new0(float, n);
  }
}

/* --- one attention
 * -------------------------------------------------------------------------- */

/* All that a step works on: its own tokens as queries, keys in sequences as
 * many and long, joint tokens in both (in the keys if `joint_keys`). */
typedef struct {
  Attention a;
  Target query, joint;
  Source key, joint_key;
  gboolean has_joint, joint_keys, back;
  DspSequences queries, keys;
  int64_t *query_rows, *key_rows; /* global */
  int64_t tokens;
} Work;

static int64_t order_of(const Work *w, const int64_t *rows, int64_t row) {
  return w->a.rank->run->keeps_padding ? MAX(rows[row], 0) : rows[row];
}

static int64_t sample_of(const Work *w, int64_t sequence) {
  for (int64_t i = 0; i < w->queries.length; i++) {
    int64_t row =
        w->query_rows[w->queries.rows[sequence * w->queries.length + i]];
    if (row >= 0)
      return row / w->tokens - dsp_rank_first_sample(w->a.rank);
  }
  return -1;
}

static void one_head(const Work *w, int64_t sequence, int64_t h) {
  int64_t text =
      w->has_joint
          ? w->joint.x->rows / dsp_job_batch(&w->a.rank->run->schedule->job)
          : 0;
  int64_t sample = w->has_joint ? sample_of(w, sequence) : -1;
  g_auto(Tokens) q = tokens_new(w->queries.length + text);
  g_auto(Tokens) k = tokens_new(w->keys.length + text);
  for (int64_t i = 0; i < w->queries.length; i++) {
    int64_t row = w->queries.rows[sequence * w->queries.length + i];
    if (order_of(w, w->query_rows, row) >= 0)
      add_query(&w->a, &q, &w->query, row, h, w->query_rows[row]);
  }
  for (int64_t i = 0; i < w->keys.length; i++) {
    int64_t row = w->keys.rows[sequence * w->keys.length + i];
    if (order_of(w, w->key_rows, row) >= 0)
      add_key(&w->a, &k, &w->key, row, h, w->key_rows[row]);
  }
  for (int64_t i = 0; sample >= 0 && i < text; i++) {
    add_query(&w->a, &q, &w->joint, sample * text + i, h, INT64_MAX);
    if (w->joint_keys)
      add_key(&w->a, &k, &w->joint_key, sample * text + i, h, -1);
  }
  if (w->back)
    attend_back(&w->a, &q, &k);
  else
    attend(&w->a, &q, &k);
}

static void work(const Work *w) {
  for (int64_t s = 0; s < w->queries.n; s++)
    for (int64_t h = 0; h < w->a.heads; h++)
      one_head(w, s, h);
}

static void work_clear(Work *w) {
  dsp_sequences_clear(&w->queries);
  if (w->keys.rows != w->queries.rows)
    dsp_sequences_clear(&w->keys);
  if (w->key_rows != w->query_rows)
    g_free(w->key_rows);
  g_free(w->query_rows);
}

static Attention attention_of(DspRank *rank, const DspStep *step) {
  const DspTensor *t = dsp_tensor_of(rank->run->schedule, step->inputs[0]);
  const DspOp *op = step->op;
  return (Attention){
      rank,
      step,
      op->heads / t->split,
      MAX(op->kv_heads / t->split, 1),
      op->head_dim,
      op->causal,
      (float)(rank->run->scale_error / sqrt((double)op->head_dim))};
}

/* Columns beside the attention pass it by, where the arrays have them. */
static void pass(const Work *w, const DspArray *x, DspArray *y, gboolean back) {
  int64_t in = (w->a.heads + 2 * w->a.kv_heads) * w->a.dim;
  int64_t out = w->a.heads * w->a.dim;
  for (int64_t r = 0; r < x->rows; r++)
    for (int64_t c = 0; in + c < x->width; c++)
      if (back)
        x->v[r * x->width + in + c] += y->v[r * y->width + out + c];
      else
        y->v[r * y->width + out + c] = x->v[r * x->width + in + c];
}

static int64_t output_width(const Attention *a, const DspArray *x) {
  return x->width - 2 * a->kv_heads * a->dim;
}

static void round_array(DspRank *rank, DspArray *a) {
  if (a)
    dsp_round_all(a->v, a->rows * a->width, rank->run->dtype);
}

/* The query's side of a step: x with its sequences. */
static Work work_on(DspRank *rank, const DspStep *step, int x) {
  const DspSchedule *schedule = rank->run->schedule;
  const DspTensor *t = dsp_tensor_of(schedule, x);
  int64_t n;
  Work w = {.a = attention_of(rank, step),
            .back = step->attention.direction == DSP_BACKWARD};
  w.queries = dsp_sequences(schedule, step->op, t->stream, t->layout);
  w.query_rows = dsp_rank_rows(rank, x, &n);
  w.tokens =
      dsp_stream_tokens(schedule->job.model, t->stream, &schedule->job.lengths);
  w.query.x = dsp_rank_get(rank, x);
  return w;
}

static void join(Work *w, DspRank *rank, int joint, int side, int djoint,
                 int dside) {
  if (joint < 0)
    return;
  DspArray *x = dsp_rank_get(rank, joint);
  if (!x)
    return;
  w->has_joint = TRUE;
  w->joint.x = x;
  if (w->back) {
    w->joint.y = dsp_rank_get(rank, side);
    w->joint.dx = dsp_rank_put(rank, djoint, x->rows, x->width);
    /* Made like y: heads that were exchanged are fewer than a tensor tells. */
    DspArray *like = w->joint.y;
    if (like)
      w->joint.dy = rank->values[dside]
                        ? rank->values[dside]
                        : dsp_rank_put(rank, dside, like->rows, like->width);
  } else
    w->joint.y = dsp_rank_put(rank, side, x->rows, output_width(&w->a, x));
  w->joint_key = (Source){x, w->joint.dx, w->a.heads};
}

static void self(DspRank *rank, const DspStep *step) {
  Work w = work_on(rank, step, step->inputs[0]);
  DspArray *x = w.query.x;
  if (x && !w.back) {
    w.query.y =
        dsp_rank_put(rank, step->output, x->rows, output_width(&w.a, x));
    join(&w, rank, step->inputs[1], step->also[0], -1, -1);
  } else if (x) {
    w.query.dx = dsp_rank_put(rank, step->output, x->rows, x->width);
    w.query.dy = dsp_rank_gradient(rank, step->inputs[2]);
    w.query.y = dsp_rank_get(rank, step->inputs[3]);
    join(&w, rank, step->inputs[1], step->inputs[5], step->also[0],
         step->inputs[4]);
  }
  w.keys = w.queries;
  w.key_rows = w.query_rows;
  w.joint_keys = TRUE;
  w.key = (Source){x, w.query.dx, w.a.heads};
  if (!rank->error) {
    need_lse(&w.a, w.query.y, FALSE);
    if (w.has_joint)
      need_lse(&w.a, w.joint.y, FALSE);
    work(&w);
    pass(&w, w.back ? w.query.dx : x,
         w.back ? (DspArray *)w.query.dy : w.query.y, w.back);
    if (w.has_joint)
      pass(&w, w.back ? w.joint.dx : w.joint.x,
           w.back ? (DspArray *)w.joint.dy : w.joint.y, w.back);
    round_array(rank, w.back ? w.query.dx : w.query.y);
    if (w.has_joint)
      round_array(rank, w.back ? w.joint.dx : w.joint.y);
  }
  work_clear(&w);
}

/* --- cross-attention
 * ------------------------------------------------------------------------- */

/* A sequence a sample: all queries of the sample, and its text, of which there
 * may be copies one behind another. */
static void cross(DspRank *rank, const DspStep *step) {
  DspOp op = *step->op;
  DspStep all = *step;
  const DspSchedule *schedule = rank->run->schedule;
  const DspTensor *t = dsp_tensor_of(schedule, step->inputs[0]);
  for (guint i = 0; i < schedule->job.model->n_dims; i++)
    op.over |= 1u << i;
  all.op = &op;
  Work w = work_on(rank, &all, step->inputs[0]);
  const DspArray *x = w.query.x, *kv = dsp_rank_get(rank, step->inputs[1]);
  (void)t;
  if (x && kv && !w.back)
    w.query.y = dsp_rank_put(rank, step->output, x->rows, x->width);
  else if (x && kv) {
    w.query.dx = dsp_rank_put(rank, step->output, x->rows, x->width);
    w.query.y = dsp_rank_get(rank, step->inputs[3]);
    w.query.dy = dsp_rank_gradient(rank, step->inputs[2]);
    w.key.dx = dsp_rank_put(rank, step->also[0], kv->rows, kv->width);
  }
  if (!rank->error) {
    int64_t batch = dsp_job_batch(&schedule->job), base;
    g_autofree int64_t *text = dsp_rank_rows(rank, step->inputs[1], &base);
    int64_t length = base / batch, copies = kv->rows / base;
    w.key.x = kv;
    w.keys = (DspSequences){w.queries.n, length * copies, NULL};
    w.keys.rows = g_new0(int64_t, (gsize)(w.keys.n * w.keys.length));
    w.key_rows = g_new0(int64_t, (gsize)kv->rows);
    for (int64_t s = 0; s < w.keys.n; s++)
      for (int64_t i = 0; i < w.keys.length; i++)
        w.keys.rows[s * w.keys.length + i] =
            i / length * base + MAX(sample_of(&w, s), 0) * length + i % length;
    need_lse(&w.a, w.query.y, FALSE);
    work(&w);
    round_array(rank, w.back ? w.query.dx : w.query.y);
    round_array(rank, w.key.dx);
  }
  work_clear(&w);
}

/* --- rounds of a ring
 * ----------------------------------------------------------------------------
 */

static DspArray *fetch_kv(const DspRank *rank, const Attention *a,
                          const DspArray *buffer, int64_t rows) {
  DspArray *kv = dsp_array_new(rows, 2 * a->kv_heads * a->dim);
  gsize size = (gsize)dsp_dtype_bytes(rank->run->dtype);
  for (int64_t i = 0; buffer && i < kv->rows * kv->width; i++)
    kv->v[i] = dsp_fetch(buffer->bytes + (gsize)i * size, rank->run->dtype);
  return kv;
}

static void store_kv(DspRank *rank, int tensor, const DspArray *kv) {
  gsize size = (gsize)dsp_dtype_bytes(rank->run->dtype);
  DspArray *buffer = dsp_array_new(0, 0);
  buffer->n_bytes = (gsize)(kv->rows * kv->width) * size;
  buffer->bytes = g_malloc(buffer->n_bytes);
  for (int64_t i = 0; i < kv->rows * kv->width; i++)
    dsp_store(buffer->bytes + (gsize)i * size, kv->v[i], rank->run->dtype);
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

static void round_step(DspRank *rank, const DspStep *step) {
  Work w = work_on(rank, step, step->inputs[0]);
  DspArray *x = w.query.x, *held = dsp_rank_get(rank, step->inputs[1]);
  gboolean first = step->ring_round == 0;
  if (x && held && !w.back) {
    w.query.y =
        dsp_rank_put(rank, step->output, x->rows, output_width(&w.a, x));
    join(&w, rank, step->inputs[2], step->also[0], -1, -1);
  } else if (x && held) {
    w.query.dx = dsp_rank_put(rank, first ? step->output : step->also[1],
                              x->rows, x->width);
    w.query.y = dsp_rank_get(rank, step->inputs[3]);
    if (w.query.y)
      w.query.dy =
          rank->values[step->inputs[2]]
              ? rank->values[step->inputs[2]]
              : dsp_rank_put(rank, step->inputs[2], x->rows, w.query.y->width);
    join(&w, rank, step->inputs[4], step->inputs[6], step->also[0],
         step->inputs[5]);
  }
  w.keys = w.queries;
  w.key_rows = rows_held(rank, step);
  if (!rank->error) {
    g_autoptr(DspArray) kv = first ? NULL : fetch_kv(rank, &w.a, held, x->rows);
    g_autoptr(DspArray) dkv =
        first || !w.back ? NULL : fetch_kv(rank, &w.a, NULL, x->rows);
    w.query.block = w.joint.block = !first && !w.back;
    w.joint_keys = first;
    if (!first && !step->ring_confused && !mixes_shard(rank, step))
      w.keys.length = 0;
    w.key = first ? (Source){x, w.query.dx, w.a.heads} : (Source){kv, dkv, 0};
    need_lse(&w.a, w.query.y, w.query.block);
    if (w.has_joint)
      need_lse(&w.a, w.joint.y, w.joint.block);
    work(&w);
    if (first) {
      pass(&w, w.back ? w.query.dx : x,
           w.back ? (DspArray *)w.query.dy : w.query.y, w.back);
      if (w.has_joint)
        pass(&w, w.back ? w.joint.dx : w.joint.x,
             w.back ? (DspArray *)w.joint.dy : w.joint.y, w.back);
    }
    if (dkv)
      store_kv(rank, step->output, dkv);
  }
  work_clear(&w);
}

/* The running output and the block's, weighted by their sums. */
static void merge(const Attention *a, DspArray *y) {
  for (int64_t i = 0; i < y->rows * a->heads; i++) {
    float x = y->lse[i], b = y->block_lse[i], top = MAX(x, b);
    if (b == -INFINITY)
      continue;
    float sum = top + logf(expf(x - top) + expf(b - top));
    float *out = y->v + i / a->heads * y->width + i % a->heads * a->dim;
    for (int64_t c = 0; c < a->dim; c++)
      out[c] =
          out[c] * expf(x - sum) + y->block[i * a->dim + c] * expf(b - sum);
    y->lse[i] = sum;
  }
}

static void add_buffers(DspRank *rank, const DspStep *step) {
  const DspArray *more = dsp_rank_get(rank, step->inputs[1]);
  DspArray *y = rank->values[step->output];
  gsize size = (gsize)dsp_dtype_bytes(rank->run->dtype);
  if (!more)
    return;
  DspArray *sum = dsp_array_new(0, 0);
  sum->n_bytes = more->n_bytes;
  sum->bytes = g_memdup2(more->bytes, more->n_bytes);
  for (gsize i = 0; y && i < more->n_bytes; i += size)
    dsp_store(sum->bytes + i,
              dsp_fetch(more->bytes + i, rank->run->dtype) +
                  dsp_fetch(y->bytes + i, rank->run->dtype),
              rank->run->dtype);
  dsp_rank_set(rank, step->output, sum);
}

/* The gradients of this rank's keys have come home. */
static void add_home(DspRank *rank, const DspStep *step) {
  Attention a = attention_of(rank, step);
  const DspArray *more = dsp_rank_get(rank, step->inputs[1]);
  DspArray *dx = dsp_rank_get(rank, step->output);
  if (!more || !dx)
    return;
  g_autoptr(DspArray) kv = fetch_kv(rank, &a, more, dx->rows);
  for (int64_t r = 0; r < kv->rows; r++)
    for (int64_t c = 0; c < kv->width; c++)
      dx->v[r * dx->width + a.heads * a.dim + c] += kv->v[r * kv->width + c];
  round_array(rank, dx);
}

/* Of two buffers the sum; of a gradient and a buffer the keys' columns; of an
 * output the merge with its block. Where a gradient of queries was added to
 * where it lies there is nothing left to do. */
void dsp_step_merge(DspRank *rank, const DspStep *step) {
  Attention a = attention_of(rank, step);
  const DspTensor *t = dsp_tensor_of(rank->run->schedule, step->output);
  if (step->inputs[1] >= 0 && t->kind == DSP_TENSOR_BUFFER)
    add_buffers(rank, step);
  else if (step->inputs[1] >= 0)
    add_home(rank, step);
  else if (t->kind == DSP_TENSOR_ACTIVATION && takes_part(rank, step)) {
    merge(&a, rank->values[step->output]);
    if (step->also[0] >= 0)
      merge(&a, rank->values[step->also[0]]);
  }
}

/* A rank that has nothing to attend to in a round gives an empty gradient. */
static void skip_round(DspRank *rank, const DspStep *step) {
  if (step->attention.direction == DSP_FORWARD)
    return;
  Attention a = attention_of(rank, step);
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
