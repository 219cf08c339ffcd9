/* SPDX-License-Identifier: Apache-2.0 */
/* Words for jobs and plans, shared by the texts of predictions. */
#include "report/prediction.h"
#include "report/text.h"

static void add_line(GString *out, const DspStyle *style, const char *key,
                     const char *text) {
  g_string_append_printf(out, "# %-7s  ", key);
  dsp_text_wrap(out, style, "#", 11, text);
}

static char *describe_model(const DspJob *job) {
  const DspModel *model = job->model;
  g_autofree char *parameters =
      dsp_text_number((double)dsp_model_parameters(model));
  g_autofree char *tokens =
      dsp_text_number((double)dsp_stream_tokens(model, 0, &job->lengths));
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "%s (%s parameters),", model->name, parameters);
  for (guint i = 0; i < model->n_dims; i++)
    g_string_append_printf(text, " %s=%" G_GINT64_FORMAT, model->dims[i].name,
                           job->lengths.length[i]);
  g_string_append_printf(text, ": %s tokens a sample", tokens);
  return g_string_free(text, FALSE);
}

static char *describe_cluster(const DspJob *job) {
  const DspCluster *c = job->cluster;
  const int64_t nodes = (job->gpus - 1) / c->gpus_per_node + 1;
  GString *text = g_string_new(NULL);
  g_string_append_printf(text,
                         "%s, %u GPU%s (%s) on %" G_GINT64_FORMAT " node%s",
                         c->name, job->gpus, job->gpus > 1 ? "s" : "",
                         c->gpu->name, nodes, nodes > 1 ? "s" : "");
  if (c->price > 0)
    g_string_append_printf(text, ", %.4g %s a GPU hour", c->price, c->currency);
  return g_string_free(text, FALSE);
}

static char *describe_job(const DspJob *job, const DspPlanSpace *space) {
  GString *text = g_string_new(dsp_mode_names[job->mode]);
  g_string_append_printf(text, ", batch %" G_GINT64_FORMAT " a replica, %s",
                         job->batch, dsp_dtype_names[job->dtype]);
  if (job->mode == DSP_MODE_TRAIN)
    g_string_append_printf(text, ", recompute %s, ZeRO %d",
                           dsp_recompute_names[space->recompute], space->zero);
  else if (job->guidance != DSP_GUIDANCE_NONE)
    g_string_append_printf(text, ", %s guidance",
                           dsp_guidance_names[job->guidance]);
  if (job->evaluations > 0)
    g_string_append_printf(text, ", %" G_GINT64_FORMAT " evaluations a sample",
                           job->evaluations);
  g_string_append_printf(text, ", %s attention, %s launch",
                         dsp_attention_kernel_names[job->attention_kernel],
                         dsp_launch_names[job->launch]);
  return g_string_free(text, FALSE);
}

void dsp_text_job(const DspInputs *inputs, const DspStyle *style,
                  GString *out) {
  g_autofree char *model = describe_model(inputs->job);
  g_autofree char *cluster = describe_cluster(inputs->job);
  g_autofree char *job = describe_job(inputs->job, inputs->space);
  add_line(out, style, "model", model);
  add_line(out, style, "cluster", cluster);
  add_line(out, style, "job", job);
}

char *dsp_text_degrees(const DspPlan *plan) {
  GString *text = g_string_new(NULL);
  for (int i = DSP_N_AXES; i-- > 0;) {
    const char *name = plan->method->degree_names[i];
    if (plan->degree[i] > 1)
      g_string_append_printf(text, "%s%s=%" G_GINT64_FORMAT,
                             text->len ? " " : "",
                             name ? name : dsp_axis_names[i], plan->degree[i]);
  }
  if (!text->len)
    g_string_append_c(text, '-');
  return g_string_free(text, FALSE);
}
