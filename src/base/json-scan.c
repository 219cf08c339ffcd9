/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json-private.h"
#include <math.h>
#include <string.h>

#define MAX_DEPTH 64
#define MAX_VALUES                                                             \
  (1u << 22)          /* bounds memory: a node takes 20 times its text */
#define MAX_NUMBER 63 /* characters that cJSON looks at */

typedef struct {
  const char *start;
  const char *at;
  guint depth;
  GArray *marks;
  DspJsonDefect *defect;
} Scan;

static gboolean scan_value(Scan *scan, const char *key);

static gboolean fail_at(Scan *scan, const char *at, const char *what) {
  *scan->defect = (DspJsonDefect){(gsize)(at - scan->start), what};
  return FALSE;
}

static gboolean fail(Scan *scan, const char *what) {
  return fail_at(scan, scan->at, *scan->at ? what : "unexpected end of file");
}

static void skip_space(Scan *scan) {
  scan->at += strspn(scan->at, " \t\r\n");
}

static gboolean expect(Scan *scan, char c, const char *what) {
  skip_space(scan);
  if (*scan->at != c)
    return fail(scan, what);
  scan->at++;
  return TRUE;
}

/* The UTF-16 unit of a \u escape, or -1. */
static int escaped_unit(const char *at) {
  int unit = 0;
  if (at[0] != '\\' || at[1] != 'u')
    return -1;
  for (int i = 2; i < 6; i++) {
    if (!g_ascii_isxdigit(at[i]))
      return -1;
    unit = unit * 16 + g_ascii_xdigit_value(at[i]);
  }
  return unit;
}

static gboolean is_high(int unit) {
  return unit >= 0xd800 && unit < 0xdc00;
}

static gboolean is_low(int unit) {
  return unit >= 0xdc00 && unit < 0xe000;
}

static gboolean scan_unicode(Scan *scan) {
  const int unit = escaped_unit(scan->at);
  if (unit < 0)
    return fail(scan, "\\u must be followed by four hexadecimal digits");
  if (unit == 0)
    return fail(scan, "a string must not contain \\u0000");
  if (is_low(unit) || (is_high(unit) && !is_low(escaped_unit(scan->at + 6))))
    return fail(scan, "unpaired surrogate in a string");
  scan->at += is_high(unit) ? 12 : 6;
  return TRUE;
}

static gboolean scan_escape(Scan *scan) {
  const char c = scan->at[1];
  if (c == 'u')
    return scan_unicode(scan);
  if (!c || !strchr("\"\\/bfnrt", c))
    return fail(scan, "unknown escape in a string");
  scan->at += 2;
  return TRUE;
}

/* From the opening to behind the closing quotation mark. */
static gboolean scan_string(Scan *scan) {
  const char *opening = scan->at++;
  while (*scan->at != '"') {
    if (!*scan->at)
      return fail_at(scan, opening, "string without a closing '\"'");
    if ((guchar)*scan->at < ' ')
      return fail(scan, "control character in a string, must be escaped");
    if (*scan->at != '\\')
      scan->at++;
    else if (!scan_escape(scan))
      return FALSE;
  }
  scan->at++;
  return TRUE;
}

static gsize skip_digits(Scan *scan) {
  const gsize n = strspn(scan->at, "0123456789");
  scan->at += n;
  return n;
}

static gboolean scan_fraction_and_exponent(Scan *scan) {
  if (*scan->at == '.') {
    scan->at++;
    if (skip_digits(scan) == 0)
      return fail(scan, "digits must follow a decimal point");
  }
  if (*scan->at == 'e' || *scan->at == 'E') {
    scan->at++;
    if (*scan->at == '+' || *scan->at == '-')
      scan->at++;
    if (skip_digits(scan) == 0)
      return fail(scan, "digits must follow an exponent's 'e'");
  }
  return TRUE;
}

static gboolean scan_number(Scan *scan) {
  const char *begin = scan->at;
  if (*scan->at == '-')
    scan->at++;
  const char *integer = scan->at;
  const gsize digits = skip_digits(scan);
  if (digits == 0)
    return fail(scan, "digits must follow '-'");
  if (digits > 1 && *integer == '0')
    return fail_at(scan, begin, "a number must not begin with 0");
  if (!scan_fraction_and_exponent(scan))
    return FALSE;
  if (scan->at - begin > MAX_NUMBER)
    return fail_at(scan, begin, "number longer than 63 characters");
  if (!isfinite(g_ascii_strtod(begin, NULL)))
    return fail_at(scan, begin, "number too large");
  return TRUE;
}

static gboolean scan_word(Scan *scan) {
  static const char *const words[] = {"true", "false", "null"};
  for (guint i = 0; i < G_N_ELEMENTS(words); i++)
    if (g_str_has_prefix(scan->at, words[i])) {
      scan->at += strlen(words[i]);
      return TRUE;
    }
  return fail(scan, "expected a value: an object, array, string, number, true, "
                    "false or null");
}

static gboolean scan_member(Scan *scan) {
  skip_space(scan);
  const char *key = scan->at;
  if (*key != '"')
    return fail(scan, "expected a key in '\"'");
  return scan_string(scan) && expect(scan, ':', "expected ':' after a key") &&
         scan_value(scan, key);
}

static gboolean scan_element(Scan *scan) {
  return scan_value(scan, NULL);
}

/* What stands between an opening character and `closing`. */
static gboolean scan_list(Scan *scan, char closing, const char *what,
                          gboolean (*scan_item)(Scan *)) {
  if (++scan->depth > MAX_DEPTH)
    return fail(scan, "nested more than 64 levels deep");
  scan->at++;
  skip_space(scan);
  while (*scan->at != closing) {
    if (!scan_item(scan))
      return FALSE;
    skip_space(scan);
    if (*scan->at == closing)
      break;
    if (!expect(scan, ',', what))
      return FALSE;
    skip_space(scan);
    if (*scan->at == closing)
      return fail(scan, "nothing follows the comma");
  }
  scan->at++;
  scan->depth--;
  return TRUE;
}

static gboolean scan_value(Scan *scan, const char *key) {
  skip_space(scan);
  const char *begin = scan->at;
  const DspJsonMark mark = {(guint32)((key ? key : begin) - scan->start),
                            (guint32)(begin - scan->start)};
  if (scan->marks->len == MAX_VALUES)
    return fail(scan, "more than 4194304 values");
  g_array_append_val(scan->marks, mark);
  switch (*begin) {
  case '{':
    return scan_list(scan, '}', "expected ',' or '}'", scan_member);
  case '[':
    return scan_list(scan, ']', "expected ',' or ']'", scan_element);
  case '"':
    return scan_string(scan);
  default:
    if (*begin == '-' || g_ascii_isdigit(*begin))
      return scan_number(scan);
    return scan_word(scan);
  }
}

gboolean dsp_json_scan(const char *text, gsize length, GArray *marks,
                       DspJsonDefect *defect) {
  Scan scan = {.start = text, .at = text, .marks = marks, .defect = defect};
  if (g_str_has_prefix(text, "\xef\xbb\xbf"))
    return fail(&scan, "byte order mark, must be plain UTF-8");
  if (!scan_value(&scan, NULL))
    return FALSE;
  skip_space(&scan);
  if (scan.at != text + length)
    return fail(&scan, "text after the end of the document");
  return TRUE;
}
