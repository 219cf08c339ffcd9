/* SPDX-License-Identifier: Apache-2.0 */
#include "base/dtype.h"
#include "base/units.h"
#include "test_base.h"

#define FILES   (1 << DSP_UNITS_FILE)
#define TYPED   (1 << DSP_UNITS_COMMAND_LINE)
#define ANYWAY  (FILES | TYPED)
#define NOWHERE 0

typedef gboolean (*ParseInteger)(const char *, DspUnitsStyle, int64_t *,
                                 GError **);
typedef gboolean (*ParseReal)(const char *, double *, GError **);

/* A quantity, where it is valid, and its value there; elsewhere it fails with
 * a message that contains `why` (or only the text itself if there is none). */
typedef struct {
  const char *text;
  int valid;
  int64_t value;
  const char *why;
} IntegerRow;

static const IntegerRow sizes[] = {
    {"0B", ANYWAY, 0, NULL},
    {"1B", ANYWAY, 1, NULL},
    {"7kB", ANYWAY, 7000, NULL},
    {"7MB", ANYWAY, 7000000, NULL},
    {"7GB", ANYWAY, 7000000000, NULL},
    {"7TB", ANYWAY, 7000000000000, NULL},
    {"7KiB", ANYWAY, 7168, NULL},
    {"7MiB", ANYWAY, 7340032, NULL},
    {"7GiB", ANYWAY, 7516192768, NULL},
    {"7TiB", ANYWAY, 7696581394432, NULL},
    {"7", TYPED, 7, "must have a unit: B, kB"},
    {"0", TYPED, 0, "must have a unit"},
    {"7K", TYPED, 7168, "unknown unit 'K'"},
    {"7M", TYPED, 7340032, "unknown unit 'M'"},
    {"7G", TYPED, 7516192768, "unknown unit 'G'"},
    {"7T", TYPED, 7696581394432, "unknown unit 'T'"},
    {"64M", TYPED, 67108864, "unknown unit"},
    {"64MB", ANYWAY, 64000000, NULL},
    {"1.5KiB", ANYWAY, 1536, NULL},
    {"0.3kB", ANYWAY, 300, NULL},
    {"1.10000kB", ANYWAY, 1100, NULL},
    {"2.000000000000000000000000000B", ANYWAY, 2, NULL},
    {"1.000030517578125TiB", ANYWAY, 1099545182208, NULL},
    {"007B", ANYWAY, 7, NULL},
    {"9007199254740993B", ANYWAY, 9007199254740993, NULL},
    {"9223372036854775807B", ANYWAY, G_MAXINT64, NULL},
    {"9223372036854775808B", NOWHERE, 0, "too large"},
    {"18446744073709551616B", NOWHERE, 0, "too large"},
    {"8388607TiB", ANYWAY, 9223370937343148032, NULL},
    {"8388608TiB", NOWHERE, 0, "too large"},
    {"9223372036854775807TB", NOWHERE, 0, "too large"},
    {"99999999999999999999999999B", NOWHERE, 0, "too large"},
    {"0.5B", NOWHERE, 0, "must be a whole number"},
    {"1.3KiB", NOWHERE, 0, "must be a whole number"},
    {"0.0000000000000000000000000001B", NOWHERE, 0, "must be a whole number"},
    {"-1B", NOWHERE, 0, "must not be negative"},
    {"80Gib", NOWHERE, 0, "unknown unit 'Gib', must be B, kB"},
    {"80gb", NOWHERE, 0, "unknown unit 'gb'"},
    {"64kiB", NOWHERE, 0, "unknown unit 'kiB'"},
    {"64KB", NOWHERE, 0, "unknown unit 'KB'"},
    {"64 MiB", NOWHERE, 0, "unknown unit ' MiB'"},
    {"64MiBs", NOWHERE, 0, "unknown unit 'MiBs'"},
    {"64MiB ", NOWHERE, 0, "unknown unit 'MiB '"},
    {" 64MiB", NOWHERE, 0, "must be a number such as 80GiB"},
    {"+64MiB", NOWHERE, 0, "must be a number"},
    {"1e3B", NOWHERE, 0, "unknown unit 'e3B'"},
    {"0x10B", NOWHERE, 0, "unknown unit 'x10B'"},
    {"1,5KiB", NOWHERE, 0, "unknown unit ',5KiB'"},
    {"1.2.3B", NOWHERE, 0, "unknown unit '.3B'"},
    {"1.B", NOWHERE, 0, "must be a number"},
    {".5KiB", NOWHERE, 0, "must be a number"},
    {"infB", NOWHERE, 0, "must be a number"},
    {"nanB", NOWHERE, 0, "must be a number"},
    {"B", NOWHERE, 0, "must be a number"},
    {"-", NOWHERE, 0, "must be a number"},
    {"", NOWHERE, 0, "invalid size ''"},
    {"\xd9\xa3"
     "B",
     NOWHERE, 0, "must be a number"}, /* an Arabic-Indic digit */
};

static const IntegerRow counts[] = {
    {"0", ANYWAY, 0, NULL},
    {"128", ANYWAY, 128, NULL},
    {"8k", TYPED, 8192, "unknown unit 'k', must be none"},
    {"3m", TYPED, 3145728, "unknown unit"},
    {"1.5g", TYPED, 1610612736, "unknown unit"},
    {"8K", NOWHERE, 0, "unknown unit 'K'"},
    {"8B", NOWHERE, 0, "unknown unit 'B'"},
    {"1.5", NOWHERE, 0, "must be a whole number"},
    {"9223372036854775807", ANYWAY, G_MAXINT64, NULL},
    {"9223372036854775808", NOWHERE, 0, "too large"},
    {"-4", NOWHERE, 0, "must not be negative"},
    {"four", NOWHERE, 0, "must be a number such as 128"},
};

static void check_integer(ParseInteger parse, const IntegerRow *row,
                          DspUnitsStyle style) {
  const gboolean valid = (row->valid >> style) & 1;
  g_autoptr(GError) error = NULL;
  int64_t value = -7;
  const gboolean parsed = parse(row->text, style, &value, &error);
  DSP_CHECK(parsed == valid, "'%s' in style %d: %d, want %d", row->text, style,
            parsed, valid);
  DSP_CHECK(value == (valid ? row->value : -7),
            "'%s' in style %d: got %" G_GINT64_FORMAT, row->text, style, value);
  if (valid)
    DSP_CHECK_NO_ERROR(error);
  else
    DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, row->why);
}

static void check_integers(ParseInteger parse, const IntegerRow *rows,
                           gsize n) {
  for (gsize i = 0; i < n; i++) {
    check_integer(parse, &rows[i], DSP_UNITS_FILE);
    check_integer(parse, &rows[i], DSP_UNITS_COMMAND_LINE);
  }
}

static void test_sizes(void) {
  check_integers(dsp_parse_size, sizes, G_N_ELEMENTS(sizes));
}

static void test_counts(void) {
  check_integers(dsp_parse_count, counts, G_N_ELEMENTS(counts));
}

/* NULL `why`: valid, and exactly the double nearest to the decimal number. */
typedef struct {
  const char *text;
  double value;
  const char *why;
} RealRow;

static const RealRow rates[] = {
    {"8bps", 1, NULL},
    {"8kbps", 1e3, NULL},
    {"8Mbps", 1e6, NULL},
    {"400Gbps", 50e9, NULL},
    {"1.6Tbps", 200e9, NULL},
    {"3B/s", 3, NULL},
    {"3kB/s", 3e3, NULL},
    {"3MB/s", 3e6, NULL},
    {"46.1GB/s", 46.1e9, NULL},
    {"3.35TB/s", 3.35e12, NULL},
    {"3Bps", 3, NULL},
    {"3kBps", 3e3, NULL},
    {"3MBps", 3e6, NULL},
    {"46.1GBps", 46.1e9, NULL},
    {"3.35TBps", 3.35e12, NULL},
    {"46KiB/s", 47104, NULL},
    {"46MiB/s", 48234496, NULL},
    {"46GiB/s", 49392123904, NULL},
    {"46TiB/s", 50577534877696, NULL},
    {"0GB/s", 0, NULL},
    {"50Gb/s", 0, "unknown unit 'Gb/s', must be bps"},
    {"50gbps", 0, "unknown unit 'gbps'"},
    {"50GBPS", 0, "unknown unit 'GBPS'"},
    {"50", 0, "must have a unit: bps"},
    {"50GB", 0, "unknown unit 'GB'"},
    {"-50GB/s", 0, "must not be negative"},
    {"1e9B/s", 0, "unknown unit 'e9B/s'"},
    {"infGB/s", 0, "must be a number such as 450GB/s"},
};

static const RealRow times[] = {
    {"500ns", 500e-9, NULL},
    {"3.4us", 3.4e-6, NULL},
    {"10ms", 10e-3, NULL},
    {"1s", 1, NULL},
    {"0.1us", 0.1e-6, NULL},
    {"0ns", 0, NULL},
    {"3.4", 0, "must have a unit: ns, us, ms, s"},
    {"3.4Us", 0, "unknown unit 'Us'"},
    {"3.4\xc2\xb5s", 0, "unknown unit '\xc2\xb5s'"},
    {"1m", 0, "unknown unit 'm'"},
    {"-1s", 0, "must not be negative"},
    {"nans", 0, "must be a number such as 3.4us"},
};

static const RealRow flops[] = {
    {"500GFLOPS", 500e9, NULL},
    {"989.4TFLOPS", 989.4e12, NULL},
    {"1.2PFLOPS", 1.2e15, NULL},
    {"989.4", 0, "must have a unit: GFLOPS, TFLOPS, PFLOPS"},
    {"989.4Tflops", 0, "unknown unit 'Tflops'"},
    {"989.4TFLOP/s", 0, "unknown unit 'TFLOP/s'"},
    {"-1TFLOPS", 0, "must not be negative"},
};

static void check_real(ParseReal parse, const RealRow *row) {
  g_autoptr(GError) error = NULL;
  double value = -7;
  const gboolean parsed = parse(row->text, &value, &error);
  DSP_CHECK(parsed == !row->why, "'%s': %d", row->text, parsed);
  DSP_CHECK(value == (row->why ? -7 : row->value),
            "'%s': got %.17g, want %.17g", row->text, value, row->value);
  if (row->why)
    DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, row->why);
  else
    DSP_CHECK_NO_ERROR(error);
}

static void test_rates(void) {
  for (guint i = 0; i < G_N_ELEMENTS(rates); i++)
    check_real(dsp_parse_rate, &rates[i]);
}

static void test_times(void) {
  for (guint i = 0; i < G_N_ELEMENTS(times); i++)
    check_real(dsp_parse_time, &times[i]);
}

static void test_flops(void) {
  for (guint i = 0; i < G_N_ELEMENTS(flops); i++)
    check_real(dsp_parse_flops, &flops[i]);
}

static gboolean parse_dollars(const char *text, double *amount,
                              GError **error) {
  g_autofree char *currency = NULL;
  const gboolean parsed = dsp_parse_price(text, amount, &currency, error);
  DSP_CHECK(!parsed || g_str_equal(currency, "USD"), "currency of '%s'", text);
  return parsed;
}

static void test_prices(void) {
  static const char *const why = "price with its currency, such as 2.5USD";
  static const RealRow prices[] = {
      {"2.5USD", 2.5, NULL},     {"1e9USD", 1e9, NULL}, {"1e-6USD", 1e-6, NULL},
      {"2.5", 0, why},           {"USD", 0, why},       {"0USD", 0, why},
      {"-1USD", 0, why},         {"2.5 USD", 0, why},   {"2.5U$D", 0, why},
      {"2000000000USD", 0, why}, {"nanUSD", 0, why},    {"", 0, why},
  };
  for (guint i = 0; i < G_N_ELEMENTS(prices); i++)
    check_real(parse_dollars, &prices[i]);
}

/* 400 digits are more than a double holds. */
static void test_endless_digits(void) {
  g_autofree char *digits = g_strnfill(400, '9');
  g_autofree char *rate = g_strconcat(digits, "GB/s", NULL);
  g_autofree char *size = g_strconcat(digits, "B", NULL);
  check_real(dsp_parse_rate, &(RealRow){rate, 0, "too large"});
  check_integer(dsp_parse_size, &(IntegerRow){size, NOWHERE, 0, "too large"},
                DSP_UNITS_FILE);
  check_integer(dsp_parse_count,
                &(IntegerRow){"8589934592g", NOWHERE, 0, "too large"},
                DSP_UNITS_COMMAND_LINE);
}

static void test_checked_arithmetic(void) {
  static const struct {
    int64_t a, b;
    gboolean product, sum;
  } rows[] = {
      {3, 5, TRUE, TRUE},
      {G_MAXINT64, 1, TRUE, FALSE},
      {G_MAXINT64, -1, TRUE, TRUE},
      {G_MININT64, -1, FALSE, FALSE},
      {1ll << 32, 1ll << 31, FALSE, TRUE},
      {G_MAXINT64 / 2 + 1, G_MAXINT64 / 2 + 1, FALSE, FALSE},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    const int64_t a = rows[i].a, b = rows[i].b;
    int64_t product = -7, sum = -7;
    DSP_CHECK_INT(dsp_mul_int64(a, b, &product), rows[i].product);
    DSP_CHECK_INT(dsp_add_int64(a, b, &sum), rows[i].sum);
    DSP_CHECK_INT(product, rows[i].product ? a * b : -7);
    DSP_CHECK_INT(sum, rows[i].sum ? a + b : -7);
  }
}

static void check_text(char *got, const char *want) {
  DSP_CHECK_STRING(got, want);
  g_free(got);
}

static void test_formats(void) {
  static const struct {
    int64_t bytes;
    const char *text;
  } shown_sizes[] = {
      {0, "0 B"},
      {1023, "1023 B"},
      {1024, "1.00 KiB"},
      {1536, "1.50 KiB"},
      {1048570, "1023.99 KiB"},
      {1048575, "1.00 MiB"},
      {1610612736, "1.50 GiB"},
      {G_MAXINT64, "8192.00 PiB"},
      {-1536, "-1.50 KiB"},
  };
  static const struct {
    double value;
    const char *time, *rate;
  } shown[] = {
      {0, "0.00 ns", "0.0 B/s"},
      {3.4e-6, "3.40 us", "0.0 B/s"},
      {9.9999e-7, "999.99 ns", "0.0 B/s"},
      {9.99999e-7, "1.00 us", "0.0 B/s"},
      {3.21e-3, "3.21 ms", "0.0 B/s"},
      {75, "75.00 s", "75.0 B/s"},
      {450e9, "450000000000.00 s", "450.0 GB/s"},
      {999.96e9, "999960000000.00 s", "1.0 TB/s"},
      {3.35e12, "3350000000000.00 s", "3.4 TB/s"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(shown_sizes); i++)
    check_text(dsp_format_size(shown_sizes[i].bytes), shown_sizes[i].text);
  for (guint i = 0; i < G_N_ELEMENTS(shown); i++) {
    check_text(dsp_format_time(shown[i].value), shown[i].time);
    check_text(dsp_format_rate(shown[i].value), shown[i].rate);
  }
}

static void test_dtypes(void) {
  static const int bytes[] = {2, 2, 4, 1};
  for (int d = 0; d < DSP_N_DTYPES; d++)
    DSP_CHECK_INT(dsp_dtype_bytes(d), bytes[d]);
  DSP_CHECK_STRING(dsp_dtype_names[DSP_DTYPE_FP8], "fp8");
  DSP_CHECK(!dsp_dtype_names[DSP_N_DTYPES], "names end with NULL");
}

CU_TestInfo units_tests[] = {
    {"sizes", test_sizes},
    {"counts", test_counts},
    {"rates", test_rates},
    {"times", test_times},
    {"compute rates", test_flops},
    {"prices", test_prices},
    {"endless digits", test_endless_digits},
    {"checked arithmetic", test_checked_arithmetic},
    {"for people", test_formats},
    {"element types", test_dtypes},
    CU_TEST_INFO_NULL,
};
