/* SPDX-License-Identifier: Apache-2.0 */
/* What a command answers, apart from how it looks: tables of values under keys.
 * CSV and JSON are written from the same columns, so that they cannot differ;
 * text is what each report makes of its data for people. */
#ifndef DSP_REPORT_REPORT_H
#define DSP_REPORT_REPORT_H

#include <glib.h>
#include <stdint.h>

typedef struct DspTable DspTable;

typedef enum {
  DSP_VALUE_NULL,
  DSP_VALUE_BOOLEAN,
  DSP_VALUE_INTEGER,
  DSP_VALUE_NUMBER, /* not finite: written as null */
  DSP_VALUE_STRING, /* borrowed from the row; NULL: null */
  DSP_VALUE_TABLE,  /* borrowed */
} DspValueType;

typedef struct {
  DspValueType type;
  union {
    gboolean boolean;
    int64_t integer;
    double number;
    const char *string;
    const DspTable *table;
  };
} DspValue;

static inline DspValue dsp_null(void) {
  return (DspValue){.type = DSP_VALUE_NULL};
}

static inline DspValue dsp_boolean(gboolean boolean) {
  return (DspValue){.type = DSP_VALUE_BOOLEAN, .boolean = boolean};
}

static inline DspValue dsp_integer(int64_t integer) {
  return (DspValue){.type = DSP_VALUE_INTEGER, .integer = integer};
}

static inline DspValue dsp_number(double number) {
  return (DspValue){.type = DSP_VALUE_NUMBER, .number = number};
}

static inline DspValue dsp_string(const char *string) {
  return (DspValue){.type = string ? DSP_VALUE_STRING : DSP_VALUE_NULL,
                    .string = string};
}

static inline DspValue dsp_table_value(const DspTable *table) {
  return (DspValue){.type = DSP_VALUE_TABLE, .table = table};
}

typedef struct {
  const char *group; /* the object that holds the key, or NULL; columns of one
                        group are neighbours */
  const char *key;
  DspValue (*get)(gconstpointer row, guint index);
  guint index; /* given to get: which of several alike */
} DspColumn;

struct DspTable {
  GArray *columns; /* DspColumn */
  GArray *nested;  /* DspColumn: further ones whose values are tables */
  GPtrArray *rows;
};

/* A table without rows; `columns` (ended by a NULL key, may be NULL) are
 * copied. The rows are borrowed. Free with dsp_table_free. */
DspTable *dsp_table_new(const DspColumn *columns);
void dsp_table_free(DspTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspTable, dsp_table_free)
void dsp_table_add_columns(DspTable *table, const DspColumn *columns);
/* One column for each of `n` keys, with indices from 0. */
void dsp_table_add_group(DspTable *table, const char *group,
                         const char *const *keys, guint n,
                         DspValue (*get)(gconstpointer row, guint index));
/* A column of tables, which only JSON shows, behind the others. */
void dsp_table_add_nested(DspTable *table, const char *key,
                          DspValue (*get)(gconstpointer row, guint index));
void dsp_table_add_row(DspTable *table, gconstpointer row);

static inline const DspColumn *dsp_column(const GArray *columns, guint i) {
  return &g_array_index(columns, DspColumn, i);
}

/* "group.key", or the key; the caller frees. */
char *dsp_column_name(const DspColumn *column);

/* How text looks. */
typedef struct {
  gboolean utf8;   /* else ASCII */
  gboolean colour; /* escape sequences of a terminal */
} DspStyle;

/* A further list of a report, which only JSON shows. */
typedef struct {
  const char *key; /* NULL ends them */
  const DspTable *table;
} DspSection;

typedef struct DspReport DspReport;
struct DspReport {
  const char *schema;         /* "dspsim.predict/1" */
  const DspTable *inputs;     /* of one row */
  const DspTable *results;    /* what was asked for */
  const DspTable *provenance; /* of one row, or NULL */
  const DspSection *sections; /* behind the results, or NULL */
  void (*text)(const DspReport *report, const DspStyle *style, GString *out);
  gconstpointer data; /* for text */
};

typedef struct {
  const char *name, *suffix;
  void (*write)(const DspReport *report, const DspStyle *style, GString *out);
} DspFormat;

extern const DspFormat dsp_format_text, dsp_format_csv, dsp_format_json;
/* All, ended by NULL, and their names in the same order. */
extern const DspFormat *const dsp_formats[];
extern const char *const dsp_format_names[];
/* The format whose suffix `file` (may be NULL) ends with; text if none. */
const DspFormat *dsp_format_of_file(const char *file);

/* `string` quoted and escaped as JSON has it. */
void dsp_json_string(GString *out, const char *string);

/* One table as CSV; its first line; one row. */
void dsp_csv_write(const DspTable *table, GString *out);
void dsp_csv_header(const DspTable *table, GString *out);
void dsp_csv_row(const DspTable *table, gconstpointer row, GString *out);
/* One row as an object of JSON in a line, with the keys of CSV. */
void dsp_json_line(const DspTable *table, gconstpointer row, GString *out);

#endif
