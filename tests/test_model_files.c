/* SPDX-License-Identifier: Apache-2.0 */
/* The shipped models: counts, sources, how they are split. */
#include "base/paths.h"
#include "test_model.h"

/* Trainable numbers. Those marked exact are the totals of published weights
 * or of the authors' modules, found elsewhere; the others are what the files
 * make, and must agree with the published figure in the file. */
static const struct {
  const char *name;
  int64_t parameters;
  gboolean exact;
} counts[] = {
    {"axial-3d", 505507584, FALSE},
    {"cogvideox-2b", 1693783872, FALSE},
    {"cogvideox-5b", 5570283072, TRUE},
    {"cogvideox1.5-5b", 5570676352, FALSE},
    {"consisid", 5570479680, FALSE},
    {"evoformer", 87837696, FALSE},
    {"flux.1-dev", 11901408320, TRUE},
    {"flux.1-schnell", 11891178560, FALSE},
    {"hunyuandit", 1499952032, FALSE},
    {"hunyuanvideo", 12821012544, FALSE},
    {"latte-1", 1057246880, FALSE},
    {"llama-2-7b", 6738415616, TRUE},
    {"llama-3-8b", 8030261248, TRUE},
    {"mochi-1", 10027677744, FALSE},
    {"open-sora-1.0", 759620768, TRUE},
    {"open-sora-1.1", 765827744, FALSE},
    {"open-sora-1.2", 1207643936, FALSE},
    {"open-sora-1.3", 1207959680, FALSE},
    {"open-sora-2.0", 11891390528, FALSE},
    {"open-sora-plan-1.1", 1057246880, FALSE},
    {"open-sora-plan-1.2", 2771907856, FALSE},
    {"pixart-alpha", 611349152, FALSE},
    {"qwen-image", 20430401088, TRUE},
    {"sana-1.6b", 1604462752, FALSE},
    {"sd3-medium", 2028328000, TRUE},
    {"skyreels-v1", 12821012544, FALSE},
    {"step-video-t2v", 29342478400, FALSE},
    {"timesformer", 121392558, FALSE},
    {"transformer-2d-3b", 3064186912, FALSE},
    {"transformer-2d-720m", 759620768, TRUE},
    {"vchitect-2.0", 2424947776, FALSE},
    {"wan2.1-i2v-14b", 16394878784, FALSE},
    {"wan2.1-t2v-1.3b", 1418996800, TRUE},
    {"wan2.1-t2v-14b", 14288491584, TRUE},
    {"wan2.2-t2v-a14b", 14288491584, TRUE},
};

/* No published figure is of the part that the file holds. */
static const char *const unpublished[] = {"axial-3d", "consisid", "evoformer",
                                          "wan2.1-i2v-14b", NULL};

static void test_parameters(void) {
  for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
    g_autoptr(DspModel) model = dsp_test_model(counts[i].name);
    const int64_t got = dsp_model_parameters(model);
    const int64_t published = model->published_parameters;
    DSP_CHECK(got == counts[i].parameters,
              "%s: got %" G_GINT64_FORMAT
              " parameters, want %s%" G_GINT64_FORMAT,
              counts[i].name, got, counts[i].exact ? "exactly " : "",
              counts[i].parameters);
    if (g_strv_contains(unpublished, counts[i].name))
      DSP_CHECK(published == 0, "%s publishes a figure", counts[i].name);
    else
      DSP_CHECK(ABS(got - published) <= model->published_within,
                "%s: %" G_GINT64_FORMAT
                " is not the published %" G_GINT64_FORMAT
                " within %" G_GINT64_FORMAT,
                counts[i].name, got, published, model->published_within);
  }
}

/* The table above knows every file, so that none goes untested. */
static void test_all_are_counted(void) {
  g_auto(GStrv) names = dsp_list_data("models");
  DSP_CHECK_INT(g_strv_length(names), G_N_ELEMENTS(counts));
  for (guint i = 0; names[i] && i < G_N_ELEMENTS(counts); i++)
    DSP_CHECK_STRING(names[i], counts[i].name);
}

static void check_provenance(const char *name, const cJSON *object) {
  const cJSON *source = cJSON_GetObjectItemCaseSensitive(object, "source");
  DSP_CHECK(cJSON_IsString(source) && strlen(source->valuestring) > 10,
            "%s: '%s' has no source", name, object->string);
}

static void test_sources(void) {
  for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
    g_autoptr(DspModel) model = dsp_test_model(counts[i].name);
    const cJSON *root = dsp_json_root(model->json);
    const cJSON *published =
        cJSON_GetObjectItemCaseSensitive(root, "published");
    check_provenance(counts[i].name, root);
    if (published)
      check_provenance(counts[i].name, published);
    DSP_CHECK_STRING(model->name, counts[i].name);
    DSP_CHECK_INT(strlen(model->sha256), 64);
    DSP_CHECK(g_str_has_suffix(model->file, ".json"), "%s", model->file);
    DSP_CHECK(model->title && model->hidden > 0 && model->heads > 0, "%s",
              counts[i].name);
  }
}

/* --- tensor parallelism, streams ----------------------------------------- */

static const DspOp *find_op(const DspModel *model, const char *stage,
                            const char *name, const char *stream) {
  const int on = dsp_model_stream(model, stream);
  const DspBlock *block;
  for (guint p = 0; (block = dsp_model_part(model, p)); p++)
    for (guint i = 0; i < block->n_stages; i++)
      for (guint j = 0; j < block->stages[i].n_ops; j++) {
        const DspOp *op = &block->stages[i].ops[j];
        if (!strcmp(block->stages[i].name, stage) && !strcmp(op->name, name) &&
            (int)op->stream == on)
          return op;
      }
  DSP_CHECK(FALSE, "%s has no %s / %s on %s", model->name, stage, name, stream);
  abort();
}

static const struct {
  const char *model, *stage, *op, *stream;
  DspTpSplit tp;
} splits[] = {
    {"transformer-2d-720m", "patch embedding", "patch", "x", DSP_TP_NONE},
    {"transformer-2d-720m", "caption embedding", "fc1", "text", DSP_TP_NONE},
    {"transformer-2d-720m", "modulation", "adaLN", "cond", DSP_TP_NONE},
    {"transformer-2d-720m", "spatial attention", "qkv", "x", DSP_TP_COLUMN},
    {"transformer-2d-720m", "spatial attention", "proj", "x", DSP_TP_ROW},
    {"transformer-2d-720m", "cross-attention", "q", "x", DSP_TP_COLUMN},
    {"transformer-2d-720m", "cross-attention", "kv", "text", DSP_TP_COLUMN},
    {"transformer-2d-720m", "cross-attention", "proj", "x", DSP_TP_ROW},
    {"transformer-2d-720m", "mlp", "fc1", "x", DSP_TP_COLUMN},
    {"transformer-2d-720m", "mlp", "fc2", "x", DSP_TP_ROW},
    {"transformer-2d-720m", "final layer", "linear", "x", DSP_TP_NONE},
    {"flux.1-dev", "joint attention", "modulation", "cond", DSP_TP_NONE},
    {"flux.1-dev", "joint attention", "qkv", "text", DSP_TP_COLUMN},
    {"flux.1-dev", "joint attention", "proj", "text", DSP_TP_ROW},
    {"flux.1-dev", "mlp", "fc2", "x", DSP_TP_ROW},
    {"flux.1-dev", "mlp", "fc1", "text", DSP_TP_COLUMN},
    {"flux.1-dev", "attention and mlp", "qkv and fc1", "x", DSP_TP_COLUMN},
    {"flux.1-dev", "attention and mlp", "proj and fc2", "x", DSP_TP_ROW},
    {"hunyuandit", "skip connection", "skip_linear", "x", DSP_TP_NONE},
};

static void test_splits(void) {
  for (guint i = 0; i < G_N_ELEMENTS(splits); i++) {
    g_autoptr(DspModel) model = dsp_test_model(splits[i].model);
    const DspOp *op =
        find_op(model, splits[i].stage, splits[i].op, splits[i].stream);
    DSP_CHECK(op->tp == splits[i].tp, "%s, %s, %s on %s: got split %d",
              splits[i].model, splits[i].stage, splits[i].op, splits[i].stream,
              op->tp);
  }
}

/* A single block of FLUX: the MLP passes beside attention, and attention
 * beside the MLP's activation; text has the same weights. */
static void test_parallel_block(void) {
  g_autoptr(DspModel) model = dsp_test_model("flux.1-dev");
  const char *stage = "attention and mlp";
  const DspOp *attention = find_op(model, stage, "attention", "x");
  const DspOp *gelu = find_op(model, stage, "activation", "x");
  const DspOp *proj = find_op(model, stage, "proj and fc2", "x");
  const int text = dsp_model_stream(model, "text");
  DSP_CHECK_INT(attention->in, 3 * 3072);
  DSP_CHECK_INT(attention->out, 3072);
  DSP_CHECK_INT(attention->beside, 12288);
  DSP_CHECK_INT(attention->joint, text);
  DSP_CHECK_INT(gelu->in, 12288);
  DSP_CHECK_INT(gelu->beside, 3072);
  DSP_CHECK_INT(proj->in, 3072 + 12288);
  DSP_CHECK_INT(proj->shared_with, text);
  DSP_CHECK_INT(find_op(model, stage, "modulation", "cond")->shared_with, -1);
}

/* Queries and keys of an operation lie in the columns that it touches. */
static void test_query_columns(void) {
  g_autoptr(DspModel) llama = dsp_test_model("llama-3-8b");
  const DspOp *rope = find_op(llama, "attention", "rope", "x");
  DSP_CHECK_INT(rope->in, (32 + 8) * 128);
  DSP_CHECK_INT(rope->beside, 8 * 128);
  g_autoptr(DspModel) wan = dsp_test_model("wan2.1-t2v-1.3b");
  DSP_CHECK_INT(find_op(wan, "attention", "qk_norm", "x")->parameters,
                2 * 1536);
  g_autoptr(DspModel) cog = dsp_test_model("cogvideox-2b");
  DSP_CHECK_INT(find_op(cog, "attention", "qk_norm", "x")->parameters, 4 * 64);
}

static void test_shape(void) {
  g_autoptr(DspModel) model = dsp_test_model("open-sora-1.2");
  DSP_CHECK_INT(model->home_dim, dsp_model_dim(model, "S"));
  DSP_CHECK_INT(model->text_dim, dsp_model_dim(model, "L"));
  DSP_CHECK_INT(dsp_model_dim(model, "X"), -1);
  DSP_CHECK_INT(dsp_model_stream(model, "pair"), -1);
  DSP_CHECK_INT(model->evaluations, 30);
  DSP_CHECK_INT(model->guidance, 2);
  DSP_CHECK(!model->streams[1].sharded && !model->streams[2].sharded,
            "text and conditioning are whole");
  DSP_CHECK_INT(model->blocks[0].stages[0].over,
                1 << dsp_model_dim(model, "S"));
  DSP_CHECK_INT(model->blocks[0].stages[1].over, 0);
  g_autoptr(DspModel) image = dsp_test_model("flux.1-dev");
  DSP_CHECK_INT(image->home_dim, -1);
  DSP_CHECK_INT(image->guidance, 1);
}

/* The example of dspsim-model(5) is a model. */
static void test_manual(void) {
  static const char begin[] = ".Bd -literal\n{\n  \"schema\"", end[] = "\n.Ed";
  g_autoptr(GError) error = NULL;
  g_autofree char *path = dsp_test_path("man/dspsim-model.5");
  g_autofree char *page = NULL;
  g_file_get_contents(path, &page, NULL, &error);
  DSP_CHECK_NO_ERROR(error);
  char *example = page ? strstr(page, begin) : NULL;
  char *after = example ? strstr(example, end) : NULL;
  if (!DSP_CHECK(after, "the page has no example"))
    return;
  *after = '\0';
  g_autoptr(DspModel) model =
      dsp_test_model_text(strchr(example, '\n') + 1, &error);
  DSP_CHECK_NO_ERROR(error);
  /* qkv, proj, fc1 and fc2 with bias, two norms */
  DSP_CHECK_INT(model ? dsp_model_parameters(model) : 0,
                12 * (12 * 512 * 512 + (3 + 1 + 4 + 1 + 4) * 512));
}

static void test_no_such_model(void) {
  g_autoptr(GError) error = NULL;
  DSP_CHECK(!dsp_model_load("transformer-2d-720", &error), "loads");
  DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, "transformer-2d-720m");
}

CU_TestInfo file_tests[] = {
    {"parameters are those published", test_parameters},
    {"every file is in the table", test_all_are_counted},
    {"sources and names", test_sources},
    {"tensor-parallel splits", test_splits},
    {"parallel attention and MLP", test_parallel_block},
    {"columns of queries and keys", test_query_columns},
    {"dimensions and streams", test_shape},
    {"the manual's example", test_manual},
    {"an unknown name suggests the nearest", test_no_such_model},
    CU_TEST_INFO_NULL,
};
