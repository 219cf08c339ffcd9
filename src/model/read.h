/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the model reader: names to indices, one function a section of
 * the file. All fail with DSP_ERROR_INPUT and the position in the file. */
#ifndef DSP_MODEL_READ_H
#define DSP_MODEL_READ_H

#include "model/model.h"

/* Counts of a file are at most this (base/json.h), and so is every width: sums
 * of a few cannot overflow. */
#define DSP_MAX_WIDTH (INT64_C(1) << 53)

/* The widths of the tokens of each stream as they go through a stage. */
typedef struct {
  DspModel *model;
  DspStage *stage;
  const cJSON *node;
  int with;                        /* stream that shares the weights, or -1 */
  int64_t width[DSP_MAX_STREAMS];  /* now */
  gboolean begun[DSP_MAX_STREAMS]; /* an operation has worked on it */
} DspStageReader;

/* Where a stage stands: the trunk's stages must leave the residual's width and
 * may be split by tensor parallelism; embedders are not split; the final layer
 * may end at any width. */
typedef enum { DSP_PART_BEFORE, DSP_PART_TRUNK, DSP_PART_AFTER } DspPart;

/* The index of the dimension or stream `name`, which `node` spells; -1 and
 * *error if there is none. */
int dsp_read_dim_name(const DspModel *model, const cJSON *node,
                      const char *name, GError **error);
int dsp_read_stream_name(const DspModel *model, const cJSON *node,
                         const char *name, GError **error);
/* A list of different dimensions in the order of the file. */
gboolean dsp_read_dim_list(const DspModel *model, const cJSON *array,
                           guint dims[DSP_MAX_DIMS], guint *n_dims,
                           GError **error);

/* One operation as it stands, without its place in the flow of widths. */
gboolean dsp_read_op(DspStageReader *reader, const cJSON *node, DspOp *op,
                     GError **error);
/* Sets in, out and parameters of `op` from the widths before it and moves
 * these on. Operations must come in order, all of the stage read. */
gboolean dsp_place_op(DspStageReader *reader, DspOp *op, GError **error);
void dsp_op_clear(DspOp *op);

/* `array` of stages into block->stages. */
gboolean dsp_read_stages(DspModel *model, const cJSON *array, DspPart part,
                         DspBlock *block, GError **error);
gboolean dsp_read_block(DspModel *model, const cJSON *node, DspBlock *block,
                        GError **error);
void dsp_block_clear(DspBlock *block);

/* Dimensions and streams; everything else refers to them. */
gboolean dsp_read_shape(DspModel *model, const cJSON *dims,
                        const cJSON *streams, GError **error);

gboolean dsp_read_input(DspModel *model, const cJSON *node, GError **error);

/* Whether every stream fits 2^60 elements at its widest; else *error is
 * DSP_ERROR_USAGE. */
gboolean dsp_check_lengths(const DspModel *model, const DspLengths *lengths,
                           GError **error);

#endif
