/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands, in the order of `dspsim help`. */
#include "cmd/cmd.h"

static const DspCommand *const commands[] = {
    &dsp_command_compare,
    &dsp_command_predict,
    &dsp_command_sweep,
    &dsp_command_merge,
    &dsp_command_cost,
    &dsp_command_score,
    &dsp_command_calibrate,
    &dsp_command_validate,
    &dsp_command_plot,
    &dsp_command_report,
    &dsp_command_list,
    &dsp_command_show,
    &dsp_command_topo,
    &dsp_command_trace,
    &dsp_command_complete,
    &dsp_command_help,
    NULL,
};

int main(int argc, char **argv) {
  return dsp_command_main(commands, argc, argv);
}
