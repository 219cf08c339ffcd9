/* SPDX-License-Identifier: Apache-2.0 */
/* Each operation computes forward and appends itself to a list; the backward
 * pass reads the list from its end. */
#include "numerics/reference.h"
#include "base/error.h"
#include "numerics/function.h"
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <string.h>

typedef struct {
  guint stream;
  int64_t rows, width;
  double *v, *d; /* values, and the gradient of the loss */
} Value;

typedef struct Walk Walk;
typedef struct Node Node;

struct Node {
  void (*back)(Walk *walk, const Node *node);
  const DspOp *op;
  int64_t column; /* first column that it works on, or first of the vectors */
  int64_t sum;    /* terms of its sums */
  Value *x, *other, *vectors, *y, *side;
  const double *w;
  double *dw;
};

struct Walk {
  const DspData *data;
  const DspNoise *noise;
  gsl_rng *rng;
  DspReference *result;
  GPtrArray *values;
  GArray *nodes;
  const DspStage *stage;
  const DspBlock *block;
  int64_t repetition;
  Value *stream[DSP_MAX_STREAMS], *chain[DSP_MAX_STREAMS], *vectors;
  int64_t column;
};

/* --- values -----------------------------------------------------------------
 */

static void value_free(gpointer data) {
  Value *value = data;
  g_free(value->v);
  g_free(value->d);
  g_free(value);
}

static int64_t tokens_of(const Walk *walk, guint stream) {
  return dsp_stream_tokens(walk->data->model, stream, &walk->data->lengths);
}

static Value *value_new(Walk *walk, guint stream, int64_t width) {
  Value *value = g_new0(Value, 1);
  value->stream = stream;
  value->rows = walk->data->batch * tokens_of(walk, stream);
  value->width = width;
  value->v = g_new0(double, (gsize)(value->rows * width));
  value->d = g_new0(double, (gsize)(value->rows * width));
  g_ptr_array_add(walk->values, value);
  return value;
}

static double *row(const Value *value, int64_t i) {
  return value->v + i * value->width;
}

static double *grad(const Value *value, int64_t i) {
  return value->d + i * value->width;
}

/* An error of the relative size `size`, of the number and of what is usual
 * around it. */
static void disturb(const Walk *walk, double *x, int64_t n, double size) {
  double square = 0;
  for (int64_t i = 0; i < n; i++)
    square += x[i] * x[i];
  double usual = n > 0 ? sqrt(square / (double)n) : 0;
  for (int64_t i = 0; i < n; i++)
    x[i] += size * (gsl_rng_uniform(walk->rng) < 0.5 ? -1 : 1) *
            MAX(fabs(x[i]), usual);
}

static void disturb_sum(const Walk *walk, double *x, int64_t n, int64_t terms) {
  if (walk->noise)
    disturb(walk, x, n, dsp_step_error(walk->noise, terms));
}

static void finish(Walk *walk, Node node) {
  Value *made[] = {node.y, node.side};
  for (guint i = 0; i < G_N_ELEMENTS(made); i++)
    if (made[i])
      disturb_sum(walk, made[i]->v, made[i]->rows * made[i]->width, node.sum);
  g_array_append_val(walk->nodes, node);
}

static Node node_of(Walk *walk, const DspOp *op, Value *x) {
  int64_t offset =
      dsp_data_offset(walk->data, walk->block, walk->repetition, op);
  return (Node){.op = op,
                .x = x,
                .sum = 1,
                .w = walk->data->weights + offset,
                .dw = walk->result->gradients + offset};
}

/* --- linear ------------------------------------------------------------------
 */

/* An embedder that takes more columns than there are begins anew. */
static void linear_back_row(const Node *n, const double *x, double *dx,
                            const double *dy) {
  int64_t in = n->op->in, out = n->op->out;
  for (int64_t i = 0; i < in; i++) {
    int64_t c = i % n->x->width;
    const double *w = n->w + i * out;
    double *dw = n->dw + i * out, sum = 0, value = x[c];
    for (int64_t o = 0; o < out; o++) {
      sum += dy[o] * w[o];
      dw[o] += value * dy[o];
    }
    dx[c] += sum;
  }
  for (int64_t o = 0; n->op->bias && o < out; o++)
    n->dw[in * out + o] += dy[o];
}

static void linear_back(Walk *walk, const Node *n) {
  (void)walk;
  for (int64_t r = 0; r < n->x->rows; r++)
    linear_back_row(n, row(n->x, r), grad(n->x, r), grad(n->y, r));
}

static void linear_row(const Node *n, const double *x, double *y) {
  int64_t in = n->op->in, out = n->op->out;
  if (n->op->bias)
    memcpy(y, n->w + in * out, sizeof(double) * (gsize)out);
  for (int64_t i = 0; i < in; i++) {
    double value = x[i % n->x->width];
    const double *w = n->w + i * out;
    for (int64_t o = 0; o < out; o++)
      y[o] += value * w[o];
  }
}

static Value *linear(Walk *walk, const DspOp *op, Value *x) {
  Node n = node_of(walk, op, x);
  n.back = linear_back;
  n.sum = MAX(op->in, op->out);
  n.y = value_new(walk, x->stream, op->out);
  for (int64_t r = 0; r < x->rows; r++)
    linear_row(&n, row(x, r), row(n.y, r));
  finish(walk, n);
  if (walk->data->model->streams[x->stream].n_dims == 0) {
    walk->vectors = n.y;
    walk->column = 0;
  }
  return n.y;
}

/* --- norms -------------------------------------------------------------------
 */

/* Groups of columns that are normalised together; the scale of column c of
 * group g is number g*stride + c of the weights. */
typedef struct {
  int64_t first, groups, size, stride;
} Groups;

/* Of a norm one; of q and k the heads of each, or each. */
static guint groups_of(const DspOp *op, Groups groups[2]) {
  groups[0] = (Groups){0, 1, op->in, 0};
  if (op->kind == DSP_OP_NORM)
    return 1;
  int64_t q = op->heads * op->head_dim, k = op->kv_heads * op->head_dim;
  groups[0] = op->across_heads ? (Groups){0, 1, q, 0}
                               : (Groups){0, op->heads, op->head_dim, 0};
  groups[1] = op->across_heads ? (Groups){q, 1, k, 0}
                               : (Groups){q, op->kv_heads, op->head_dim, 0};
  return 2;
}

/* Where the scales of k begin, and the shifts. */
static int64_t scale_at(guint which, const Groups *groups) {
  return which ? groups[0].size : 0;
}

static int64_t shift_at(const DspOp *op) {
  return op->parameters / 2;
}

static void moments(const DspOp *op, const double *x, int64_t n, double *mean,
                    double *inverse) {
  double square = 0;
  *mean = 0;
  for (int64_t i = 0; !op->rms && i < n; i++)
    *mean += x[i] / (double)n;
  for (int64_t i = 0; i < n; i++)
    square += (x[i] - *mean) * (x[i] - *mean) / (double)n;
  *inverse = 1 / sqrt(square + DSP_NORM_EPSILON);
}

static void norm_group(const DspOp *op, const double *x, double *y, int64_t n,
                       const double *scale, const double *shift) {
  double mean, inverse;
  moments(op, x, n, &mean, &inverse);
  for (int64_t i = 0; i < n; i++)
    y[i] = (x[i] - mean) * inverse * (scale ? scale[i] : 1) +
           (shift ? shift[i] : 0);
}

static void norm_group_back(const DspOp *op, const double *x, const double *dy,
                            double *dx, int64_t n, const double *scale,
                            double *dscale, double *dshift) {
  double mean, inverse, a = 0, b = 0;
  moments(op, x, n, &mean, &inverse);
  for (int64_t i = 0; i < n; i++) {
    double hat = (x[i] - mean) * inverse, g = dy[i] * (scale ? scale[i] : 1);
    a += op->rms ? 0 : g / (double)n;
    b += g * hat / (double)n;
    if (dscale)
      dscale[i] += dy[i] * hat;
    if (dshift)
      dshift[i] += dy[i];
  }
  for (int64_t i = 0; i < n; i++) {
    double hat = (x[i] - mean) * inverse, g = dy[i] * (scale ? scale[i] : 1);
    dx[i] += inverse * (g - a - hat * b);
  }
}

static void norm_back(Walk *walk, const Node *n) {
  Groups groups[2];
  guint kinds = groups_of(n->op, groups);
  gboolean affine = n->op->parameters > 0;
  (void)walk;
  for (int64_t r = 0; r < n->x->rows; r++) {
    for (guint k = 0; k < kinds; k++)
      for (int64_t g = 0; g < groups[k].groups; g++) {
        int64_t c = groups[k].first + g * groups[k].size;
        int64_t s = scale_at(k, groups), h = shift_at(n->op) + s;
        norm_group_back(n->op, row(n->x, r) + c, grad(n->y, r) + c,
                        grad(n->x, r) + c, groups[k].size,
                        affine ? n->w + s : NULL, affine ? n->dw + s : NULL,
                        affine && !n->op->rms ? n->dw + h : NULL);
      }
    for (int64_t c = n->op->in; c < n->x->width; c++)
      grad(n->x, r)[c] += grad(n->y, r)[c];
  }
}

static Value *norm(Walk *walk, const DspOp *op, Value *x) {
  Node n = node_of(walk, op, x);
  Groups groups[2];
  guint kinds = groups_of(op, groups);
  gboolean affine = op->parameters > 0;
  n.back = norm_back;
  n.sum = groups[0].size;
  n.y = value_new(walk, x->stream, x->width);
  memcpy(n.y->v, x->v, sizeof(double) * (gsize)(x->rows * x->width));
  for (int64_t r = 0; r < x->rows; r++)
    for (guint k = 0; k < kinds; k++)
      for (int64_t g = 0; g < groups[k].groups; g++) {
        int64_t c = groups[k].first + g * groups[k].size;
        int64_t s = scale_at(k, groups), h = shift_at(op) + s;
        norm_group(op, row(x, r) + c, row(n.y, r) + c, groups[k].size,
                   affine ? n.w + s : NULL,
                   affine && !op->rms ? n.w + h : NULL);
      }
  finish(walk, n);
  return n.y;
}

/* --- vectors of the conditioning
 * ---------------------------------------------- */

static double *vector(const Value *vectors, const Value *x, int64_t r,
                      int64_t column, gboolean gradient) {
  int64_t tokens = x->rows / vectors->rows;
  return (gradient ? vectors->d : vectors->v) + r / tokens * vectors->width +
         column % vectors->width;
}

static void modulate_back(Walk *walk, const Node *n) {
  int64_t in = n->op->in;
  (void)walk;
  for (int64_t r = 0; r < n->x->rows; r++)
    for (int64_t c = 0; c < n->x->width; c++) {
      double dy = grad(n->y, r)[c], scale = 0;
      if (c < in && n->vectors) {
        scale = *vector(n->vectors, n->x, r, n->column + c, FALSE);
        *vector(n->vectors, n->x, r, n->column + c, TRUE) +=
            dy * row(n->x, r)[c];
        *vector(n->vectors, n->x, r, n->column + in + c, TRUE) += dy;
      }
      grad(n->x, r)[c] += dy * (1 + scale);
    }
}

static Value *modulate(Walk *walk, const DspOp *op, Value *x) {
  Node n = node_of(walk, op, x);
  n.back = modulate_back;
  n.vectors = walk->vectors;
  n.column = walk->column;
  n.y = value_new(walk, x->stream, x->width);
  for (int64_t r = 0; r < x->rows; r++)
    for (int64_t c = 0; c < x->width; c++) {
      double scale = 0, shift = 0;
      if (c < op->in && n.vectors) {
        scale = *vector(n.vectors, x, r, n.column + c, FALSE);
        shift = *vector(n.vectors, x, r, n.column + op->in + c, FALSE);
      }
      row(n.y, r)[c] = row(x, r)[c] * (1 + scale) + shift;
    }
  finish(walk, n);
  return n.y;
}

static void residual_back(Walk *walk, const Node *n) {
  (void)walk;
  for (int64_t r = 0; r < n->y->rows; r++)
    for (int64_t c = 0; c < n->y->width; c++) {
      double dy = grad(n->y, r)[c], gate = 1;
      if (n->op->gate && n->vectors) {
        gate = *vector(n->vectors, n->y, r, n->column + c, FALSE);
        *vector(n->vectors, n->y, r, n->column + c, TRUE) +=
            dy * row(n->other, r)[c];
      }
      grad(n->other, r)[c] += dy * gate;
      if (n->x)
        grad(n->x, r)[c] += dy;
    }
}

/* A stream that is not as wide as the branch does not exist yet. */
static Value *residual(Walk *walk, const DspOp *op, Value *stream,
                       Value *branch) {
  Node n = node_of(walk, op, stream->width == branch->width ? stream : NULL);
  n.back = residual_back;
  n.other = branch;
  n.vectors = walk->vectors;
  n.column = walk->column;
  n.y = value_new(walk, branch->stream, branch->width);
  for (int64_t r = 0; r < branch->rows; r++)
    for (int64_t c = 0; c < branch->width; c++)
      row(n.y, r)[c] = (n.x ? row(n.x, r)[c] : 0) +
                       row(branch, r)[c] * (op->gate && n.vectors
                                                ? *vector(n.vectors, branch, r,
                                                          n.column + c, FALSE)
                                                : 1);
  walk->column += op->gate ? op->in : 0;
  finish(walk, n);
  return n.y;
}

/* --- rope --------------------------------------------------------------------
 */

static void rotate(const Walk *walk, const DspOp *op, const Value *like,
                   const double *from, double *to, double sign) {
  int64_t tokens = tokens_of(walk, like->stream), half = op->head_dim / 2;
  for (int64_t r = 0; r < like->rows; r++)
    for (int64_t c = 0; c < op->in / 2; c++) {
      double angle = sign * (double)(r % tokens) *
                     pow(DSP_ROPE_BASE, -(double)(c % half) / (double)half);
      const double *x = from + r * like->width + 2 * c;
      double *y = to + r * like->width + 2 * c;
      y[0] += x[0] * cos(angle) - x[1] * sin(angle);
      y[1] += x[0] * sin(angle) + x[1] * cos(angle);
    }
  for (int64_t r = 0; r < like->rows; r++)
    for (int64_t c = op->in; c < like->width; c++)
      to[r * like->width + c] += from[r * like->width + c];
}

static void rope_back(Walk *walk, const Node *n) {
  rotate(walk, n->op, n->x, n->y->d, n->x->d, -1);
}

static Value *rope(Walk *walk, const DspOp *op, Value *x) {
  Node n = node_of(walk, op, x);
  n.back = rope_back;
  n.sum = 2;
  n.y = value_new(walk, x->stream, x->width);
  rotate(walk, op, x, x->v, n.y->v, 1);
  finish(walk, n);
  return n.y;
}

/* --- activations
 * --------------------------------------------------------------- */

static void activation_back(Walk *walk, const Node *n) {
  const DspOp *op = n->op;
  int64_t half = op->in / 2, end = n->column + op->in;
  gboolean second = dsp_gates_second(op->function);
  (void)walk;
  for (int64_t r = 0; r < n->x->rows; r++) {
    const double *x = row(n->x, r), *dy = grad(n->y, r);
    double *dx = grad(n->x, r);
    for (int64_t c = 0; c < n->column; c++)
      dx[c] += dy[c];
    for (int64_t c = end; c < n->x->width; c++)
      dx[c] += dy[c - op->in + op->out];
    for (int64_t c = 0; c < op->out; c++) {
      int64_t f = n->column + c, g = f;
      if (op->gated) {
        f += second ? half : 0;
        g += second ? 0 : half;
      }
      double over = op->gated ? x[g] : 1;
      dx[f] +=
          dy[n->column + c] * over * dsp_activate_slope(op->function, x[f]);
      if (op->gated)
        dx[g] += dy[n->column + c] * dsp_activate(op->function, x[f]);
    }
  }
}

static Value *activation(Walk *walk, const DspOp *op, Value *x) {
  Node n = node_of(walk, op, x);
  int64_t half = op->in / 2;
  gboolean second = dsp_gates_second(op->function);
  n.back = activation_back;
  n.column = dsp_op_column(walk->stage, op, x->width, op->in);
  n.y = value_new(walk, x->stream, x->width - op->in + op->out);
  for (int64_t r = 0; r < x->rows; r++) {
    const double *in = row(x, r);
    double *y = row(n.y, r);
    for (int64_t c = 0; c < n.column; c++)
      y[c] = in[c];
    for (int64_t c = n.column + op->in; c < x->width; c++)
      y[c - op->in + op->out] = in[c];
    for (int64_t c = 0; c < op->out; c++) {
      const double *a = in + n.column + c;
      y[n.column + c] = !op->gated ? dsp_activate(op->function, a[0])
                        : second   ? a[0] * dsp_activate(op->function, a[half])
                                   : dsp_activate(op->function, a[0]) * a[half];
    }
  }
  finish(walk, n);
  return n.y;
}

/* --- attention
 * ------------------------------------------------------------------ */

/* A token as attention sees it: which value, which row. */
typedef struct {
  const Value *qkv, *out;
  int64_t row;
} Token;

/* Tokens by sequence: those whose places differ in the mixed dimensions only,
 * in order, then the joint stream's. */
static GPtrArray *sequences(const Walk *walk, const Node *n) {
  const DspModel *model = walk->data->model;
  const DspStream *s = &model->streams[n->x->stream];
  int64_t tokens = tokens_of(walk, n->x->stream);
  g_autoptr(GHashTable) found =
      g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  GPtrArray *all =
      g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
  for (int64_t r = 0; r < n->x->rows; r++) {
    int64_t key = r / tokens, rest = r % tokens, stride = tokens;
    for (guint i = 0; i < s->n_dims; i++) {
      int64_t length = walk->data->lengths.length[s->dims[i]];
      stride /= length;
      if (!(n->op->over & (1u << s->dims[i])))
        key = key * length + rest / stride;
      rest %= stride;
    }
    GArray *sequence = g_hash_table_lookup(found, &key);
    if (!sequence) {
      sequence = g_array_new(FALSE, FALSE, sizeof(Token));
      g_ptr_array_add(all, sequence);
      g_hash_table_insert(found, g_memdup2(&key, sizeof key), sequence);
    }
    Token token = {n->x, n->y, r};
    g_array_append_val(sequence, token);
  }
  for (guint i = 0; n->other && i < all->len; i++) {
    GArray *sequence = all->pdata[i];
    int64_t text = tokens_of(walk, n->other->stream);
    int64_t sample = g_array_index(sequence, Token, 0).row / tokens;
    for (int64_t t = 0; t < text; t++) {
      Token token = {n->other, n->side, sample * text + t};
      g_array_append_val(sequence, token);
    }
  }
  return all;
}

/* One head of one query over keys `k` and values `v`, n of them `stride` apart
 * through an array of pointers. */
typedef struct {
  int64_t n, dim;
  const double **k, **v;
  double **dk, **dv;
  double *p;
} Keys;

static void attend(const double *q, double *y, const Keys *keys) {
  double scale = 1 / sqrt((double)keys->dim), top = -INFINITY, sum = 0;
  for (int64_t j = 0; j < keys->n; j++) {
    keys->p[j] = 0;
    for (int64_t c = 0; c < keys->dim; c++)
      keys->p[j] += q[c] * keys->k[j][c] * scale;
    top = MAX(top, keys->p[j]);
  }
  for (int64_t j = 0; j < keys->n; j++)
    sum += keys->p[j] = exp(keys->p[j] - top);
  for (int64_t j = 0; j < keys->n; j++) {
    keys->p[j] /= sum;
    for (int64_t c = 0; y && c < keys->dim; c++)
      y[c] += keys->p[j] * keys->v[j][c];
  }
}

static void attend_back(const double *q, double *dq, const double *dy,
                        const Keys *keys) {
  double scale = 1 / sqrt((double)keys->dim), mean = 0;
  g_autofree double *dp = g_new0(double, (gsize)keys->n);
  attend(q, NULL, keys);
  for (int64_t j = 0; j < keys->n; j++) {
    for (int64_t c = 0; c < keys->dim; c++) {
      dp[j] += dy[c] * keys->v[j][c];
      keys->dv[j][c] += keys->p[j] * dy[c];
    }
    mean += keys->p[j] * dp[j];
  }
  for (int64_t j = 0; j < keys->n; j++) {
    double ds = keys->p[j] * (dp[j] - mean) * scale;
    for (int64_t c = 0; c < keys->dim; c++) {
      dq[c] += ds * keys->k[j][c];
      keys->dk[j][c] += ds * q[c];
    }
  }
}

static Keys keys_new(int64_t n, int64_t dim) {
  return (Keys){n,
                dim,
                g_new(const double *, (gsize)n),
                g_new(const double *, (gsize)n),
                g_new(double *, (gsize)n),
                g_new(double *, (gsize)n),
                g_new(double, (gsize)n)};
}

static void keys_clear(Keys *keys) {
  g_free(keys->k);
  g_free(keys->v);
  g_free(keys->dk);
  g_free(keys->dv);
  g_free(keys->p);
}

static void set_key(Keys *keys, int64_t j, const Value *value, int64_t r,
                    int64_t k, int64_t v) {
  keys->k[j] = row(value, r) + k;
  keys->v[j] = row(value, r) + v;
  keys->dk[j] = grad(value, r) + k;
  keys->dv[j] = grad(value, r) + v;
}

static void one_sequence(const DspOp *op, const GArray *sequence,
                         gboolean back) {
  const Token *t = (const Token *)(void *)sequence->data;
  int64_t n = sequence->len, dim = op->head_dim;
  Keys keys = keys_new(n, dim);
  for (int64_t h = 0; h < op->heads; h++) {
    int64_t kv = h / (op->heads / op->kv_heads);
    for (int64_t j = 0; j < n; j++)
      set_key(&keys, j, t[j].qkv, t[j].row, (op->heads + kv) * dim,
              (op->heads + op->kv_heads + kv) * dim);
    for (int64_t i = 0; i < n; i++) {
      keys.n = op->causal ? i + 1 : n;
      double *q = row(t[i].qkv, t[i].row) + h * dim;
      if (back)
        attend_back(q, grad(t[i].qkv, t[i].row) + h * dim,
                    grad(t[i].out, t[i].row) + h * dim, &keys);
      else
        attend(q, row(t[i].out, t[i].row) + h * dim, &keys);
    }
  }
  keys_clear(&keys);
}

static void pass_beside(const DspOp *op, const Value *x, const Value *y,
                        gboolean back) {
  for (int64_t r = 0; x && r < x->rows; r++)
    for (int64_t c = 0; c < op->beside; c++)
      if (back)
        grad(x, r)[op->in + c] += grad(y, r)[op->out + c];
      else
        row(y, r)[op->out + c] = row(x, r)[op->in + c];
}

static void each_sequence(const Walk *walk, const Node *n, gboolean back) {
  g_autoptr(GPtrArray) all = sequences(walk, n);
  for (guint i = 0; i < all->len; i++)
    one_sequence(n->op, all->pdata[i], back);
  pass_beside(n->op, n->x, n->y, back);
  pass_beside(n->op, n->other, n->side, back);
}

static void attention_back(Walk *walk, const Node *n) {
  each_sequence(walk, n, TRUE);
}

static void attention(Walk *walk, const DspOp *op) {
  Node n = node_of(walk, op, walk->chain[op->stream]);
  n.back = attention_back;
  n.y = value_new(walk, op->stream, op->out + op->beside);
  if (op->joint >= 0) {
    n.other = walk->chain[op->joint];
    n.side = value_new(walk, (guint)op->joint, op->out + op->beside);
  }
  n.sum = op->head_dim +
          dsp_op_mixing(walk->data->model, op, &walk->data->lengths).keys;
  each_sequence(walk, &n, FALSE);
  finish(walk, n);
  walk->chain[op->stream] = n.y;
  if (op->joint >= 0)
    walk->chain[op->joint] = n.side;
}

static void cross(const Walk *walk, const Node *n, gboolean back) {
  const DspOp *op = n->op;
  int64_t batch = walk->data->batch, dim = op->head_dim;
  int64_t text = n->other->rows / batch, tokens = n->x->rows / batch;
  Keys keys = keys_new(text, dim);
  for (int64_t b = 0; b < batch; b++)
    for (int64_t h = 0; h < op->heads; h++) {
      int64_t kv = h / (op->heads / op->kv_heads);
      for (int64_t j = 0; j < text; j++)
        set_key(&keys, j, n->other, b * text + j, kv * dim,
                (op->kv_heads + kv) * dim);
      for (int64_t r = b * tokens; r < (b + 1) * tokens; r++)
        if (back)
          attend_back(row(n->x, r) + h * dim, grad(n->x, r) + h * dim,
                      grad(n->y, r) + h * dim, &keys);
        else
          attend(row(n->x, r) + h * dim, row(n->y, r) + h * dim, &keys);
    }
  keys_clear(&keys);
}

static void cross_back(Walk *walk, const Node *n) {
  cross(walk, n, TRUE);
}

static void cross_attention(Walk *walk, const DspOp *op) {
  Node n = node_of(walk, op, walk->chain[op->stream]);
  n.back = cross_back;
  n.other = walk->chain[op->source];
  n.y = value_new(walk, op->stream, op->out);
  n.sum = op->head_dim + tokens_of(walk, (guint)op->source);
  cross(walk, &n, FALSE);
  finish(walk, n);
  walk->chain[op->stream] = n.y;
}

/* --- the walk
 * --------------------------------------------------------------------- */

static Value *(*const unary[DSP_N_OPS])(Walk *, const DspOp *, Value *) = {
    [DSP_OP_NORM] = norm,
    [DSP_OP_MODULATE] = modulate,
    [DSP_OP_QK_NORM] = norm,
    [DSP_OP_ROPE] = rope,
    [DSP_OP_ACTIVATION] = activation,
    [DSP_OP_LINEAR] = linear,
};

static void on_both(Walk *walk, const DspOp *op) {
  const int streams[] = {(int)op->stream, op->shared_with};
  for (guint i = 0; i < G_N_ELEMENTS(streams) && streams[i] >= 0; i++) {
    guint s = (guint)streams[i];
    if (op->kind == DSP_OP_RESIDUAL)
      walk->stream[s] = walk->chain[s] =
          residual(walk, op, walk->stream[s], walk->chain[s]);
    else
      walk->chain[s] = unary[op->kind](walk, op, walk->chain[s]);
  }
  if (op->kind == DSP_OP_MODULATE)
    walk->column += 2 * op->in;
}

static void walk_op(Walk *walk, const DspOp *op) {
  if (op->kind == DSP_OP_ATTENTION)
    attention(walk, op);
  else if (op->kind == DSP_OP_CROSS_ATTENTION)
    cross_attention(walk, op);
  else if (op->kind != DSP_OP_PARAMETERS)
    on_both(walk, op);
}

/* A stage without a residual sum replaces its stream, if it ends as wide. */
static void walk_stage(Walk *walk, const DspStage *stage) {
  walk->stage = stage;
  memcpy(walk->chain, walk->stream, sizeof walk->chain);
  for (guint i = 0; i < stage->n_ops; i++)
    walk_op(walk, &stage->ops[i]);
  if (walk->chain[stage->stream]->width ==
      walk->data->model->streams[stage->stream].width)
    walk->stream[stage->stream] = walk->chain[stage->stream];
}

static void walk_block(Walk *walk, const DspBlock *block, gboolean trunk) {
  Value *vectors = walk->vectors;
  walk->block = block;
  for (int64_t k = 0; k < block->count; k++) {
    walk->repetition = k;
    walk->column = 0;
    for (guint i = 0; i < block->n_stages; i++)
      walk_stage(walk, &block->stages[i]);
    if (trunk)
      walk->vectors = vectors;
  }
}

static void walk_model(Walk *walk) {
  const DspModel *model = walk->data->model;
  const DspBlock *block;
  for (guint i = 0; i < model->n_streams; i++) {
    walk->stream[i] = value_new(walk, i, walk->data->input_width[i]);
    memcpy(walk->stream[i]->v, walk->data->inputs[i],
           sizeof(double) *
               (gsize)(walk->stream[i]->rows * walk->stream[i]->width));
    walk->chain[i] = walk->stream[i];
  }
  for (guint i = 0; (block = dsp_model_part(model, i)); i++)
    walk_block(walk, block, block != &model->before && block != &model->after);
}

/* --- loss and gradients
 * ------------------------------------------------------------- */

static void take_output(Walk *walk) {
  Value *y = walk->chain[0];
  DspReference *result = walk->result;
  int64_t n = y->rows * y->width;
  result->n_output = n;
  result->output = g_memdup2(y->v, sizeof(double) * (gsize)n);
  for (int64_t i = 0; i < n; i++) {
    double error = y->v[i] - walk->data->target[i];
    result->loss += error * error / (double)n;
    y->d[i] = 2 * error / (double)n;
  }
}

static void go_back(Walk *walk) {
  for (guint i = walk->nodes->len; i-- > 0;) {
    const Node *n = &g_array_index(walk->nodes, Node, i);
    Value *made[] = {n->y, n->side};
    for (guint j = 0; j < G_N_ELEMENTS(made); j++)
      if (made[j])
        disturb_sum(walk, made[j]->d, made[j]->rows * made[j]->width, n->sum);
    n->back(walk, n);
  }
}

/* The gradient of a weight is a sum over all rows. */
static void disturb_gradients(Walk *walk) {
  const DspModel *model = walk->data->model;
  const DspBlock *block;
  for (guint i = 0; (block = dsp_model_part(model, i)); i++)
    for (int64_t k = 0; k < block->count; k++)
      for (guint j = 0; j < block->n_stages; j++)
        for (guint o = 0; o < block->stages[j].n_ops; o++) {
          const DspOp *op = &block->stages[j].ops[o];
          disturb_sum(walk,
                      walk->result->gradients +
                          dsp_data_offset(walk->data, block, k, op),
                      dsp_op_numbers(op),
                      walk->data->batch *
                          dsp_op_tokens(model, op, &walk->data->lengths));
        }
}

/* What is not trained has no gradient. */
static void clear_untrained(const Walk *walk) {
  const DspBlock *block;
  for (guint i = 0; (block = dsp_model_part(walk->data->model, i)); i++)
    for (int64_t k = 0; k < block->count; k++)
      for (guint j = 0; j < block->n_stages; j++)
        for (guint o = 0; o < block->stages[j].n_ops; o++) {
          const DspOp *op = &block->stages[j].ops[o];
          if (op->parameters == 0 || op->kind == DSP_OP_PARAMETERS)
            memset(walk->result->gradients +
                       dsp_data_offset(walk->data, block, k, op),
                   0, sizeof(double) * (gsize)dsp_op_numbers(op));
        }
}

/* The first norm of a stage may take an input that is no stream's; only the
 * first operation of all on its stream has one. */
static gboolean has_input(const DspModel *model, const DspStage *stage,
                          const DspOp *op) {
  gboolean first = stage == &model->before.stages[0];
  for (const DspOp *o = stage->ops; o < op; o++)
    if (o->stream == op->stream)
      return TRUE;
  for (const DspStage *s = model->before.stages;
       !first && s < model->before.stages + model->before.n_stages; s++) {
    first = s == stage;
    if (s->stream == op->stream)
      break;
  }
  return first || op->kind != DSP_OP_NORM ||
         op->in + op->beside == model->streams[op->stream].width;
}

/* The joint stream's tokens join one sequence a sample. */
static gboolean joins_many(const DspModel *model, const DspOp *op) {
  const DspStream *s = &model->streams[op->stream];
  DspDimSet all = 0;
  for (guint i = 0; i < s->n_dims; i++)
    all |= 1u << s->dims[i];
  return op->joint >= 0 && (op->over & all) != all;
}

/* Why `op` has no function here, or NULL. */
static const char *obstacle(const DspModel *model, const DspStage *stage,
                            const DspOp *op) {
  static const char *const kinds[DSP_N_OPS] = {
      [DSP_OP_LINEAR_ATTENTION] = "linear attention",
      [DSP_OP_TRIANGLE] = "a triangle multiplication",
      [DSP_OP_OUTER_PRODUCT] = "an outer product"};
  if (kinds[op->kind])
    return kinds[op->kind];
  if (op->global)
    return "an operand that every rank needs whole";
  if (op->window > 1)
    return "windows";
  if (joins_many(model, op))
    return "joint tokens in many sequences";
  return has_input(model, stage, op) ? NULL : "columns of another block";
}

gboolean dsp_reference_can(const DspModel *model, GError **error) {
  const DspBlock *block;
  for (guint i = 0; (block = dsp_model_part(model, i)); i++)
    for (guint j = 0; j < block->n_stages; j++)
      for (guint k = 0; k < block->stages[j].n_ops; k++) {
        const DspStage *stage = &block->stages[j];
        const char *reason = obstacle(model, stage, &stage->ops[k]);
        if (!reason)
          continue;
        g_set_error(error, DSP_ERROR, DSP_ERROR_INFEASIBLE,
                    "'%s' of '%s' cannot be computed yet: %s",
                    stage->ops[k].name, stage->name, reason);
        return FALSE;
      }
  return TRUE;
}

DspReference *dsp_reference_new(const DspData *data, gboolean train,
                                const DspNoise *noise, GError **error) {
  if (!dsp_reference_can(data->model, error))
    return NULL;
  DspReference *result = g_new0(DspReference, 1);
  result->n_gradients = data->n;
  result->gradients = g_new0(double, (gsize)data->n);
  Walk walk = {.data = data, .noise = noise, .result = result};
  walk.rng = gsl_rng_alloc(gsl_rng_mt19937);
  gsl_rng_set(walk.rng, noise ? noise->seed : 0);
  walk.values = g_ptr_array_new_with_free_func(value_free);
  walk.nodes = g_array_new(FALSE, FALSE, sizeof(Node));
  walk_model(&walk);
  take_output(&walk);
  if (train) {
    go_back(&walk);
    disturb_gradients(&walk);
    clear_untrained(&walk);
  }
  g_array_unref(walk.nodes);
  g_ptr_array_unref(walk.values);
  gsl_rng_free(walk.rng);
  return result;
}

void dsp_reference_free(DspReference *reference) {
  if (!reference)
    return;
  g_free(reference->output);
  g_free(reference->gradients);
  g_free(reference);
}
