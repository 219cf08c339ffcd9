/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors and steps: how primitives write down what a rank does. */
#include "schedule/build.h"

int64_t dsp_divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/* --- tensors ------------------------------------------------------------- */

DspTensor *dsp_tensor(const DspBuilder *builder, int tensor) {
  return &g_array_index(builder->schedule->tensors, DspTensor, tensor);
}

int64_t dsp_local_batch(const DspBuilder *builder, DspLayout layout) {
  return layout.dim == DSP_DIM_BATCH ? dsp_layout_part(layout, builder->batch)
                                     : builder->batch;
}

int64_t dsp_local_tokens(const DspBuilder *builder, guint stream,
                         DspLayout layout) {
  const DspStream *s = &builder->job->model->streams[stream];
  int64_t tokens = dsp_local_batch(builder, layout);
  for (guint i = 0; i < s->n_dims; i++) {
    int64_t length = builder->job->lengths.length[s->dims[i]];
    tokens *= layout.dim == (int)s->dims[i] ? dsp_layout_part(layout, length)
                                            : length;
  }
  return tokens;
}

int dsp_tensor_new(DspBuilder *builder, DspTensorKind kind, guint stream,
                   DspLayout layout, int64_t width, int64_t split) {
  DspTensor tensor = {.kind = kind,
                      .stream = stream,
                      .layout = layout,
                      .width = width,
                      .split = split,
                      .view = -1};
  int index = (int)builder->schedule->tensors->len, none = -1;
  tensor.bytes = dsp_local_tokens(builder, stream, layout) * (width / split) *
                 dsp_dtype_bytes(builder->job->dtype);
  g_array_append_val(builder->schedule->tensors, tensor);
  g_array_append_val(builder->producers, none);
  g_array_append_val(builder->gradients, none);
  return index;
}

int dsp_tensor_like(DspBuilder *builder, int tensor, int64_t width) {
  DspTensor t = *dsp_tensor(builder, tensor);
  return dsp_tensor_new(builder, t.kind, t.stream, t.layout, width, t.split);
}

int dsp_gradient(DspBuilder *builder, int tensor) {
  int gradient = g_array_index(builder->gradients, int, tensor);
  if (gradient >= 0)
    return gradient;
  DspTensor t = *dsp_tensor(builder, tensor);
  gradient = dsp_tensor_new(builder, DSP_TENSOR_GRADIENT, t.stream, t.layout,
                            t.width, t.split);
  memcpy(dsp_tensor(builder, gradient)->pieces, t.pieces, sizeof t.pieces);
  g_array_index(builder->gradients, int, tensor) = gradient;
  return gradient;
}

gboolean dsp_gradient_wanted(const DspBuilder *builder, int tensor) {
  return g_array_index(builder->gradients, int, tensor) !=
         DSP_GRADIENT_UNWANTED;
}

int dsp_view(DspBuilder *builder, int tensor) {
  DspTensor t = *dsp_tensor(builder, tensor);
  int view =
      dsp_tensor_new(builder, t.kind, t.stream, t.layout, t.width, t.split);
  t.view = t.view < 0 ? tensor : t.view;
  *dsp_tensor(builder, view) = t;
  g_array_index(builder->producers, int, view) =
      g_array_index(builder->producers, int, tensor);
  if (!dsp_gradient_wanted(builder, tensor))
    g_array_index(builder->gradients, int, view) = DSP_GRADIENT_UNWANTED;
  return view;
}

int dsp_save(DspBuilder *builder, int tensor) {
  if (!builder->tape || tensor < 0)
    return tensor;
  int view = dsp_tensor(builder, tensor)->view;
  dsp_tensor(builder, view < 0 ? tensor : view)->saved = TRUE;
  return tensor;
}

/* --- steps ---------------------------------------------------------------- */

DspStep dsp_step(const DspBuilder *builder, DspStepKind kind, DspRole role,
                 const DspOp *op) {
  return (DspStep){.kind = kind,
                   .pass = builder->pass,
                   .role = role,
                   .stream = DSP_STREAM_COMPUTE,
                   .stage = builder->stage_index,
                   .op = op,
                   .inputs = {-1, -1, -1, -1, -1, -1, -1},
                   .output = -1,
                   .also = {-1, -1},
                   .move = {.from = -1, .to = -1},
                   .waits = {-1, -1, -1},
                   .kernels = 1,
                   .ring_round = -1};
}

void dsp_step_wait(DspStep *step, int producer) {
  for (int i = 0; i < DSP_MAX_WAITS; i++) {
    if (step->waits[i] == producer)
      return;
    if (step->waits[i] < 0) {
      step->waits[i] = producer;
      return;
    }
  }
  g_assert_not_reached();
}

/* A stream runs in order: waiting for its last producer is enough. */
static void wait_for_producers(const DspBuilder *builder, DspStep *step) {
  const DspStep *steps = dsp_segment_steps(builder->segment);
  int last[DSP_N_STREAM_KINDS] = {-1, -1, -1};
  for (int i = 0; i < DSP_MAX_INPUTS; i++) {
    if (step->inputs[i] < 0)
      continue;
    int producer = g_array_index(builder->producers, int, step->inputs[i]);
    if (producer >= 0)
      last[steps[producer].stream] =
          MAX(last[steps[producer].stream], producer);
  }
  for (int i = 0; i < DSP_N_STREAM_KINDS; i++)
    if (last[i] >= 0 && i != (int)step->stream)
      dsp_step_wait(step, last[i]);
}

static void set_producer(const DspBuilder *builder, int tensor, int step) {
  if (tensor >= 0)
    g_array_index(builder->producers, int, tensor) = step;
}

int dsp_emit(DspBuilder *builder, DspStep step) {
  int index = (int)builder->segment->steps->len;
  wait_for_producers(builder, &step);
  g_array_append_val(builder->segment->steps, step);
  set_producer(builder, step.output, index);
  for (guint i = 0; i < G_N_ELEMENTS(step.also); i++)
    set_producer(builder, step.also[i], index);
  return index;
}

void dsp_step_kernels(const DspBuilder *builder, DspStep *step,
                      const DspMemoryPart parts[DSP_MEMORY_PARTS]) {
  if (step->kind == DSP_STEP_MEMORY)
    step->kernels = 0;
  step->memory.fused = builder->job->launch == DSP_LAUNCH_COMPILED;
  for (int i = 0; i < DSP_MEMORY_PARTS; i++) {
    step->memory.parts[i] = parts[i];
    step->kernels += parts[i].kernels;
  }
}

int dsp_emit_memory(DspBuilder *builder, DspRole role, const DspOp *op,
                    DspMemoryOp memory, int x, int more, int y, int64_t bytes,
                    int kernels) {
  const DspMemoryPart parts[DSP_MEMORY_PARTS] = {{memory, kernels, bytes}};
  DspStep step = dsp_step(builder, DSP_STEP_MEMORY, role, op);
  step.inputs[0] = x;
  step.inputs[1] = more;
  step.output = y;
  dsp_step_kernels(builder, &step, parts);
  return dsp_emit(builder, step);
}

int dsp_emit_collective(DspBuilder *builder, const DspOp *op,
                        DspCollective collective, DspAxisName axis, int x,
                        int y, int64_t bytes, int64_t calls) {
  DspAxis ranks = dsp_plan_axis(builder->plan, axis);
  if (ranks.size == 1)
    return -1;
  DspStep step = dsp_step(builder, DSP_STEP_COLLECTIVE, DSP_ROLE_EXCHANGE, op);
  step.stream = DSP_STREAM_COMM;
  step.inputs[0] = x;
  step.output = y;
  step.exchange = (DspExchange){collective, axis, bytes, calls};
  return dsp_emit(builder, step);
}

DspAttentionShape dsp_attention_shape(const DspBuilder *builder,
                                      const DspOp *op, guint stream,
                                      DspLayout layout, int64_t split) {
  const DspStream *s = &builder->job->model->streams[stream];
  int64_t sequence = MAX(op->window, 1);
  for (guint i = 0; i < s->n_dims; i++) {
    int64_t length = builder->job->lengths.length[s->dims[i]];
    if (op->over & (1u << s->dims[i]))
      sequence *= layout.dim == (int)s->dims[i]
                      ? dsp_layout_part(layout, length)
                      : length;
  }
  return (DspAttentionShape){
      .batch =
          dsp_divide_up(dsp_local_tokens(builder, stream, layout), sequence),
      .heads = op->heads / split,
      .kv_heads = MAX(op->kv_heads / split, 1),
      .head_dim = op->head_dim,
      .seq_q = sequence,
      .seq_k = sequence,
      .causal = op->causal,
      .dtype = builder->job->dtype};
}

gboolean dsp_crosses_shard(const DspBuilder *builder, const DspOp *op,
                           int tensor) {
  int dim = dsp_tensor(builder, tensor)->layout.dim;
  (void)builder;
  return dim >= 0 && (op->over & (1u << dim));
}

/* Modulation takes a scale and a shift, a gate one vector, from where the
 * operation before has stopped. */
static void take_vectors(DspBuilder *builder, DspCall *call) {
  const DspOp *op = call->op;
  call->vectors = -1;
  if (!op || !(op->kind == DSP_OP_MODULATE || op->gate))
    return;
  call->vectors = builder->vectors;
  call->column = builder->column;
  builder->column += op->kind == DSP_OP_MODULATE ? 2 * op->in : op->in;
}

DspCall dsp_apply(DspBuilder *builder, DspCall call) {
  call.stage = builder->stage_index;
  call.side = -1;
  call.sums = -1;
  take_vectors(builder, &call);
  call.primitive->forward(builder, &call);
  if (builder->tape)
    g_array_append_val(builder->tape, call);
  return call;
}
