/* SPDX-License-Identifier: Apache-2.0 */
/* Where models and hardware profiles are found. */
#ifndef DSP_BASE_PATHS_H
#define DSP_BASE_PATHS_H

#include <glib.h>

/* Resolves `name` in `folder` ("models", "hwprofiles", "hwprofiles/gpus").
 * A name with '/' or ending in ".json" is a path as it is; any other is looked
 * up as DIR/folder/name.json in each DIR of $DSPSIM_PATH (colon-separated), of
 * the XDG data folders' "dspsim" and of the compiled-in pkgdatadir. Fails with
 * DSP_ERROR_USAGE, the nearest installed name and the folders searched. The
 * caller frees. */
char *dsp_find_data(const char *folder, const char *name, GError **error);

/* The path of a file of the program itself, "compare.gp" in "plots", along the
 * same search path. Fails with DSP_ERROR_EXTERNAL. The caller frees. */
char *dsp_find_file(const char *folder, const char *file, GError **error);

/* Names (without suffix, sorted, no duplicates) that `folder` holds along the
 * same search path. NULL-terminated; the caller frees with g_strfreev. */
char **dsp_list_data(const char *folder);

#endif
