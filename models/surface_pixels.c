/* Drawing into pixels, at CNI_FINE samples a pixel, and a small font. */
#include <math.h>
#include "surface_private.h"

#define DOT (4.0 / CNI_FINE)   /* pixels of a letter's dot */
#define ROWS 7
#define COLUMNS 5

/* The printable letters of ASCII, from the space on: seven rows each, a digit of base 32 a row whose five bits are the dots, the leftmost worth 16. */
static const char font[][ROWS + 1] = { "0000000", "4444004", "AAA0000", "AAVAVAA", "4FKE5U4", "OP248J3", "CIK8LID", "C480000", "2488842", "8422248", "04LEL40",
                                       "044V440", "0000C48", "000V000", "00000CC", "01248G0", "EHJLPHE", "4C4444E", "EH1248V", "V2421HE", "26AIV22", "VGU11HE",
                                       "68GUHHE", "V124888", "EHHEHHE", "EHHF12C", "0CC0CC0", "0CC0C48", "248G842", "00V0V00", "8421248", "EH12404", "EH1DLLE",
                                       "EHHVHHH", "UHHUHHU", "EHGGGHE", "SIHHHIS", "VGGUGGV", "VGGUGGG", "EHGNHHF", "HHHVHHH", "E44444E", "72222IC", "HIKOKIH",
                                       "GGGGGGV", "HRLLHHH", "HHPLJHH", "EHHHHHE", "UHHUGGG", "EHHHLID", "UHHUKIH", "FGGE11U", "V444444", "HHHHHHE", "HHHHHA4",
                                       "HHHLLLA", "HHA4AHH", "HHHA444", "V1248GV", "E88888E", "0G84210", "E22222E", "4AH0000", "000000V", "8420000", "00E1FHF",
                                       "GGMPHHU", "00EGGHE", "11DJHHF", "00EHVGE", "698S888", "0FHHF1E", "GGMPHHH", "40C444E", "20622IC", "GGIKOKI", "C44444E",
                                       "00QLLHH", "00MPHHH", "00EHHHE", "00UHUGG", "00DJF11", "00MPGGG", "00EGE1U", "88S8896", "00HHHJD", "00HHHA4", "00HHLLA",
                                       "00HA4AH", "00HHF1E", "00V248V", "2448442", "4444444", "8442448", "008L200" };

static void set(cni_surface *s, int64_t x, int64_t y, uint32_t colour) {
  uint8_t *p = s->fine + (y * s->width * CNI_FINE + x) * 3;
  p[0] = (uint8_t)(colour >> 16);
  p[1] = (uint8_t)(colour >> 8);
  p[2] = (uint8_t)colour;
}

static int64_t sample(double v, int64_t most) { return (int64_t)fmin(fmax(floor(v * CNI_FINE + 0.5), 0), (double)most); }

void cni_fine_rect(cni_surface *s, double x, double y, double w, double h, uint32_t colour) {
  const int64_t width = (int64_t)s->width * CNI_FINE, height = (int64_t)s->height * CNI_FINE, right = sample(x + w, width), bottom = sample(y + h, height);
  for (int64_t j = sample(y, height); j < bottom; j++)
    for (int64_t i = sample(x, width); i < right; i++) set(s, i, j, colour);
}

/* All samples within width / 2 of the segment. */
void cni_fine_segment(cni_surface *s, cni_xy a, cni_xy b, double width, uint32_t colour) {
  const int64_t columns = (int64_t)s->width * CNI_FINE, rows = (int64_t)s->height * CNI_FINE;
  const double r = 0.5 * width, dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
  const int64_t right = sample(fmax(a.x, b.x) + r, columns), bottom = sample(fmax(a.y, b.y) + r, rows), left = sample(fmin(a.x, b.x) - r, columns);
  for (int64_t j = sample(fmin(a.y, b.y) - r, rows); j < bottom; j++)
    for (int64_t i = left; i < right; i++) {
      const double x = ((double)i + 0.5) / CNI_FINE - a.x, y = ((double)j + 0.5) / CNI_FINE - a.y;
      const double t = length > 0 ? fmin(fmax((x * dx + y * dy) / length, 0), 1) : 0, ex = x - t * dx, ey = y - t * dy;
      if (ex * ex + ey * ey <= r * r) set(s, i, j, colour);
    }
}

/* A letter beyond ASCII is one question mark. */
static const char *letter(const char **text) {
  const unsigned char c = (unsigned char)*(*text)++;
  if (c >= ' ' && c < 0x7f) return font[c - ' '];
  while (((unsigned char)**text & 0xc0) == 0x80) ++*text;
  return font['?' - ' '];
}

void cni_fine_text(cni_surface *s, double x, double y, const char *text, uint32_t colour) {
  for (; *text; x += (COLUMNS + 1) * DOT) {
    const char *rows = letter(&text);
    for (int j = 0; j < ROWS; j++) {
      const int bits = rows[j] <= '9' ? rows[j] - '0' : rows[j] - 'A' + 10;
      for (int i = 0; i < COLUMNS; i++)
        if (bits & (16 >> i)) cni_fine_rect(s, x + i * DOT, y - (ROWS - j) * DOT, DOT, DOT, colour);
    }
  }
}

double cni_fine_text_width(const char *text) {
  int64_t n = 0;
  while (*text) letter(&text), n++;
  return n ? ((COLUMNS + 1) * (double)n - 1) * DOT : 0;
}
