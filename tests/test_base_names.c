/* SPDX-License-Identifier: Apache-2.0 */
#include "base/paths.h"
#include "test_base.h"
#include <glib/gstdio.h>

static void test_nearest(void) {
  static const char *const names[] = {"frames", "format", "gpu", "T", NULL};
  static const struct {
    const char *text, *nearest;
  } rows[] = {
      {"frmaes", "frames"}, {"frame", "frames"},   {"framess", "frames"},
      {"FRAMES", "frames"}, {"fromat", "format"},  {"forma", "format"},
      {"gpus", "gpu"},      {"pgu", "gpu"},        {"GPU", "gpu"},
      {"t", "T"},           {"cluster", NULL},     {"xyzxyz", NULL},
      {"gpuuuuu", NULL},    {"frames12345", NULL},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
    DSP_CHECK_STRING(dsp_nearest_name(rows[i].text, names), rows[i].nearest);
  g_autofree char *endless = g_strnfill(1000000, 'f');
  DSP_CHECK_STRING(dsp_nearest_name(endless, names), NULL);
  DSP_CHECK_STRING(dsp_nearest_name("x", &names[4]), NULL);
}

/* Two data folders in a temporary one: "one" has a and b, "two" b and c; "one"
 * also has what is no data file. */
typedef struct {
  char *root;
  char *one;
  char *two;
} Tree;

static void write_file(const char *folder, const char *name) {
  g_autofree char *path = g_build_filename(folder, "models", name, NULL);
  g_autofree char *parent = g_path_get_dirname(path);
  g_mkdir_with_parents(parent, 0700);
  g_file_set_contents(path, "{}", -1, NULL);
}

static Tree make_tree(void) {
  char *root = g_dir_make_tmp("dspsim-XXXXXX", NULL);
  const Tree tree = {root, g_build_filename(root, "one", NULL),
                     g_build_filename(root, "two", "dspsim", NULL)};
  write_file(tree.one, "a.json");
  write_file(tree.one, "b.json");
  write_file(tree.one, "README");
  write_file(tree.one, ".hidden.json");
  write_file(tree.two, "b.json");
  write_file(tree.two, "c.json");
  return tree;
}

static void remove_folder(const char *path) {
  g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir))) {
    g_autofree char *child = g_build_filename(path, name, NULL);
    remove_folder(child);
  }
  g_remove(path);
}

static void free_tree(Tree *tree) {
  remove_folder(tree->root);
  g_free(tree->root);
  g_free(tree->one);
  g_free(tree->two);
}

/* The environment of the row, then: which of the names is found where. */
static const struct {
  const char *dspsim_path, *data_home, *data_dirs;
  const char *found[3]; /* folder in which a, b, c are; NULL: not found */
} rows[] = {
    {"%s/one", "", "", {"one", "one", NULL}},
    {"", "%s/two", "", {NULL, "two", "two"}},
    {"", "", "%s/two", {NULL, "two", "two"}},
    {"", "", "/nowhere::%s/two", {NULL, "two", "two"}},
    {"%s/one", "%s/two", "", {"one", "one", "two"}},
    {"/nowhere::%s/one", "", "%s/two", {"one", "one", "two"}},
    {"", "two", "two:one", {NULL, NULL, NULL}}, /* relative: ignored */
    {"one", "", "", {"one", "one", NULL}},
    {"", "", "", {NULL, NULL, NULL}},
};

static void set_variable(const char *name, const char *value,
                         const char *root) {
  g_auto(GStrv) parts = g_strsplit(value, "%s", -1);
  g_autofree char *full = g_strjoinv(root, parts);
  g_setenv(name, full, TRUE);
}

static void check_found(const char *name, const char *folder) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = dsp_find_data("models", name, &error);
  DSP_CHECK(!path == !folder, "'%s': %s", name, path ? path : "not found");
  if (folder)
    DSP_CHECK(path && strstr(path, folder), "%s is not in '%s'", path, folder);
  else
    DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, "in models");
}

static void test_search_path(void) {
  Tree tree = make_tree();
  g_autofree char *before = g_get_current_dir();
  DSP_CHECK_INT(g_chdir(tree.root), 0);
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    set_variable("DSPSIM_PATH", rows[i].dspsim_path, tree.root);
    set_variable("XDG_DATA_HOME", rows[i].data_home, tree.root);
    set_variable("XDG_DATA_DIRS", rows[i].data_dirs, tree.root);
    check_found("a", rows[i].found[0]);
    check_found("b", rows[i].found[1]);
    check_found("c", rows[i].found[2]);
  }
  DSP_CHECK_INT(g_chdir(before), 0);
  free_tree(&tree);
}

static void test_messages(void) {
  Tree tree = make_tree();
  g_autoptr(GError) error = NULL;
  g_setenv("DSPSIM_PATH", tree.one, TRUE);
  DSP_CHECK_STRING(dsp_find_data("models", "B", &error), NULL);
  DSP_CHECK_ERROR(error, DSP_ERROR_USAGE,
                  "no 'B' in models, did you mean 'b'? (searched /");
  DSP_CHECK_STRING(dsp_find_data("models", "", &error), NULL);
  DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, "no '' in models");
  DSP_CHECK_STRING(dsp_find_data("models", "nothing like it", &error), NULL);
  DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, "in models (searched ");
  free_tree(&tree);
}

static void test_paths(void) {
  static const char *const paths[] = {"x.json", "./x", "/x/y.json", "a/b"};
  for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
    g_autofree char *path = dsp_find_data("models", paths[i], NULL);
    DSP_CHECK_STRING(path, paths[i]);
  }
}

static void test_list(void) {
  Tree tree = make_tree();
  g_autofree char *both = g_strconcat(tree.two, ":", tree.one, NULL);
  g_setenv("DSPSIM_PATH", both, TRUE);
  g_setenv("XDG_DATA_HOME", "/nowhere", TRUE);
  g_setenv("XDG_DATA_DIRS", "/nowhere", TRUE);
  g_auto(GStrv) names = dsp_list_data("models");
  g_autofree char *all = g_strjoinv(" ", names);
  DSP_CHECK_STRING(all, "a b c");
  g_auto(GStrv) none = dsp_list_data("no such folder");
  DSP_CHECK_INT(g_strv_length(none), 0);
  free_tree(&tree);
}

CU_TestInfo names_tests[] = {
    {"nearest name", test_nearest},
    {"search path", test_search_path},
    {"messages", test_messages},
    {"paths as they are", test_paths},
    {"list", test_list},
    CU_TEST_INFO_NULL,
};
