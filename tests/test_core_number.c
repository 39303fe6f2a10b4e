/* Number text, in the C locale and in one with a decimal comma. */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>
#include "test_core.h"

static uint64_t bits_of(double v) {
  uint64_t bits;
  memcpy(&bits, &v, sizeof bits);
  return bits;
}

/* Splitmix64: test values, the same at every run. */
static uint64_t draw(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static void check_parsing(void) {
  static const struct { const char *text; double value; int used;
  } rows[] = { { "0", 0, 1 }, { "-0", -0.0, 2 }, { "1", 1, 1 }, { "+1.5", 1.5, 4 }, { "-1e-3", -1e-3, 5 }, { ".5", .5, 2 }, { "5.", 5, 2 }, { "1e5x", 1e5, 3 },
               { "1e", 1, 1 }, { "1e+", 1, 1 }, { "1,5", 1, 1 }, { "0x10", 0, 1 }, { "1/255", 1, 1 }, { "inf", INFINITY, 3 }, { "-Infinity", -INFINITY, 9 },
               { "1e400", INFINITY, 5 }, { "1e-400", 0, 6 }, { "1e99999999999", INFINITY, 13 }, { "0e99999999999", 0, 13 }, { "0.1", 0.1, 3 },
               { "123456789012345678901234567890", 123456789012345678901234567890.0, 30 }, { "9007199254740993", 9007199254740992.0, 16 },
               { "2.2250738585072011e-308", 2.2250738585072011e-308, 23 }, { "4.9406564584124654e-324", 4.9406564584124654e-324, 23 }, { "1e23", 1e23, 4 },
               { "1.7976931348623157e308", 1.7976931348623157e308, 22 }, { "0.000000000000000000000000000001", 1e-30, 32 },
               { "00000000000000000000000001.25", 1.25, 29 } };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    double v = 77;
    const char *end = cni_number_parse(rows[i].text, &v);
    cr_assert(end, "%s", rows[i].text);
    cr_assert_eq(end - rows[i].text, rows[i].used, "%s", rows[i].text);
    cr_assert_eq(bits_of(v), bits_of(rows[i].value), "%s", rows[i].text);
  }
  static const char *const none[] = { "", "x", "-", ".", "e5", " 1", "+-1", "in", "--1", "-x" };
  double v = 77;
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) cr_assert_null(cni_number_parse(none[i], &v), "%s", none[i]);
  cr_assert_eq(v, 77);
  cr_assert(cni_number_parse("nan", &v) && isnan(v));
  cr_assert(cni_number_parse("NaN", &v) && isnan(v));
}

static void check_printing(void) {
  static const struct { double v; int digits; const char *text;
  } rows[] = { { 0, 17, "0" }, { -0.0, 17, "-0" }, { 1, 17, "1" }, { -3, 9, "-3" }, { 0.1, 17, "0.1" }, { 1e-4, 17, "0.0001" }, { 1e-5, 17, "1e-05" },
               { 1.5e-7, 17, "1.5e-07" }, { 1e15, 17, "1000000000000000" }, { 1e16, 17, "1e+16" }, { 1.25e22, 17, "1.25e+22" }, { 1e100, 17, "1e+100" },
               { 123456.789, 17, "123456.789" }, { 1 / 3.0, 17, "0.3333333333333333" }, { 2 / 3.0, 17, "0.6666666666666666" },
               { 0.30000000000000004, 17, "0.30000000000000004" }, { (double)0.1f, 9, "0.1" }, { (double)0.1f, 17, "0.10000000149011612" },
               { (double)16777216.f, 9, "16777216" }, { 5e-324, 17, "5e-324" }, { 1.7976931348623157e308, 17, "1.7976931348623157e+308" },
               { (double)3.4028235e38f, 9, "3.4028235e+38" }, { 3.14159265, 4, "3.142" }, { 2.0, 4, "2" }, { 123456, 3, "123000" }, { INFINITY, 17, "inf" },
               { -INFINITY, 9, "-inf" }, { NAN, 17, "nan" } };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char text[40];
    cr_assert_eq(cni_number_text(rows[i].v, rows[i].digits, text, sizeof text), (int)strlen(rows[i].text));
    CHECK_TEXT(text, rows[i].text);
  }
  char small[4];
  cr_assert_eq(cni_number_text(1 / 3.0, 17, small, sizeof small), 18);
  CHECK_TEXT(small, "0.3");
}

static void check_round_trips(void) {
  uint64_t state = 1;
  for (int i = 0; i < 20000; i++) {
    const uint64_t bits = draw(&state);
    const uint32_t half = (uint32_t)bits;
    double v, back = 0;
    float f;
    char text[40];
    memcpy(&v, &bits, sizeof v);
    memcpy(&f, &half, sizeof f);
    if (!isfinite(v) || !isfinite(f)) continue;
    cni_number_text(v, 17, text, sizeof text);
    cr_assert(cni_number_parse(text, &back) && bits_of(back) == bits, "%s", text);
    cni_number_text((double)f, 9, text, sizeof text);
    cr_assert(cni_number_parse(text, &back) && (float)back == f, "%s", text);
  }
}

static void check_fixed(void) {
  char text[64];
  static const struct {
    double v;
    int decimals;
    const char *text;
  } rows[] = { { 1.25, 1, "1.2" },      { -0.5, 2, "-0.50" }, { 1234567, 0, "1234567" }, { 1e300, 0, NULL },
               { 0.00049, 3, "0.000" }, { NAN, 2, "nan" },    { INFINITY, 4, "inf" } };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const int n = cni_fixed_text(rows[i].v, rows[i].decimals, text, sizeof text);
    if (rows[i].text) CHECK_TEXT(text, rows[i].text);
    else cr_assert(n == 301 && strlen(text) == sizeof text - 1);
  }
}

Test(number, parses) { check_parsing(); }

Test(number, prints_with_fixed_decimals) { check_fixed(); }

Test(number, prints) { check_printing(); }

Test(number, round_trips) { check_round_trips(); }

Test(number, parses_as_the_c_library) {
  uint64_t state = 5;
  for (int i = 0; i < 20000; i++) {
    char text[64];
    double v = 0;
    const int digits = (int)(draw(&state) % 19) + 1, exponent = (int)(draw(&state) % 60) - 30;
    snprintf(text, sizeof text, "%.*e", digits - 1, (double)draw(&state) / 1e10);
    snprintf(strchr(text, 'e'), 10, "e%d", exponent);
    cr_assert(cni_number_parse(text, &v) && bits_of(v) == bits_of(strtod(text, NULL)), "%s", text);
  }
}

Test(number, integers) {
  int64_t v = 0;
  static const struct {
    const char *text;
    int64_t value;
    int used;
  } rows[] = { { "0", 0, 1 }, { "-3", -3, 2 }, { "+7,", 7, 2 }, { "3x", 3, 1 }, { "3.5", 3, 1 }, { "9223372036854775807", INT64_MAX, 19 },
               { "-9223372036854775808", INT64_MIN, 20 } };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    cr_assert_eq(cni_integer_parse(rows[i].text, &v), rows[i].text + rows[i].used, "%s", rows[i].text);
    cr_assert_eq(v, rows[i].value);
  }
  static const char *const none[] = { "", "x", "-", " 1", "9223372036854775808", "-9223372036854775809", "99999999999999999999" };
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) cr_assert_null(cni_integer_parse(none[i], &v), "%s", none[i]);
}

/* A locale with a decimal comma: one that is installed, or one that localedef makes. */
static locale_t comma_locale(void) {
  static const char *const names[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "fr_FR.utf8", "ru_RU.UTF-8", "pt_BR.UTF-8" };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const locale_t found = newlocale(LC_ALL_MASK, names[i], (locale_t)0);
    if (found) return found;
  }
  char folder[] = "/tmp/cornu_locale_XXXXXX", command[200];
  if (!mkdtemp(folder)) return (locale_t)0;
  snprintf(command, sizeof command, "localedef -c -i de_DE -f UTF-8 %s/comma >/dev/null 2>&1", folder);
  locale_t made = (locale_t)0;
  if (system(command) == 0 && setenv("LOCPATH", folder, 1) == 0) made = newlocale(LC_ALL_MASK, "comma", (locale_t)0);
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command) == 0 ? made : (locale_t)0;
}

Test(number, decimal_comma) {
  const locale_t comma = comma_locale();
  char text[16];
  if (comma == (locale_t)0) {
    cr_log_warn("skipped: no locale with a decimal comma is installed and localedef cannot make one");
    cr_skip_test("no locale with a decimal comma");
  }
  const locale_t before = uselocale(comma);
  snprintf(text, sizeof text, "%.1f", 1.5);
  CHECK_TEXT(text, "1,5");
  check_parsing();
  check_printing();
  check_round_trips();
  check_fixed();
  uselocale(before);
  freelocale(comma);
}
