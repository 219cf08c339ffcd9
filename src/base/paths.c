/* SPDX-License-Identifier: Apache-2.0 */
#include "base/paths.h"
#include "base/error.h"
#include "base/json.h"
#include <string.h>

#ifndef DSP_PKGDATADIR
#error "the build must define DSP_PKGDATADIR"
#endif

#define SUFFIX ".json"

static void add_folder(GStrvBuilder *folders, const char *dir,
                       const char *package, const char *folder) {
  g_autofree char *path = g_build_filename(dir, package, folder, NULL);
  g_strv_builder_add(folders, path);
}

/* Each directory of a colon-separated list. The XDG base directory
 * specification has relative ones ignored; DSPSIM_PATH may have them. */
static void add_list(GStrvBuilder *folders, const char *list, gboolean relative,
                     const char *package, const char *folder) {
  g_auto(GStrv) dirs = g_strsplit(list, ":", -1);
  for (char **dir = dirs; *dir; dir++)
    if (**dir && (relative || g_path_is_absolute(*dir)))
      add_folder(folders, *dir, package, folder);
}

/* The variable's value, or `standard` if it is unset or empty. */
static const char *variable(const char *name, const char *standard) {
  const char *value = g_getenv(name);
  return value && *value ? value : standard;
}

/* The environment is read here, not through GLib's g_get_user_data_dir, which
 * remembers its first answer and accepts relative directories. */
static GStrv search_path(const char *folder) {
  g_autoptr(GStrvBuilder) folders = g_strv_builder_new();
  g_autofree char *home =
      g_build_filename(g_get_home_dir(), ".local", "share", NULL);
  const char *data_home = variable("XDG_DATA_HOME", home);
  add_list(folders, variable("DSPSIM_PATH", ""), TRUE, "", folder);
  add_folder(folders, g_path_is_absolute(data_home) ? data_home : home,
             "dspsim", folder);
  add_list(folders, variable("XDG_DATA_DIRS", "/usr/local/share:/usr/share"),
           FALSE, "dspsim", folder);
  add_folder(folders, DSP_PKGDATADIR, "", folder);
  return g_strv_builder_end(folders);
}

static char *locate(const GStrv folders, const char *file) {
  for (char **folder = folders; *folder; folder++) {
    g_autofree char *path = g_build_filename(*folder, file, NULL);
    if (g_file_test(path, G_FILE_TEST_EXISTS))
      return g_steal_pointer(&path);
  }
  return NULL;
}

static void fail_unknown(const char *folder, const char *name,
                         const GStrv folders, GError **error) {
  g_auto(GStrv) names = dsp_list_data(folder);
  g_autofree char *searched = g_strjoinv(", ", folders);
  const char *near = dsp_nearest_name(name, (const char *const *)names);
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "no '%s' in %s%s%s%s (searched %s)", name, folder,
              near ? ", did you mean '" : "", near ? near : "",
              near ? "'?" : "", searched);
}

char *dsp_find_data(const char *folder, const char *name, GError **error) {
  if (strchr(name, '/') || g_str_has_suffix(name, SUFFIX))
    return g_strdup(name);
  g_auto(GStrv) folders = search_path(folder);
  g_autofree char *file = g_strconcat(name, SUFFIX, NULL);
  char *path = *name ? locate(folders, file) : NULL;
  if (!path)
    fail_unknown(folder, name, folders, error);
  return path;
}

char *dsp_find_file(const char *folder, const char *file, GError **error) {
  g_auto(GStrv) folders = search_path(folder);
  char *path = locate(folders, file);
  if (!path) {
    g_autofree char *searched = g_strjoinv(", ", folders);
    g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL,
                "%s is not installed (searched %s)", file, searched);
  }
  return path;
}

/* Adds the names in one folder to the set; one that cannot be read has none. */
static void list_folder(const char *folder, GHashTable *names) {
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  const char *file;
  while (dir && (file = g_dir_read_name(dir)))
    if (g_str_has_suffix(file, SUFFIX) && *file != '.')
      g_hash_table_add(names, g_strndup(file, strlen(file) - strlen(SUFFIX)));
}

static int compare_names(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char **dsp_list_data(const char *folder) {
  g_autoptr(GHashTable) names =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_auto(GStrv) folders = search_path(folder);
  guint n;
  for (char **f = folders; *f; f++)
    list_folder(*f, names);
  char **list = (char **)g_hash_table_get_keys_as_array(names, &n);
  g_hash_table_steal_all(names); /* the list has the keys now */
  qsort(list, n, sizeof *list, compare_names);
  return list;
}
