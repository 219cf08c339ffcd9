/* SPDX-License-Identifier: Apache-2.0 */
#include "measurement/layer.h"
#include "sim/sim.h"
#include <math.h>

/* The stage is: into the operation's width, the operation, the residual sum. */
enum { INTO, OPERATION, RESIDUAL, N_OPS };

struct DspLayer {
  DspModel model;
  DspBlock block;
  DspStage stage;
  DspOp ops[N_OPS];
};

static DspOp op_of(DspOpKind kind, int64_t in, int64_t out) {
  return (DspOp){.kind = kind,
                 .name = (char *)"layer",
                 .shared_with = -1,
                 .joint = -1,
                 .source = -1,
                 .in = in,
                 .out = out,
                 .calls = 1};
}

DspLayer *dsp_layer_new(const DspOp *op, int64_t tokens) {
  DspLayer *layer = g_new0(DspLayer, 1);
  DspModel *model = &layer->model;
  layer->ops[INTO] = op_of(DSP_OP_LINEAR, op->out, op->in);
  layer->ops[OPERATION] = *op;
  layer->ops[OPERATION].shared_with = -1;
  layer->ops[OPERATION].joint = layer->ops[OPERATION].source = -1;
  layer->ops[OPERATION].over = 1;
  layer->ops[OPERATION].window = 1;
  layer->ops[RESIDUAL] = op_of(DSP_OP_RESIDUAL, op->out, op->out);
  layer->stage = (DspStage){(char *)"layer", 0, 1, N_OPS, layer->ops};
  layer->block = (DspBlock){(char *)"layer", 1, 1, &layer->stage};
  model->name = (char *)"layer";
  model->n_dims = model->n_streams = model->n_blocks = 1;
  model->dims[0] = (DspDim){(char *)"X", (char *)"tokens", tokens, -1};
  model->text_dim = -1;
  model->home_dim = 0;
  model->streams[0] = (DspStream){
      .name = (char *)"x", .n_dims = 1, .width = op->out, .sharded = TRUE};
  model->blocks = &layer->block;
  model->before.count = model->after.count = 1;
  model->guidance = 1;
  return layer;
}

void dsp_layer_free(DspLayer *layer) {
  g_free(layer);
}

/* --- its time ------------------------------------------------------------ */

typedef struct {
  const DspOp *op;
  double start[DSP_N_PASSES], end[DSP_N_PASSES]; /* of all ranks */
} Span;

static void observe(gpointer data, const DspStepRun *run) {
  Span *span = data;
  const DspPass pass = run->step->pass;
  if (run->step->op != span->op)
    return;
  span->start[pass] = fmin(span->start[pass], run->start);
  span->end[pass] = fmax(span->end[pass], run->end);
}

gboolean dsp_layer_time(const DspLayer *layer, const DspJob *job,
                        const DspPlan *plan, DspPrices *prices,
                        double seconds[DSP_N_PASSES], GError **error) {
  DspJob own = *job;
  own.model = &layer->model;
  own.lengths = dsp_model_default_lengths(&layer->model);
  g_autoptr(DspSchedule) schedule = dsp_schedule_new(&own, plan, error);
  if (!schedule)
    return FALSE;
  Span span = {.op = &layer->ops[OPERATION]};
  for (int i = 0; i < DSP_N_PASSES; i++)
    span.start[i] = INFINITY;
  const DspSimOptions options = {.observer = {.step = observe, .data = &span}};
  DspSimResult result;
  dsp_simulate(schedule, prices, &options, &result);
  for (int i = 0; i < DSP_N_PASSES; i++)
    seconds[i] = span.start[i] < INFINITY ? span.end[i] - span.start[i] : 0;
  return TRUE;
}
