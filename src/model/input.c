/* SPDX-License-Identifier: Apache-2.0 */
/* Lengths: how frames and pixels become tokens, and which are allowed. */
#include "base/error.h"
#include "base/units.h"
#include "model/read.h"
#include <inttypes.h>

#define MAX_ELEMENTS (INT64_C(1) << 60)
/* Strides and sizes up to these multiply without overflow. */
#define MAX_STRIDE (INT64_C(1) << 20)
#define MAX_SIZE   (INT64_C(1) << 32)

/* --- reading ------------------------------------------------------------ */

typedef struct {
  char *time, *height, *width;
  const cJSON *vae, *patch;
} InputText;

static void input_text_clear(InputText *text) {
  g_free(text->time);
  g_free(text->height);
  g_free(text->width);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(InputText, input_text_clear)

#define FIELD(record, key, type, member, flags, doc)                           \
  { key, DSP_FIELD_##type, G_STRUCT_OFFSET(record, member), flags, NULL, doc }
#define OPTIONAL DSP_FIELD_OPTIONAL

static const DspField input_fields[] = {
    FIELD(InputText, "time", STRING, time, OPTIONAL, "dimension of frames"),
    FIELD(InputText, "height", STRING, height, 0, "dimension of rows"),
    FIELD(InputText, "width", STRING, width, 0, "dimension of columns"),
    FIELD(InputText, "vae", OBJECT, vae, OPTIONAL, "pixels to latents"),
    FIELD(InputText, "patch", OBJECT, patch, 0, "latents to tokens"),
    {NULL},
};

static const DspField vae_fields[] = {
    FIELD(DspInput, "time", COUNT, vae_time, 0, "frames of a latent"),
    FIELD(DspInput, "space", COUNT, vae_space, 0, "pixels of a latent's side"),
    FIELD(DspInput, "channels", COUNT, latent_channels, 0, "of a latent"),
    FIELD(DspInput, "causal", BOOL, vae_causal, OPTIONAL,
          "the first frame is a latent of its own"),
    FIELD(DspInput, "pads", BOOL, vae_pads, OPTIONAL,
          "frames are padded to whole latents"),
    FIELD(DspInput, "chunk_frames", COUNT, chunk_frames, OPTIONAL,
          "frames that it takes at a time"),
    FIELD(DspInput, "chunk_latents", COUNT, chunk_latents, OPTIONAL,
          "latents that it makes of these"),
    FIELD(DspInput, "decode_flop", COUNT, decode_flop, OPTIONAL,
          "FLOP of its decoder a pixel and frame"),
    FIELD(DspInput, "decode_attention", COUNT, decode_attention, OPTIONAL,
          "width of its attention among the latents of a frame"),
    {NULL},
};

static const DspField patch_fields[] = {
    FIELD(DspInput, "time", COUNT, patch_time, 0, "latents of a token"),
    FIELD(DspInput, "height", COUNT, patch_height, 0, "rows of a token"),
    FIELD(DspInput, "width", COUNT, patch_width, 0, "columns of a token"),
    FIELD(DspInput, "pads_time", BOOL, patch_pads_time, OPTIONAL,
          "latents in time are padded to whole tokens"),
    FIELD(DspInput, "pads_space", BOOL, patch_pads_space, OPTIONAL,
          "latents in space are padded to whole tokens"),
    {NULL},
};

static gboolean read_dim(const DspModel *model, const cJSON *node,
                         const char *key, const char *name, int *dim,
                         GError **error) {
  *dim = -1;
  if (!name)
    return TRUE;
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(node, key);
  *dim = dsp_read_dim_name(model, item, name, error);
  return *dim >= 0;
}

static gboolean check_input(const DspModel *model, const cJSON *node,
                            const InputText *text, GError **error) {
  const DspInput *in = &model->input;
  if (in->time_dim >= 0 && in->height_dim != in->width_dim &&
      (in->time_dim == in->height_dim || in->time_dim == in->width_dim))
    return dsp_json_fail(model->json, node, error,
                         "'time' shares a dimension with one of 'height' and "
                         "'width' only: with both or none");
  if (!in->chunk_frames != !in->chunk_latents)
    return dsp_json_fail(model->json, text->vae, error,
                         "'chunk_frames' and 'chunk_latents' go together");
  const int64_t strides[] = {
      in->vae_time,   in->vae_space,    in->chunk_frames, in->chunk_latents,
      in->patch_time, in->patch_height, in->patch_width};
  for (guint i = 0; i < G_N_ELEMENTS(strides); i++)
    if (strides[i] > MAX_STRIDE)
      return dsp_json_fail(model->json, node, error,
                           "strides and patches must be at most 2^20");
  return TRUE;
}

gboolean dsp_read_input(DspModel *model, const cJSON *node, GError **error) {
  DspInput *in = &model->input;
  g_auto(InputText) text = {0};
  *in = (DspInput){
      .present = TRUE, .vae_time = 1, .vae_space = 1, .latent_channels = 3};
  return dsp_json_read(model->json, node, input_fields, &text, error) &&
         (!text.vae ||
          dsp_json_read(model->json, text.vae, vae_fields, in, error)) &&
         dsp_json_read(model->json, text.patch, patch_fields, in, error) &&
         read_dim(model, node, "time", text.time, &in->time_dim, error) &&
         read_dim(model, node, "height", text.height, &in->height_dim, error) &&
         read_dim(model, node, "width", text.width, &in->width_dim, error) &&
         check_input(model, node, &text, error);
}

/* --- limits -------------------------------------------------------------- */

DspLengths dsp_model_default_lengths(const DspModel *model) {
  DspLengths lengths = {{0}};
  for (guint i = 0; i < model->n_dims; i++)
    lengths.length[i] = model->dims[i].length;
  return lengths;
}

static int64_t widest(const DspModel *model) {
  const DspBlock *block;
  int64_t width = 1;
  for (guint i = 0; i < model->n_streams; i++)
    width = MAX(width, model->streams[i].width);
  for (guint i = 0; (block = dsp_model_part(model, i)); i++)
    for (guint j = 0; j < block->n_stages; j++)
      for (guint k = 0; k < block->stages[j].n_ops; k++) {
        const DspOp *op = &block->stages[j].ops[k];
        width = MAX(width, MAX(op->in, op->out));
        width = MAX(width, op->beside);
      }
  return width;
}

gboolean dsp_check_lengths(const DspModel *model, const DspLengths *lengths,
                           GError **error) {
  const int64_t width = widest(model);
  for (guint i = 0; i < model->n_streams; i++) {
    const DspStream *stream = &model->streams[i];
    int64_t elements = width;
    gboolean ok = elements <= MAX_ELEMENTS;
    for (guint j = 0; ok && j < stream->n_dims; j++)
      ok = dsp_mul_int64(elements, lengths->length[stream->dims[j]],
                         &elements) &&
           elements <= MAX_ELEMENTS;
    if (!ok) {
      g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                  "stream '%s' of %s would hold more than 2^60 elements",
                  stream->name, model->name);
      return FALSE;
    }
  }
  return TRUE;
}

static void set_length(const DspModel *model, guint dim, int64_t length,
                       DspLengths *lengths) {
  lengths->length[dim] = length;
  for (guint i = 0; i < model->n_dims; i++)
    if (model->dims[i].same_as == (int)dim)
      lengths->length[i] = length;
}

gboolean dsp_model_set_length(const DspModel *model, guint dim, int64_t length,
                              DspLengths *lengths, GError **error) {
  const DspDim *d = &model->dims[dim];
  if (d->same_as >= 0) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "dimension %s always equals %s: set that one", d->name,
                model->dims[d->same_as].name);
    return FALSE;
  }
  if (length <= 0) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "dimension %s needs a length of at least 1, not %" PRId64,
                d->name, length);
    return FALSE;
  }
  DspLengths changed = *lengths;
  set_length(model, dim, length, &changed);
  if (!dsp_check_lengths(model, &changed, error))
    return FALSE;
  *lengths = changed;
  return TRUE;
}

/* --- frames and pixels --------------------------------------------------- */

/* Sizes that fit: `offset` more than a multiple of `unit`. */
typedef struct {
  int64_t offset, unit;
} Grid;

static gboolean on_grid(Grid grid, int64_t size) {
  return size > 0 && (size - grid.offset) % grid.unit == 0;
}

/* The size on the grid that is nearest to `size`, at least 1. */
static int64_t nearest_on_grid(Grid grid, int64_t size) {
  int64_t below = size - grid.offset;
  below -= ((below % grid.unit) + grid.unit) % grid.unit;
  below += grid.offset;
  const int64_t above = below + grid.unit;
  return below > 0 && size - below <= above - size ? below : above;
}

static gboolean check_grid(const DspModel *model, Grid grid, int64_t size,
                           const char *what, GError **error) {
  if (on_grid(grid, size))
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "%" PRId64 " %s do not fit %s: the nearest number that does is "
              "%" PRId64,
              size, what, model->name, nearest_on_grid(grid, size));
  return FALSE;
}

static int64_t divide_up(int64_t a, int64_t b) {
  return a / b + (a % b != 0);
}

/* Numbers of frames that a VAE with stride s and a patch of p latents take:
 * causal 1 + s(pk - 1), else spk; every chunk of its own. */
static Grid frame_grid(const DspInput *in) {
  const int64_t patch = in->patch_pads_time ? 1 : in->patch_time;
  const int64_t stride = in->vae_pads ? 1 : in->vae_time;
  const int64_t unit = stride * patch;
  return (Grid){in->vae_causal ? unit + 1 - stride : 0, unit};
}

static int64_t latents_of(const DspInput *in, int64_t frames) {
  if (frames == 0)
    return 0;
  return in->vae_causal ? 1 + divide_up(frames - 1, in->vae_time)
                        : divide_up(frames, in->vae_time);
}

static gboolean time_tokens(const DspModel *model, int64_t frames,
                            int64_t *tokens, GError **error) {
  const DspInput *in = &model->input;
  const int64_t chunk = in->chunk_frames;
  const int64_t rest = chunk ? frames % chunk : frames;
  if (chunk && rest && !on_grid(frame_grid(in), rest))
    return check_grid(model, (Grid){0, chunk}, frames, "frames", error);
  if (rest && !check_grid(model, frame_grid(in), rest, "frames", error))
    return FALSE;
  int64_t latents = chunk ? frames / chunk * in->chunk_latents : 0;
  latents += latents_of(in, rest);
  *tokens = divide_up(latents, in->patch_time);
  return TRUE;
}

static gboolean side_tokens(const DspModel *model, int64_t pixels,
                            int64_t patch, const char *what, int64_t *tokens,
                            GError **error) {
  const DspInput *in = &model->input;
  const int64_t whole = in->patch_pads_space ? 1 : patch;
  if (!check_grid(model, (Grid){0, in->vae_space * whole}, pixels, what, error))
    return FALSE;
  *tokens = divide_up(pixels / in->vae_space, patch);
  return TRUE;
}

static gboolean fail_usage(GError **error, const DspModel *model,
                           const char *what) {
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "%s %s", model->name, what);
  return FALSE;
}

/* Whether what is given suffices for the dimensions that it makes. */
static gboolean check_given(const DspModel *model, int64_t frames,
                            int64_t height, int64_t width, GError **error) {
  const DspInput *in = &model->input;
  const gboolean joint = in->time_dim >= 0 && in->time_dim == in->height_dim;
  if (!in->present)
    return fail_usage(error, model,
                      "does not say how frames and pixels make "
                      "tokens: give the length of each "
                      "dimension instead");
  if (MIN(frames, MIN(height, width)) < 0 ||
      MAX(frames, MAX(height, width)) > MAX_SIZE)
    return fail_usage(error, model, "takes 1 to 2^32 frames, rows, columns");
  if (!height != !width)
    return fail_usage(error, model, "needs the height and the width in pixels");
  if (in->time_dim < 0 && frames > 1)
    return fail_usage(error, model, "makes images: it takes one frame");
  if (joint && !frames != !height)
    return fail_usage(error, model,
                      "has one dimension for frames and pixels: "
                      "give both");
  return TRUE;
}

/* Multiplies the lengths of what falls into one dimension. */
static gboolean put(const DspModel *model, int dim, int64_t tokens,
                    DspDimSet *seen, DspLengths *lengths, GError **error) {
  int64_t length = tokens;
  if (*seen & 1u << dim &&
      !dsp_mul_int64(lengths->length[dim], tokens, &length))
    return fail_usage(error, model, "cannot count that many tokens");
  *seen |= 1u << dim;
  set_length(model, (guint)dim, length, lengths);
  return TRUE;
}

gboolean dsp_model_lengths_from_video(const DspModel *model, int64_t frames,
                                      int64_t height, int64_t width,
                                      DspLengths *lengths, GError **error) {
  const DspInput *in = &model->input;
  DspLengths result = *lengths;
  DspDimSet seen = 0;
  int64_t t = 0, h = 0, w = 0;
  if (!check_given(model, frames, height, width, error))
    return FALSE;
  if (frames && in->time_dim >= 0 &&
      !(time_tokens(model, frames, &t, error) &&
        put(model, in->time_dim, t, &seen, &result, error)))
    return FALSE;
  if (height &&
      !(side_tokens(model, height, in->patch_height, "rows", &h, error) &&
        side_tokens(model, width, in->patch_width, "columns", &w, error) &&
        put(model, in->height_dim, h, &seen, &result, error) &&
        put(model, in->width_dim, w, &seen, &result, error)))
    return FALSE;
  if (!dsp_check_lengths(model, &result, error))
    return FALSE;
  *lengths = result;
  return TRUE;
}
