/* SPDX-License-Identifier: Apache-2.0 */
#include "numerics/cpu.h"
#include <math.h>

/* Queries or keys of one head of one sequence. */
typedef struct {
  int64_t n, *order;
  float **a, **b, **da, **db; /* q, dq | k, v, dk, dv */
  float **out, **lse;         /* of queries */
} Tokens;

static Tokens tokens_new(int64_t capacity) {
  gsize n = (gsize)MAX(capacity, 1);
  return (Tokens){0,
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

static gboolean sees(const DspAttend *a, const Tokens *q, int64_t i,
                     const Tokens *k, int64_t j) {
  return !a->causal || k->order[j] <= q->order[i];
}

static float score(const DspAttend *a, const float *q, const float *k) {
  float sum = 0;
  for (int64_t c = 0; c < a->dim; c++)
    sum += q[c] * k[c];
  return sum * a->scale;
}

/* Fills out and lse of every query. */
static void attend(const DspAttend *a, const Tokens *q, const Tokens *k) {
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
static void attend_back(const DspAttend *a, const Tokens *q, const Tokens *k) {
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

/* --- where tokens lie ------------------------------------------------------
 */

static float *head(const DspAttend *a, const DspArray *x, int64_t row,
                   int64_t h) {
  return x ? dsp_cpu_row(x, row) + h * a->dim : NULL;
}

static void add_key(const DspAttend *a, Tokens *t, const DspToken *token,
                    int64_t h) {
  int64_t i = t->n++, kv = h / (a->heads / a->kv_heads);
  const DspArray *x = a->key[token->joint].x, *dx = a->key[token->joint].dx;
  int64_t k = a->key[token->joint].first + kv, v = k + a->kv_heads;
  t->order[i] = token->order;
  t->a[i] = head(a, x, token->row, k);
  t->b[i] = head(a, x, token->row, v);
  t->da[i] = head(a, dx, token->row, k);
  t->db[i] = head(a, dx, token->row, v);
}

static void add_query(const DspAttend *a, Tokens *t, const DspToken *token,
                      int64_t h) {
  int64_t i = t->n++, row = token->row, at = row * a->heads + h;
  const DspArray *y = a->query[token->joint].y;
  gboolean block = a->query[token->joint].block;
  t->order[i] = token->order;
  t->a[i] = head(a, a->query[token->joint].x, row, h);
  t->da[i] = head(a, a->query[token->joint].dx, row, h);
  t->b[i] = head(a, a->query[token->joint].dy, row, h);
  t->out[i] = block ? (float *)y->block + at * a->dim : head(a, y, row, h);
  t->lse[i] = (block ? y->block_lse : y->lse) + at;
}

static void one_head(const DspAttend *a, int64_t sequence, int64_t h) {
  const int64_t *first_q = a->q.first + sequence;
  const int64_t *first_k = a->k.first + sequence;
  g_auto(Tokens) q = tokens_new(first_q[1] - first_q[0]);
  g_auto(Tokens) k = tokens_new(first_k[1] - first_k[0]);
  for (int64_t i = first_q[0]; i < first_q[1]; i++)
    add_query(a, &q, &a->q.tokens[i], h);
  for (int64_t i = first_k[0]; i < first_k[1]; i++)
    add_key(a, &k, &a->k.tokens[i], h);
  (a->back ? attend_back : attend)(a, &q, &k);
}

void dsp_cpu_attend(DspDevice *device, const DspAttend *a) {
  (void)device;
  for (int64_t s = 0; s < a->q.n; s++)
    for (int64_t h = 0; h < a->heads; h++)
      one_head(a, s, h);
}

void dsp_cpu_merge(DspArray *y, int64_t heads, int64_t dim) {
  for (int64_t i = 0; i < y->rows * heads; i++) {
    float x = y->lse[i], b = y->block_lse[i], top = MAX(x, b);
    if (b == -INFINITY)
      continue;
    float sum = top + logf(expf(x - top) + expf(b - top));
    float *out = dsp_cpu_row(y, i / heads) + i % heads * dim;
    const float *block = (const float *)y->block + i * dim;
    for (int64_t c = 0; c < dim; c++)
      out[c] = out[c] * expf(x - sum) + block[c] * expf(b - sum);
    y->lse[i] = sum;
  }
}
