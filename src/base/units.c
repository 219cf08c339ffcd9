/* SPDX-License-Identifier: Apache-2.0 */
#include "base/units.h"
#include "base/error.h"
#include <math.h>
#include <string.h>

enum { IN_FILE = 1 << DSP_UNITS_FILE, BARE = 1 << DSP_UNITS_COMMAND_LINE };
enum { ANYWHERE = IN_FILE | BARE };

/* One suffix: the number before it times 10^ten times 2^two. Factors are kept
 * as exponents so that "3.4us" and "400Gbps" are the doubles nearest to 3.4e-6
 * and 50e9, and sizes are exact. */
typedef struct {
  const char *suffix; /* exact, case-sensitive */
  int ten;
  int two;
  guint where;
} Unit;

typedef struct {
  const char *noun;
  const char *example;
  const Unit *units; /* ended by a NULL suffix */
} Quantity;

static const Unit size_units[] = {
    {"B", 0, 0, ANYWHERE},    {"kB", 3, 0, ANYWHERE},
    {"MB", 6, 0, ANYWHERE},   {"GB", 9, 0, ANYWHERE},
    {"TB", 12, 0, ANYWHERE},  {"KiB", 0, 10, ANYWHERE},
    {"MiB", 0, 20, ANYWHERE}, {"GiB", 0, 30, ANYWHERE},
    {"TiB", 0, 40, ANYWHERE}, {"", 0, 0, BARE},
    {"K", 0, 10, BARE},       {"M", 0, 20, BARE},
    {"G", 0, 30, BARE},       {"T", 0, 40, BARE},
    {NULL, 0, 0, 0}};

static const Unit count_units[] = {{"", 0, 0, ANYWHERE},
                                   {"k", 0, 10, BARE},
                                   {"m", 0, 20, BARE},
                                   {"g", 0, 30, BARE},
                                   {NULL, 0, 0, 0}};

static const Unit rate_units[] = {
    {"bps", 0, -3, ANYWHERE},   {"kbps", 3, -3, ANYWHERE},
    {"Mbps", 6, -3, ANYWHERE},  {"Gbps", 9, -3, ANYWHERE},
    {"Tbps", 12, -3, ANYWHERE}, {"B/s", 0, 0, ANYWHERE},
    {"kB/s", 3, 0, ANYWHERE},   {"MB/s", 6, 0, ANYWHERE},
    {"GB/s", 9, 0, ANYWHERE},   {"TB/s", 12, 0, ANYWHERE},
    {"Bps", 0, 0, ANYWHERE},    {"kBps", 3, 0, ANYWHERE},
    {"MBps", 6, 0, ANYWHERE},   {"GBps", 9, 0, ANYWHERE},
    {"TBps", 12, 0, ANYWHERE},  {"KiB/s", 0, 10, ANYWHERE},
    {"MiB/s", 0, 20, ANYWHERE}, {"GiB/s", 0, 30, ANYWHERE},
    {"TiB/s", 0, 40, ANYWHERE}, {NULL, 0, 0, 0}};

static const Unit time_units[] = {{"ns", -9, 0, ANYWHERE},
                                  {"us", -6, 0, ANYWHERE},
                                  {"ms", -3, 0, ANYWHERE},
                                  {"s", 0, 0, ANYWHERE},
                                  {NULL, 0, 0, 0}};

static const Unit flops_units[] = {{"GFLOPS", 9, 0, ANYWHERE},
                                   {"TFLOPS", 12, 0, ANYWHERE},
                                   {"PFLOPS", 15, 0, ANYWHERE},
                                   {NULL, 0, 0, 0}};

static const Quantity size_quantity = {"size", "80GiB", size_units};
static const Quantity count_quantity = {"count", "128", count_units};
static const Quantity rate_quantity = {"rate", "450GB/s", rate_units};
static const Quantity time_quantity = {"time", "3.4us", time_units};
static const Quantity flops_quantity = {"compute rate", "989.4TFLOPS",
                                        flops_units};

/* A quantity as written: digits with an optional fraction, then a unit. */
typedef struct {
  gsize digits;   /* length of the integral part */
  gsize fraction; /* digits after the point, trailing zeros left out */
  const Unit *unit;
} Written;

static gboolean fail(const Quantity *quantity, const char *text, GError **error,
                     const char *why) {
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "invalid %s '%s': %s",
              quantity->noun, text, why);
  return FALSE;
}

static void fail_unit(const Quantity *quantity, const char *text, guint where,
                      const char *suffix, GError **error) {
  g_autoptr(GString) why = g_string_new(NULL);
  const char *separator = "";
  if (*suffix)
    g_string_append_printf(why, "unknown unit '%s', must be ", suffix);
  else
    g_string_append(why, "must have a unit: ");
  for (const Unit *u = quantity->units; u->suffix; u++) {
    if (!(u->where & where))
      continue;
    g_string_append_printf(why, "%s%s", separator,
                           *u->suffix ? u->suffix : "none");
    separator = ", ";
  }
  fail(quantity, text, error, why->str);
}

static const Unit *find_unit(const Unit *units, const char *suffix,
                             guint where) {
  for (; units->suffix; units++)
    if ((units->where & where) && strcmp(units->suffix, suffix) == 0)
      return units;
  return NULL;
}

static gsize count_digits(const char *text) {
  return strspn(text, "0123456789");
}

/* Splits `text` into number and unit; digits must stand on both sides of a
 * decimal point. */
static gboolean split(const Quantity *quantity, const char *text,
                      DspUnitsStyle style, Written *written, GError **error) {
  const guint where = 1 << style;
  gsize digits = count_digits(text), fraction = 0, length = digits;
  if (text[0] == '-' && g_ascii_isdigit(text[1]))
    return fail(quantity, text, error, "must not be negative");
  if (text[digits] == '.') {
    fraction = count_digits(text + digits + 1);
    length += 1 + fraction;
  }
  if (digits == 0 || (length > digits && fraction == 0)) {
    g_autofree char *why =
        g_strdup_printf("must be a number such as %s", quantity->example);
    return fail(quantity, text, error, why);
  }
  const Unit *unit = find_unit(quantity->units, text + length, where);
  if (!unit) {
    fail_unit(quantity, text, where, text + length, error);
    return FALSE;
  }
  while (fraction > 0 && text[digits + fraction] == '0')
    fraction--;
  *written = (Written){digits, fraction, unit};
  return TRUE;
}

static gboolean multiply(guint64 *value, guint64 factor, guint times) {
  while (times-- > 0)
    if (!g_uint64_checked_mul(value, *value, factor))
      return FALSE;
  return TRUE;
}

static gboolean divide(guint64 *value, guint64 divisor, guint times) {
  for (; times > 0 && *value > 0; times--) {
    if (*value % divisor != 0)
      return FALSE;
    *value /= divisor;
  }
  return TRUE;
}

static gboolean append_digits(guint64 *value, const char *digits,
                              gsize length) {
  for (gsize i = 0; i < length; i++)
    if (!g_uint64_checked_mul(value, *value, 10) ||
        !g_uint64_checked_add(value, *value, digits[i] - '0'))
      return FALSE;
  return TRUE;
}

/* The exact integer: digits * 10^e * 2^two = digits * 5^e * 2^(e + two), where
 * the fraction's length counts against the power of ten. */
static gboolean parse_integer(const Quantity *quantity, const char *text,
                              DspUnitsStyle style, int64_t *result,
                              GError **error) {
  Written w;
  if (!split(quantity, text, style, &w, error))
    return FALSE;
  guint64 value = 0;
  if (!append_digits(&value, text, w.digits) ||
      !append_digits(&value, text + w.digits + 1, w.fraction))
    return fail(quantity, text, error, "too large or too many digits");
  const gint64 five = (gint64)w.unit->ten - (gint64)w.fraction;
  const gint64 two = five + w.unit->two;
  if (!divide(&value, 5, MAX(-five, 0)) || !divide(&value, 2, MAX(-two, 0)))
    return fail(quantity, text, error, "must be a whole number");
  if (!multiply(&value, 5, MAX(five, 0)) || !multiply(&value, 2, MAX(two, 0)) ||
      value > G_MAXINT64)
    return fail(quantity, text, error, "too large");
  *result = (int64_t)value;
  return TRUE;
}

/* The nearest double: the unit's power of ten goes into the text, so that the
 * conversion rounds once; the power of two is exact. */
static gboolean parse_real(const Quantity *quantity, const char *text,
                           double *result, GError **error) {
  Written w;
  if (!split(quantity, text, DSP_UNITS_FILE, &w, error))
    return FALSE;
  const gsize length = w.digits + (w.fraction ? 1 + w.fraction : 0);
  g_autofree char *number =
      g_strdup_printf("%.*se%d", (int)MIN(length, G_MAXINT), text, w.unit->ten);
  const double value = ldexp(g_ascii_strtod(number, NULL), w.unit->two);
  if (!isfinite(value))
    return fail(quantity, text, error, "too large");
  *result = value;
  return TRUE;
}

gboolean dsp_parse_size(const char *text, DspUnitsStyle style, int64_t *bytes,
                        GError **error) {
  return parse_integer(&size_quantity, text, style, bytes, error);
}

gboolean dsp_parse_count(const char *text, DspUnitsStyle style, int64_t *count,
                         GError **error) {
  return parse_integer(&count_quantity, text, style, count, error);
}

gboolean dsp_parse_rate(const char *text, double *bytes_per_s, GError **error) {
  return parse_real(&rate_quantity, text, bytes_per_s, error);
}

gboolean dsp_parse_time(const char *text, double *seconds, GError **error) {
  return parse_real(&time_quantity, text, seconds, error);
}

gboolean dsp_parse_flops(const char *text, double *flop_per_s, GError **error) {
  return parse_real(&flops_quantity, text, flop_per_s, error);
}

gboolean dsp_parse_price(const char *text, double *amount, char **currency,
                         GError **error) {
  const double most = 1e9;
  char *letters = NULL;
  const double value = g_ascii_strtod(text, &letters);
  gboolean right =
      g_ascii_isdigit(*text) && value > 0 && value <= most && *letters;
  for (const char *c = letters; *c; c++)
    right = right && g_ascii_isalpha(*c);
  if (!right) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "'%s' is not a price with its currency, such as 2.5USD", text);
    return FALSE;
  }
  *amount = value;
  *currency = g_strdup(letters);
  return TRUE;
}

gboolean dsp_mul_int64(int64_t a, int64_t b, int64_t *result) {
  int64_t product;
  if (__builtin_mul_overflow(a, b, &product))
    return FALSE;
  *result = product;
  return TRUE;
}

gboolean dsp_add_int64(int64_t a, int64_t b, int64_t *result) {
  int64_t sum;
  if (__builtin_add_overflow(a, b, &sum))
    return FALSE;
  *result = sum;
  return TRUE;
}

typedef struct {
  const char *name;
  double factor;
} Scale;

static const Scale size_scales[] = {{"KiB", 0x1p10}, {"MiB", 0x1p20},
                                    {"GiB", 0x1p30}, {"TiB", 0x1p40},
                                    {"PiB", 0x1p50}, {NULL, 0}};
static const Scale time_scales[] = {
    {"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {NULL, 0}};
static const Scale rate_scales[] = {{"B/s", 1},     {"kB/s", 1e3},
                                    {"MB/s", 1e6},  {"GB/s", 1e9},
                                    {"TB/s", 1e12}, {NULL, 0}};

/* The largest scale that leaves at least 1 before the point once rounded to
 * `decimals`, so that "1024.00 KiB" never stands for "1.00 MiB". */
static char *format_scaled(double value, const Scale *scale, int decimals) {
  const double nearly_one = 1 - 0.5 * pow(10, -decimals) / 1000;
  char format[8], number[G_ASCII_DTOSTR_BUF_SIZE * 16];
  while (scale[1].name && fabs(value) >= scale[1].factor * nearly_one)
    scale++;
  g_snprintf(format, sizeof format, "%%.%df", decimals);
  g_ascii_formatd(number, sizeof number, format, value / scale->factor);
  return g_strdup_printf("%s %s", number, scale->name);
}

char *dsp_format_size(int64_t bytes) {
  if (bytes > -1024 && bytes < 1024)
    return g_strdup_printf("%d B", (int)bytes);
  return format_scaled((double)bytes, size_scales, 2);
}

char *dsp_format_time(double seconds) {
  return format_scaled(seconds, time_scales, 2);
}

char *dsp_format_rate(double bytes_per_s) {
  return format_scaled(bytes_per_s, rate_scales, 1);
}
