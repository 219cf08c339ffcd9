/* SPDX-License-Identifier: Apache-2.0 */
/* What holds for every GPU and shape: lower bounds, monotony, edges. Shapes are
 * random from a fixed seed. */
#include "test_kernel.h"
#include <gsl/gsl_rng.h>

static const char *const gpu_names[] = {
    "a100-sxm-80", "h100-sxm", "h200-sxm", "b200-sxm", "gb200",
    "l40s",        "l20",      "a40",      "mi300x",   "v100-sxm2"};
#define SHAPES 300

static const DspClocks both_clocks[] = {DSP_CLOCKS_SUSTAINED, DSP_CLOCKS_BURST};

/* A whole number from 1 to `most`, all orders of magnitude alike. */
static int64_t random_extent(gsl_rng *rng, double most) {
  return (int64_t)exp(gsl_rng_uniform(rng) * log(most));
}

static DspGemm random_gemm(gsl_rng *rng) {
  return (DspGemm){random_extent(rng, 300e3), random_extent(rng, 70e3),
                   random_extent(rng, 70e3), DSP_DTYPE_FP16};
}

static DspAttentionShape random_attention(gsl_rng *rng) {
  const int64_t heads = random_extent(rng, 64);
  return (DspAttentionShape){
      .batch = random_extent(rng, 4000),
      .heads = heads,
      .kv_heads = heads,
      .head_dim = 8 * random_extent(rng, 32),
      .seq_q = random_extent(rng, 100e3),
      .seq_k = random_extent(rng, 100e3),
      .causal = FALSE,
      .dtype = DSP_DTYPE_FP16,
  };
}

static char *attention_text(const DspGpu *gpu, const DspAttentionShape *s,
                            int kernel, int direction) {
  return g_strdup_printf("%s %s %s b%d h%d d%d q%d k%d", gpu->name,
                         dsp_attention_kernel_names[kernel],
                         direction ? "backward" : "forward", (int)s->batch,
                         (int)s->heads, (int)s->head_dim, (int)s->seq_q,
                         (int)s->seq_k);
}

/* --- lower bounds --------------------------------------------------------- */

static void check_gemm_bounds(const DspGpu *gpu, const DspGemm *g) {
  const double flop = 2.0 * g->m * g->n * g->k;
  const double bytes =
      2.0 * ((double)g->m * g->k + (double)g->k * g->n + (double)g->m * g->n);
  for (guint i = 0; i < G_N_ELEMENTS(both_clocks); i++) {
    const double t = dsp_gemm_time(gpu, g, both_clocks[i]);
    DSP_CHECK(isfinite(t) && t >= dsp_flop_bound(gpu, flop, g->dtype) &&
                  t >= dsp_bytes_bound(gpu, bytes),
              "%s: %dx%dx%d in %g s", gpu->name, (int)g->m, (int)g->n,
              (int)g->k, t);
  }
}

/* Reads q, k, v (and o, do) and writes o (dq, dk, dv) once at least. */
static void check_attention_bounds(const DspGpu *gpu,
                                   const DspAttentionShape *s) {
  const double sequences = (double)s->batch * s->heads;
  const double rows = sequences * (s->seq_q + s->seq_k);
  const double scores = sequences * s->seq_q * s->seq_k;
  for (int kernel = 0; kernel < DSP_N_ATTENTION_KERNELS; kernel++) {
    for (int direction = 0; direction < 2; direction++) {
      g_autofree char *text = attention_text(gpu, s, kernel, direction);
      const double flop = (direction ? 10 : 4) * scores * s->head_dim;
      const double bytes = (direction ? 8 : 4) * rows * s->head_dim;
      const double t =
          dsp_attention_time(gpu, s, (DspDirection)direction,
                             (DspAttentionKernel)kernel, DSP_CLOCKS_BURST);
      const double sustained =
          dsp_attention_time(gpu, s, (DspDirection)direction,
                             (DspAttentionKernel)kernel, DSP_CLOCKS_SUSTAINED);
      DSP_CHECK(isfinite(sustained) && sustained >= t &&
                    t >= dsp_bytes_bound(gpu, bytes) &&
                    (kernel == DSP_KERNEL_NATIVE ||
                     t >= dsp_flop_bound(gpu, flop, s->dtype)),
                "%s: %g s", text, t);
    }
  }
}

static void test_bounds(void) {
  gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
  for (guint i = 0; i < G_N_ELEMENTS(gpu_names); i++) {
    g_autoptr(DspGpu) gpu = dsp_test_gpu(gpu_names[i]);
    for (guint j = 0; j < SHAPES; j++) {
      const DspGemm gemm = random_gemm(rng);
      const DspAttentionShape shape = random_attention(rng);
      const int64_t bytes = random_extent(rng, 1e11);
      check_gemm_bounds(gpu, &gemm);
      check_attention_bounds(gpu, &shape);
      for (int op = 0; op < DSP_N_MEMORY_OPS; op++)
        DSP_CHECK(dsp_memory_time(gpu, (DspMemoryOp)op, bytes, op % 2) >=
                      dsp_bytes_bound(gpu, bytes),
                  "%s: %s", gpu->name, dsp_memory_op_names[op]);
    }
  }
  gsl_rng_free(rng);
}

/* --- faster hardware ------------------------------------------------------ */

typedef void (*Improvement)(DspGpu *gpu);

static void double_peak(DspGpu *gpu) {
  for (int i = 0; i < DSP_N_DTYPES; i++)
    gpu->peak[i] *= 2;
  gpu->vector_flops *= 2;
}
static void double_bandwidth(DspGpu *gpu) {
  gpu->memory_bandwidth *= 2;
}
static void lower_scale(DspGpu *gpu) {
  gpu->compute_scale *= 0.9;
}

static void check_faster(const DspGpu *slow, const DspGpu *fast, gsl_rng *rng) {
  const DspGemm gemm = random_gemm(rng);
  const DspAttentionShape s = random_attention(rng);
  /* a rounding of the last digit is no slowdown */
  const double slack = 1 + 1e-12;
  DSP_CHECK(dsp_gemm_time(fast, &gemm, 0) <=
                slack * dsp_gemm_time(slow, &gemm, 0),
            "%s: %dx%dx%d", slow->name, (int)gemm.m, (int)gemm.n, (int)gemm.k);
  for (int kernel = 0; kernel < DSP_N_ATTENTION_KERNELS; kernel++)
    for (int direction = 0; direction < 2; direction++) {
      g_autofree char *text = attention_text(slow, &s, kernel, direction);
      DSP_CHECK(dsp_attention_time(fast, &s, (DspDirection)direction,
                                   (DspAttentionKernel)kernel, 0) <=
                    slack * dsp_attention_time(slow, &s,
                                               (DspDirection)direction,
                                               (DspAttentionKernel)kernel, 0),
                "%s", text);
    }
}

static void test_faster_hardware(void) {
  static const Improvement improvements[] = {double_peak, double_bandwidth,
                                             lower_scale};
  gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
  for (guint i = 0; i < G_N_ELEMENTS(gpu_names); i++) {
    g_autoptr(DspGpu) slow = dsp_test_gpu(gpu_names[i]);
    for (guint k = 0; k < G_N_ELEMENTS(improvements); k++) {
      DspGpu fast = *slow; /* borrows the strings */
      improvements[k](&fast);
      for (guint j = 0; j < SHAPES; j++)
        check_faster(slow, &fast, rng);
    }
  }
  gsl_rng_free(rng);
}

/* --- more work ------------------------------------------------------------ */

/* Twice the rows cost no less: tiles that were there stay there. */
static void test_more_work(void) {
  gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
  for (guint i = 0; i < G_N_ELEMENTS(gpu_names); i++) {
    g_autoptr(DspGpu) gpu = dsp_test_gpu(gpu_names[i]);
    for (guint j = 0; j < SHAPES; j++) {
      const DspGemm small = random_gemm(rng);
      DspGemm large = small;
      large.m *= 2;
      DSP_CHECK(dsp_gemm_time(gpu, &large, 0) >= dsp_gemm_time(gpu, &small, 0),
                "%s: 2x%dx%dx%d", gpu->name, (int)small.m, (int)small.n,
                (int)small.k);
      const DspAttentionShape few = random_attention(rng);
      DspAttentionShape many = few;
      many.batch *= 2;
      for (int kernel = 0; kernel < DSP_N_ATTENTION_KERNELS; kernel++) {
        g_autofree char *text = attention_text(gpu, &few, kernel, 1);
        DSP_CHECK(dsp_attention_time(gpu, &many, DSP_BACKWARD,
                                     (DspAttentionKernel)kernel, 0) >=
                      dsp_attention_time(gpu, &few, DSP_BACKWARD,
                                         (DspAttentionKernel)kernel, 0),
                  "%s", text);
      }
    }
  }
  gsl_rng_free(rng);
}

/* A causal mask spares work, but never more than all. */
static void test_causal(void) {
  g_autoptr(DspGpu) gpu = dsp_test_gpu("h200-sxm");
  for (int64_t length = 16; length <= 65536; length *= 2) {
    DspAttentionShape s = {2, 16, 16, 64, length, length, FALSE, 0};
    const double whole = dsp_attention_time(gpu, &s, 0, DSP_KERNEL_FA2, 0);
    s.causal = TRUE;
    const double half = dsp_attention_time(gpu, &s, 0, DSP_KERNEL_FA2, 0);
    DSP_CHECK(half > whole / 2.2 && half <= 1.05 * whole,
              "%d tokens: %g s causal, %g s whole", (int)length, half, whole);
  }
}

/* --- edges ---------------------------------------------------------------- */

static void test_nothing(void) {
  g_autoptr(DspGpu) gpu = dsp_test_gpu("h100-sxm");
  const DspGemm no_rows = {0, 8, 8, 0}, no_sum = {8, 8, 0, 0};
  const DspAttentionShape no_keys = {1, 1, 1, 64, 8, 0, FALSE, 0};
  CU_ASSERT_EQUAL(dsp_gemm_time(gpu, &no_rows, 0), 0);
  CU_ASSERT_EQUAL(dsp_gemm_time(gpu, &no_sum, 0), 0);
  CU_ASSERT_EQUAL(dsp_attention_time(gpu, &no_keys, 0, DSP_KERNEL_FA3, 0), 0);
  CU_ASSERT_EQUAL(dsp_memory_time(gpu, DSP_MEMORY_COPY, 0, FALSE), 0);
}

/* Extents whose products do not fit into 64 bits give a large time. */
static void test_huge(void) {
  g_autoptr(DspGpu) gpu = dsp_test_gpu("h100-sxm");
  const int64_t huge = INT64_C(1) << 53;
  const DspGemm gemm = {huge, huge, huge, DSP_DTYPE_FP8};
  const DspAttentionShape s = {huge, huge, huge, 128, huge, huge, TRUE, 0};
  DSP_CHECK(dsp_gemm_time(gpu, &gemm, 0) > 1e20, "huge product");
  for (int kernel = 0; kernel < DSP_N_ATTENTION_KERNELS; kernel++)
    for (int direction = 0; direction < 2; direction++)
      DSP_CHECK(dsp_attention_time(gpu, &s, (DspDirection)direction,
                                   (DspAttentionKernel)kernel, 0) > 1e20,
                "huge attention, kernel %d", kernel);
  DSP_CHECK(dsp_memory_time(gpu, DSP_MEMORY_COPY, INT64_MAX, TRUE) > 1e6,
            "huge copy");
}

/* A kernel that the GPU has no constants for is the nearest that it has. */
static void test_fallback(void) {
  static const struct {
    const char *gpu;
    DspAttentionKernel wanted, taken;
  } cases[] = {
      {"a100-sxm-80", DSP_KERNEL_FA3, DSP_KERNEL_FA2},
      {"a100-sxm-80", DSP_KERNEL_CUDNN, DSP_KERNEL_FA2},
      {"h100-sxm", DSP_KERNEL_FA4, DSP_KERNEL_FA3},
      {"b200-sxm", DSP_KERNEL_FA3, DSP_KERNEL_FA4},
  };
  const DspAttentionShape s = {2, 16, 16, 72, 4096, 4096, FALSE, 0};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(DspGpu) gpu = dsp_test_gpu(cases[i].gpu);
    DSP_CHECK_NEAR(dsp_attention_time(gpu, &s, 0, cases[i].wanted, 0),
                   dsp_attention_time(gpu, &s, 0, cases[i].taken, 0), 0);
  }
}

CU_TestInfo property_tests[] = {
    {"never below the bounds", test_bounds},
    {"faster hardware is not slower", test_faster_hardware},
    {"more work is not faster", test_more_work},
    {"causal attention", test_causal},
    {"no work takes no time", test_nothing},
    {"huge extents", test_huge},
    {"kernels that a GPU lacks", test_fallback},
    CU_TEST_INFO_NULL,
};
