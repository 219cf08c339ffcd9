/* SPDX-License-Identifier: Apache-2.0 */
/* Quantities with units at the edge: "64MiB", "400Gbps", "3.4us". Inside the
 * program every size is int64_t bytes, every time seconds, every rate bytes/s
 * and every compute rate FLOP/s (double). dspsim(7) documents the grammar. */
#ifndef DSP_BASE_UNITS_H
#define DSP_BASE_UNITS_H

#include <glib.h>
#include <stdint.h>

/* On the command line bare "K M G T" are 1024^n, as in nccl-tests; in files
 * they are errors, and so is a number without a unit. */
typedef enum { DSP_UNITS_COMMAND_LINE, DSP_UNITS_FILE } DspUnitsStyle;

/* Each parser takes the whole of `text` or fails with DSP_ERROR_USAGE and a
 * message that says what would be right. `*value` is set only on success.
 * Negative, NaN, infinite and overflowing quantities are errors; zero is not.
 */

/* Bytes: "8", "64KiB" (1024^n), "64kB" (1000^n). */
gboolean dsp_parse_size(const char *text, DspUnitsStyle style, int64_t *bytes,
                        GError **error);
/* Bytes per second: "400Gbps" = 50e9, "50GB/s" = "50GBps", "46GiB/s". */
gboolean dsp_parse_rate(const char *text, double *bytes_per_s, GError **error);
/* Seconds: "3.4us", "10ms", "1s", "500ns". */
gboolean dsp_parse_time(const char *text, double *seconds, GError **error);
/* FLOP per second: "989.4TFLOPS", "1.2PFLOPS". */
gboolean dsp_parse_flops(const char *text, double *flop_per_s, GError **error);
/* A count: "128", "8k" = 8192 on the command line (k m g are 1024^n). */
gboolean dsp_parse_count(const char *text, DspUnitsStyle style, int64_t *count,
                         GError **error);

/* A price and the letters of its currency, "2.5USD": greater than 0, at most
 * 1e9. The caller frees *currency. */
gboolean dsp_parse_price(const char *text, double *amount, char **currency,
                         GError **error);

/* a*b and a+b of byte counts; FALSE on overflow, *result untouched. */
gboolean dsp_mul_int64(int64_t a, int64_t b, int64_t *result);
gboolean dsp_add_int64(int64_t a, int64_t b, int64_t *result);

/* For people: "1.50 GiB", "3.21 ms", "450.0 GB/s". The caller frees. */
char *dsp_format_size(int64_t bytes);
char *dsp_format_time(double seconds);
char *dsp_format_rate(double bytes_per_s);

#endif
