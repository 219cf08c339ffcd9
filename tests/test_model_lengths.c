/* SPDX-License-Identifier: Apache-2.0 */
/* Frames and pixels to lengths. Each row is a published workload: frames and
 * size in pixels as the model's authors give them, tokens as they count. */
#include "test_model.h"

static const struct {
  const char *model;
  int64_t frames, height, width;
  const char *dim[3];
  int64_t length[3];
} rows[] = {
    {"transformer-2d-720m", 512, 1024, 1024, {"T", "S"}, {512, 4096}},
    {"open-sora-1.0", 64, 512, 512, {"T", "S"}, {64, 1024}},
    {"open-sora-1.0", 16, 256, 256, {"T", "S"}, {16, 256}},
    {"open-sora-1.1", 16, 240, 424, {"T", "S"}, {16, 405}},
    {"open-sora-1.2", 17, 360, 640, {"T", "S"}, {5, 920}},
    {"open-sora-1.2", 51, 480, 848, {"T", "S"}, {15, 1590}},
    {"open-sora-1.2", 102, 720, 1280, {"T", "S"}, {30, 3600}},
    {"open-sora-1.2", 408, 720, 1280, {"T", "S"}, {120, 3600}},
    {"open-sora-1.2", 1, 720, 1280, {"T", "S"}, {1, 3600}},
    {"open-sora-1.2", 20, 720, 1280, {"T", "S"}, {6, 3600}},
    {"open-sora-1.3", 113, 720, 1280, {"T", "S"}, {29, 3600}},
    {"open-sora-2.0", 129, 768, 768, {"X"}, {76032}},
    {"latte-1", 16, 1024, 1024, {"T", "S"}, {16, 4096}},
    {"open-sora-plan-1.1", 221, 512, 512, {"T", "S"}, {56, 1024}},
    {"open-sora-plan-1.1", 65, 512, 512, {"T", "S"}, {17, 1024}},
    {"open-sora-plan-1.2", 93, 720, 1280, {"X"}, {86400}},
    {"open-sora-plan-1.2", 29, 720, 1280, {"X"}, {28800}},
    {"vchitect-2.0", 40, 432, 768, {"T", "S"}, {40, 1296}},
    {"cogvideox-2b", 49, 480, 720, {"X"}, {17550}},
    {"cogvideox-5b", 49, 480, 720, {"X"}, {17550}},
    {"consisid", 49, 480, 720, {"X"}, {17550}},
    {"cogvideox1.5-5b", 81, 768, 1360, {"X"}, {44880}},
    {"cogvideox1.5-5b", 161, 768, 1360, {"X"}, {85680}},
    {"hunyuanvideo", 129, 720, 1280, {"X"}, {118800}},
    {"hunyuanvideo", 129, 960, 960, {"X"}, {118800}},
    {"skyreels-v1", 97, 544, 960, {"X"}, {51000}},
    {"wan2.1-t2v-1.3b", 81, 480, 832, {"X"}, {32760}},
    {"wan2.1-t2v-14b", 81, 720, 1280, {"X"}, {75600}},
    {"wan2.1-i2v-14b", 81, 720, 1280, {"X", "I"}, {75600, 257}},
    {"wan2.2-t2v-a14b", 81, 720, 1280, {"X"}, {75600}},
    {"mochi-1", 49, 480, 848, {"X"}, {14310}},
    {"step-video-t2v", 204, 768, 768, {"X"}, {82944}},
    {"step-video-t2v", 204, 544, 992, {"X"}, {75888}},
    {"step-video-t2v", 136, 544, 992, {"X"}, {50592}},
    {"flux.1-dev", 1, 1024, 1024, {"X", "L"}, {4096, 512}},
    {"flux.1-dev", 0, 4096, 4096, {"X"}, {65536}},
    {"flux.1-schnell", 0, 2048, 2048, {"X", "L"}, {16384, 256}},
    {"sd3-medium", 0, 1024, 1024, {"X", "L"}, {4096, 333}},
    {"pixart-alpha", 0, 4096, 4096, {"X", "L"}, {65536, 120}},
    {"hunyuandit", 0, 2048, 2048, {"X"}, {16384}},
    {"sana-1.6b", 0, 4096, 4096, {"X"}, {16384}},
    {"qwen-image", 0, 2048, 2048, {"X"}, {16384}},
    {"timesformer", 96, 224, 224, {"T", "S"}, {96, 196}},
    {"timesformer", 16, 448, 448, {"T", "S"}, {16, 784}},
    {"axial-3d", 32, 512, 256, {"T", "H", "W"}, {32, 32, 16}},
    /* what is not given stays as it is */
    {"open-sora-1.2", 51, 0, 0, {"T", "S"}, {15, 3600}},
    {"open-sora-1.2", 0, 360, 640, {"T", "S"}, {30, 920}},
};

static void test_videos(void) {
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(DspModel) model = dsp_test_model(rows[i].model);
    DspLengths lengths = dsp_model_default_lengths(model);
    dsp_model_lengths_from_video(model, rows[i].frames, rows[i].height,
                                 rows[i].width, &lengths, &error);
    DSP_CHECK_NO_ERROR(error);
    for (guint j = 0; j < 3 && rows[i].dim[j]; j++) {
      const int dim = dsp_model_dim(model, rows[i].dim[j]);
      DSP_CHECK(dim >= 0 && lengths.length[dim] == rows[i].length[j],
                "row %u, %s: %s is %d", i, rows[i].model, rows[i].dim[j],
                dim < 0 ? -1 : (int)lengths.length[dim]);
    }
  }
}

static const struct {
  const char *model;
  int64_t frames, height, width;
  const char *says;
} refused[] = {
    {"wan2.1-t2v-14b", 80, 720, 1280, "nearest number that does is 81"},
    {"wan2.1-t2v-14b", 82, 720, 1280, "nearest number that does is 81"},
    {"wan2.1-t2v-14b", 84, 720, 1280, "nearest number that does is 85"},
    {"wan2.1-t2v-14b", 81, 721, 1280, "nearest number that does is 720"},
    {"wan2.1-t2v-14b", 81, 720, 1279, "nearest number that does is 1280"},
    {"wan2.1-t2v-14b", 81, 3, 1280, "nearest number that does is 16"},
    {"open-sora-1.2", 51, 480, 853, "nearest number that does is 856"},
    {"step-video-t2v", 200, 768, 768, "nearest number that does is 204"},
    {"step-video-t2v", 5, 768, 768, "nearest number that does is 17"},
    {"hunyuanvideo", 129, 0, 0, "give both"},
    {"hunyuanvideo", 0, 720, 1280, "give both"},
    {"hunyuanvideo", 129, 720, 0, "height and the width"},
    {"open-sora-1.0", -4, 0, 0, "1 to 2^32"},
    {"open-sora-1.0", INT64_MAX, 0, 0, "1 to 2^32"},
    {"open-sora-1.0", INT64_C(1) << 32, INT64_C(1) << 32, INT64_C(1) << 32,
     "2^60"},
    {"hunyuanvideo", (INT64_C(1) << 32) - 3, INT64_C(1) << 32, INT64_C(1) << 32,
     "cannot count"},
    {"flux.1-dev", 9, 1024, 1024, "makes images"},
    {"llama-2-7b", 9, 1024, 1024, "length of each"},
    {"evoformer", 1, 16, 16, "length of each"},
};

static void test_refused(void) {
  for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(DspModel) model = dsp_test_model(refused[i].model);
    DspLengths lengths = dsp_model_default_lengths(model), before = lengths;
    DSP_CHECK(!dsp_model_lengths_from_video(model, refused[i].frames,
                                            refused[i].height, refused[i].width,
                                            &lengths, &error),
              "row %u is accepted", i);
    DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, refused[i].says);
    DSP_CHECK(!memcmp(&lengths, &before, sizeof lengths),
              "row %u changes lengths", i);
  }
}

/* A patch of several latents in time that is not padded: latents must be a
 * multiple of it, so frames 1 + 4(2k - 1) for a causal VAE. */
static void test_patch_in_time(void) {
  static const char text[] =
      "{\"schema\":\"dspsim.model/1\",\"title\":\"t\",\"source\":\"s\","
      "\"dims\":{\"X\":{\"meaning\":\"m\",\"length\":8}},"
      "\"streams\":{\"x\":{\"dims\":[\"X\"],\"width\":8}},"
      "\"input\":{\"time\":\"X\",\"height\":\"X\",\"width\":\"X\","
      "\"vae\":{\"time\":4,\"space\":8,\"channels\":4,\"causal\":true},"
      "\"patch\":{\"time\":2,\"height\":1,\"width\":2}},"
      "\"blocks\":[{\"name\":\"b\",\"count\":1,\"stages\":[{\"name\":\"s\","
      "\"ops\":[{\"op\":\"norm\"}]}]}]}";
  static const int64_t frames[] = {5, 13, 6, 9, 10};
  static const int64_t nearest[] = {5, 13, 5, 5, 13};
  g_autoptr(GError) error = NULL;
  g_autoptr(DspModel) model = dsp_test_model_text(text, &error);
  DSP_CHECK_NO_ERROR(error);
  for (guint i = 0; model && i < G_N_ELEMENTS(frames); i++) {
    DspLengths lengths = dsp_model_default_lengths(model);
    const gboolean ok = dsp_model_lengths_from_video(model, frames[i], 16, 32,
                                                     &lengths, &error);
    DSP_CHECK_INT(ok, frames[i] == nearest[i]);
    if (ok) {
      DSP_CHECK_INT(lengths.length[0], (frames[i] + 3) / 8 * 2 * 2);
    } else {
      g_autofree char *says = g_strdup_printf("is %d", (int)nearest[i]);
      DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, says);
    }
  }
}

static void test_set_length(void) {
  static const struct {
    const char *dim;
    int64_t length;
    const char *says; /* NULL: accepted */
  } cases[] = {{"R", 384, NULL},        {"N", 1, NULL},
               {"R2", 384, "set that"}, {"N", 0, "at least 1"},
               {"R", -5, "at least 1"}, {"R", INT64_C(1) << 40, "2^60"}};
  g_autoptr(DspModel) model = dsp_test_model("evoformer");
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    DspLengths lengths = dsp_model_default_lengths(model), before = lengths;
    const guint dim = (guint)dsp_model_dim(model, cases[i].dim);
    if (!cases[i].says) {
      DSP_CHECK(
          dsp_model_set_length(model, dim, cases[i].length, &lengths, &error),
          "row %u is refused", i);
      DSP_CHECK_INT(lengths.length[dim], cases[i].length);
      DSP_CHECK_INT(lengths.length[dsp_model_dim(model, "R2")],
                    lengths.length[dsp_model_dim(model, "R")]);
    } else {
      DSP_CHECK(
          !dsp_model_set_length(model, dim, cases[i].length, &lengths, &error),
          "row %u is accepted", i);
      DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, cases[i].says);
      DSP_CHECK(!memcmp(&lengths, &before, sizeof lengths), "row %u", i);
    }
  }
}

CU_TestInfo length_tests[] = {
    {"published videos and images", test_videos},
    {"sizes that do not fit", test_refused},
    {"patches of several latents in time", test_patch_in_time},
    {"a length given by name", test_set_length},
    CU_TEST_INFO_NULL,
};
