/* SPDX-License-Identifier: Apache-2.0 */
/* FLOP of a forward pass against formulas written by hand. */
#include "test_model.h"

static DspLengths lengths_of(const DspModel *model, const char *const *names,
                             const int64_t *values) {
  g_autoptr(GError) error = NULL;
  DspLengths lengths = dsp_model_default_lengths(model);
  for (guint i = 0; names[i]; i++) {
    const int dim = dsp_model_dim(model, names[i]);
    if (dim < 0)
      abort();
    dsp_model_set_length(model, (guint)dim, values[i], &lengths, &error);
    DSP_CHECK_NO_ERROR(error);
  }
  return lengths;
}

/* Per token and block 36 C^2 + 4 S C + 4 T C + 4 L C (NUS-HPC-AI-Lab's
 * benchmark, oahzxl/OpenDiT@86869cd), plus the keys and values of the text,
 * the embedders and the final layer. */
static double divided_flop(double c, double blocks, double t, double s,
                           double l) {
  const double tokens = t * s;
  const double per_token = 36 * c * c + 4 * s * c + 4 * t * c + 4 * l * c;
  const double text = 4 * c * c * l;
  const double embed = 2 * 16 * c * tokens + 2 * l * (4096 * c + c * c) +
                       2 * (256 * c + c * c + 6 * c * c);
  return blocks * (tokens * per_token + text) + embed + 2 * c * 32 * tokens;
}

static void test_divided(void) {
  static const struct {
    const char *name;
    double width, blocks;
    int64_t t, s, l;
  } cases[] = {{"transformer-2d-720m", 1152, 28, 128, 4096, 120},
               {"transformer-2d-720m", 1152, 28, 7, 31, 13},
               {"transformer-2d-3b", 2048, 36, 128, 4096, 120},
               {"open-sora-1.0", 1152, 28, 16, 1024, 120}};
  static const char *const names[] = {"T", "S", "L", NULL};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(DspModel) model = dsp_test_model(cases[i].name);
    const int64_t values[] = {cases[i].t, cases[i].s, cases[i].l};
    const DspLengths lengths = lengths_of(model, names, values);
    DSP_CHECK_NEAR(dsp_model_forward_flop(model, &lengths),
                   divided_flop(cases[i].width, cases[i].blocks,
                                (double)cases[i].t, (double)cases[i].s,
                                (double)cases[i].l),
                   1e-12);
  }
}

/* Causal attention does half of 4 X^2 C; 2 FLOP a weight and token. */
static void test_causal(void) {
  static const struct {
    const char *name;
    double kv_width, hidden, vocabulary;
  } cases[] = {{"llama-2-7b", 4096, 11008, 32000},
               {"llama-3-8b", 1024, 14336, 128256}};
  static const char *const names[] = {"X", NULL};
  const double c = 4096, x = 5003;
  const int64_t value[] = {5003};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(DspModel) model = dsp_test_model(cases[i].name);
    const DspLengths lengths = lengths_of(model, names, value);
    const double weights =
        2 * c * c + 2 * c * cases[i].kv_width + 3 * c * cases[i].hidden;
    DSP_CHECK_NEAR(dsp_model_forward_flop(model, &lengths),
                   32 * (2 * weights * x + 2 * x * x * c) +
                       2 * c * cases[i].vocabulary * x,
                   1e-12);
  }
}

/* Text joins queries and keys; in double blocks it has weights of its own, in
 * single blocks the same ones. */
static void test_joint(void) {
  g_autoptr(DspModel) model = dsp_test_model("flux.1-dev");
  static const char *const names[] = {"X", "L", NULL};
  const int64_t values[] = {4111, 509};
  const DspLengths lengths = lengths_of(model, names, values);
  const double c = 3072, x = 4111, l = 509, n = x + l;
  const double attention = 4 * n * n * c;
  const double doubles = 2 * 12 * c * c * n + attention + 2 * 12 * c * c;
  const double singles = 2 * (7 + 5) * c * c * n + attention + 2 * 3 * c * c;
  const double embed = 2 * 64 * c * x + 2 * 4096 * c * l +
                       2 * (2 * (256 * c + c * c) + 768 * c + c * c);
  const double last = 2 * 64 * c * x + 2 * 2 * c * c;
  DSP_CHECK_NEAR(dsp_model_forward_flop(model, &lengths),
                 19 * doubles + 38 * singles + embed + last, 1e-12);
}

static const DspOp *op_of_kind(const DspModel *model, DspOpKind kind,
                               guint skip) {
  const DspBlock *block;
  for (guint p = 0; (block = dsp_model_part(model, p)); p++)
    for (guint i = 0; i < block->n_stages; i++)
      for (guint j = 0; j < block->stages[i].n_ops; j++)
        if (block->stages[i].ops[j].kind == kind && skip-- == 0)
          return &block->stages[i].ops[j];
  abort();
}

/* One operation at the file's default lengths. */
static const struct {
  const char *model;
  DspOpKind kind;
  guint skip; /* so many of the kind before it */
  int64_t sequences, queries, keys;
  double flop;
} operations[] = {
    /* 128 frames of 4096 patches, 16 heads of 72 */
    {"transformer-2d-720m", DSP_OP_ATTENTION, 0, 128, 4096, 4096,
     4.0 * 128 * 4096 * 4096 * 1152},
    {"transformer-2d-720m", DSP_OP_ATTENTION, 1, 4096, 128, 128,
     4.0 * 4096 * 128 * 128 * 1152},
    {"transformer-2d-720m", DSP_OP_CROSS_ATTENTION, 0, 1, 128 * 4096, 120,
     4.0 * 128 * 4096 * 120 * 1152},
    /* text of each frame joins its patches, and none of another frame */
    {"vchitect-2.0", DSP_OP_ATTENTION, 0, 40, 1296 + 333, 1296 + 333,
     4.0 * 40 * 1629 * 1629 * 1536},
    {"vchitect-2.0", DSP_OP_CROSS_ATTENTION, 0, 40, 1296, 333,
     4.0 * 40 * 1296 * 333 * 1536},
    /* windows of 64 patches of all 29 frames, the last one partly empty */
    {"open-sora-1.3", DSP_OP_ATTENTION, 1, 57, 64 * 29, 64 * 29,
     4.0 * 57 * 1856 * 1856 * 1152},
    /* k^T v and q(kv): 70 heads of 32 */
    {"sana-1.6b", DSP_OP_LINEAR_ATTENTION, 0, 1, 16384, 16384,
     4.0 * 16384 * 70 * 32 * 32},
    /* 256 x 256 pairs, 128 sequences, 32 channels a side */
    {"evoformer", DSP_OP_OUTER_PRODUCT, 0, 1, 65536, 128,
     2.0 * 65536 * 128 * 32 * 32},
    {"evoformer", DSP_OP_TRIANGLE, 0, 1, 65536, 256, 2.0 * 65536 * 256 * 128},
    {"evoformer", DSP_OP_ATTENTION, 1, 256, 128, 128,
     4.0 * 256 * 128 * 128 * 256},
    {"axial-3d", DSP_OP_ATTENTION, 2, 32 * 64, 64, 64,
     4.0 * 2048 * 64 * 64 * 1024},
};

static void test_operations(void) {
  for (guint i = 0; i < G_N_ELEMENTS(operations); i++) {
    g_autoptr(DspModel) model = dsp_test_model(operations[i].model);
    const DspOp *op = op_of_kind(model, operations[i].kind, operations[i].skip);
    const DspLengths lengths = dsp_model_default_lengths(model);
    const DspMixing mix = dsp_op_mixing(model, op, &lengths);
    DSP_CHECK(mix.sequences == operations[i].sequences &&
                  mix.queries == operations[i].queries &&
                  mix.keys == operations[i].keys,
              "row %u: %d sequences of %d by %d", i, (int)mix.sequences,
              (int)mix.queries, (int)mix.keys);
    DSP_CHECK_NEAR(dsp_op_flop(model, op, &lengths), operations[i].flop, 0);
  }
}

static void test_tokens(void) {
  g_autoptr(DspModel) model = dsp_test_model("cogvideox-2b");
  const DspLengths lengths = dsp_model_default_lengths(model);
  const DspStage *attention = &model->blocks[0].stages[0];
  DSP_CHECK_INT(dsp_stream_tokens(model, 0, &lengths), 17550);
  DSP_CHECK_INT(dsp_stream_tokens(model, 1, &lengths), 226);
  DSP_CHECK_INT(dsp_stream_tokens(model, 2, &lengths), 1);
  DSP_CHECK_INT(dsp_op_tokens(model, &attention->ops[2], &lengths),
                17550 + 226);
  DSP_CHECK_INT(dsp_op_tokens(model, &attention->ops[1], &lengths), 1);
  DSP_CHECK_NEAR(dsp_op_flop(model, &attention->ops[2], &lengths), 0, 0);
}

static double decode_flop(const DspModel *model, int64_t frames,
                          int64_t tokens) {
  static const char *const all[] = {"T", "S", "X"};
  const int64_t lengths[] = {frames, tokens, tokens};
  const char *names[G_N_ELEMENTS(all) + 1] = {NULL};
  int64_t values[G_N_ELEMENTS(all)];
  guint n = 0;
  for (guint i = 0; i < G_N_ELEMENTS(all); i++)
    if (dsp_model_dim(model, all[i]) >= 0) {
      names[n] = all[i];
      values[n++] = lengths[i];
    }
  const DspLengths l = lengths_of(model, names, values);
  return dsp_model_decode_flop(model, &l);
}

/* Stable Diffusion's decoder does 1,240 G multiply-adds for 512x512 pixels;
 * its attention grows with the square of the latents of a frame, not of all. */
static void test_decode(void) {
  g_autoptr(DspModel) image = dsp_test_model("pixart-alpha");
  g_autoptr(DspModel) video = dsp_test_model("open-sora-1.0");
  g_autoptr(DspModel) text = dsp_test_model("llama-2-7b");
  const double small = decode_flop(image, 1, 1024);
  const double large = decode_flop(image, 1, 4096);
  DSP_CHECK_NEAR(small, 2 * 1240e9, 0.02);
  DSP_CHECK_NEAR(large - 4 * small, 4.0 * 512 * 16384 * (16384 - 4096.0), 1e-9);
  DSP_CHECK_NEAR(decode_flop(video, 7, 1024), 7 * small, 1e-12);
  DSP_CHECK_NEAR(decode_flop(text, 1, 1024), 0, 0);
}

CU_TestInfo flop_tests[] = {
    {"divided attention", test_divided},
    {"causal attention", test_causal},
    {"joint attention", test_joint},
    {"single operations", test_operations},
    {"tokens", test_tokens},
    {"decoder", test_decode},
    CU_TEST_INFO_NULL,
};
