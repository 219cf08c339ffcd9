/* SPDX-License-Identifier: Apache-2.0 */
/* No sequence parallelism: every rank of a replica computes whole samples.
 * Data, guidance and tensor parallel axes may stand around it. */
#include "schedule/method.h"

static const char *const variants[] = {"best", NULL};

const DspMethod dsp_method_single = {
    .name = "single",
    .summary = "no sequence parallelism",
    .variants = variants,
};
