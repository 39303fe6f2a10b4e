/* Cropping and zero padding: one mechanism for 1 to 3 spatial axes. */
#include "padding.h"
#include <inttypes.h>
#include <stdio.h>
#include "layer_private.h"

/* What an instance does: amounts before and behind each spatial axis, the first of which is axis `first`. */
typedef struct border { cn_layer base; int spatial, first; int64_t sides[3][2]; } border;

/* 1 number for all, `spatial` for each axis (for one axis: 1), or two for each. */
static bool border_init(cn_object *self, const char *what, cn_ints v, const char *data_format, int spatial) {
  if (!cn_layer_init(self)) return false;
  border *b = (border *)(void *)self;
  b->spatial = spatial;
  b->first = cni_channels_first(data_format) ? 2 : 1;
  const bool listed = v.n == 2 && v.v[1] == CN_NONE; /* one number in a list */
  if (listed && spatial > 1) return cn_fail(self->graph, CN_VALUE, "%s: a list must have %d or %d numbers, got 1", what, spatial, 2 * spatial), false;
  v.n -= listed;
  const bool pairs = v.n == 2 * spatial, each = !pairs && v.n == spatial;
  for (int64_t i = 0; i < v.n; i++)
    if (v.v[i] < 0) return cn_fail(self->graph, CN_VALUE, "%s must not be negative, got %lld", what, (long long)v.v[i]), false;
  if (!pairs && !each && v.n != 1)
    return cn_fail(self->graph, CN_VALUE, "%s must have 1%s or %d numbers, got %lld", what,
                   spatial == 1   ? ""
                   : spatial == 2 ? ", 2"
                                  : ", 3",
                   2 * spatial, (long long)v.n),
           false;
  for (int i = 0; i < spatial; i++)
    for (int side = 0; side < 2; side++) b->sides[i][side] = v.v[pairs ? 2 * i + side : each ? i : 0];
  return true;
}

/* The output's shape for sign 1 (padding) or -1 (cropping). */
static bool border_shape(cn_layer *l, const cn_dims *in, cn_dims *out, int sign) {
  const border *b = (const border *)l;
  *out = *in;
  for (int i = 0; i < b->spatial; i++) {
    int64_t *size = &out->d[b->first + i];
    if (*size == CN_UNKNOWN) continue;
    *size += sign * (b->sides[i][0] + b->sides[i][1]);
    char text[160];
    if (sign < 0 && *size <= 0)
      return cn_fail(l->object.graph, CN_SHAPE, "%s: cropping leaves nothing of axis %d of %s", l->object.cls->schema.name, b->first + i,
                     cn_dims_text(in, text, sizeof text)),
             false;
  }
  return true;
}

static bool crop_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  (void)n;
  return border_shape(l, in, out, -1);
}
static bool pad_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  (void)n;
  return border_shape(l, in, out, 1);
}

static cn_tensor *crop_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const border *b = (const border *)l;
  char text[5][48] = { ":", ":", ":", ":", ":" };
  const char *const keys[5] = { text[0], text[1], text[2], text[3], text[4] };
  cn_dims out;
  if (!crop_shape(l, &in->x[0]->dims, 1, &out)) return NULL;
  for (int i = 0; i < b->spatial; i++) {
    const int64_t behind = b->sides[i][1];
    char *key = text[b->first + i];
    if (behind) snprintf(key, sizeof *text, "%" PRId64 ":%" PRId64, b->sides[i][0], -behind);
    else snprintf(key, sizeof *text, "%" PRId64 ":", b->sides[i][0]);
  }
  const cn_strings key = { keys, in->x[0]->dims.rank };
  return cn_get_item(g, in->x[0], .key = key);
}

static cn_tensor *pad_call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const border *b = (const border *)l;
  int64_t widths[2 * CN_MAX_RANK] = { 0 };
  for (int i = 0; i < b->spatial; i++) memcpy(&widths[2 * (b->first + i)], b->sides[i], sizeof b->sides[i]);
  const cn_ints pad_width = { widths, 2 * in->x[0]->dims.rank };
  return cn_pad(g, in->x[0], .pad_width = pad_width);
}

#define BORDER(L, LIST, what, format, spatial_, call_, shape)                           \
  static bool L##_init(cn_object *self) {                                               \
    const cn_##L##Options *o = self->options;                                           \
    return border_init(self, #what, o->what, format, spatial_);                         \
  }                                                                                     \
  CN_LAYER_OF(L, border, LIST, (.init = L##_init), .call = call_, .output_shape = shape, .rank = spatial_ + 2, .per_sample = cni_per_sample)
BORDER(Cropping1D, CN_CROPPING_1D, cropping, NULL, 1, crop_call, crop_shape)
BORDER(Cropping2D, CN_CROPPING_2D, cropping, o->data_format, 2, crop_call, crop_shape)
BORDER(Cropping3D, CN_CROPPING_3D, cropping, o->data_format, 3, crop_call, crop_shape)
BORDER(ZeroPadding1D, CN_ZERO_PADDING_1D, padding, o->data_format, 1, pad_call, pad_shape)
BORDER(ZeroPadding2D, CN_ZERO_PADDING_2D, padding, o->data_format, 2, pad_call, pad_shape)
BORDER(ZeroPadding3D, CN_ZERO_PADDING_3D, padding, o->data_format, 3, pad_call, pad_shape)
