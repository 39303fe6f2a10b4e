/* IDX: four bytes (0, 0, type, number of axes), the sizes, the numbers; all big-endian. */
#include "idx.h"
#include "io_private.h"

static const struct { unsigned char code; cni_element element; } types[] = {
  { 0x08, CNI_U8 }, { 0x09, CNI_I8 }, { 0x0b, CNI_I16 }, { 0x0c, CNI_I32 }, { 0x0d, CNI_F32 }, { 0x0e, CNI_F64 },
};
#define TYPES (sizeof types / sizeof *types)

typedef cni_header header;

static bool read_sizes(cni_input *in, header *h, int rank) {
  unsigned char sizes[4 * CN_MAX_RANK];
  if (!cni_input_exactly(in, sizes, 4 * (size_t)rank, 4 + 4 * (uint64_t)rank)) return false;
  h->dims.rank = rank;
  for (int i = 0; i < rank; i++) {
    const unsigned char *p = sizes + 4 * i;
    h->dims.d[i] = (int64_t)p[0] << 24 | (int64_t)p[1] << 16 | (int64_t)p[2] << 8 | p[3];
  }
  h->count = cn_dims_count(&h->dims);
  if (h->count < 0) return cni_input_fail(in, "the sizes in its header overflow");
  h->total = in->position + (uint64_t)h->count * cni_element_size(h->element);
  return cni_input_holds(in, h->total);
}

bool cni_idx_header(cni_input *in, header *h) {
  unsigned char head[4];
  size_t i = 0;
  if (!cni_input_exactly(in, head, sizeof head, sizeof head)) return false;
  while (i < TYPES && types[i].code != head[2]) i++;
  if (head[0] || head[1] || i == TYPES) return cni_input_fail(in, "no IDX file: it begins with %02x %02x %02x %02x", head[0], head[1], head[2], head[3]);
  if (head[3] > CN_MAX_RANK) return cni_input_fail(in, "has %d axes, at most %d are read", head[3], CN_MAX_RANK);
  *h = (header){ .element = types[i].element, .big_endian = true };
  return read_sizes(in, h, head[3]);
}

static bool read_numbers(cni_input *in, const header *h, cn_arrays *list) {
  const cn_named_array *v = cn_arrays_add(in->g, list, in->name, cni_element_dtype(h->element), &h->dims, NULL);
  if (!v || !cni_input_exactly(in, v->data, (size_t)h->count * cni_element_size(h->element), h->total) || !cni_input_end(in)) return false;
  cni_elements_decode(v->data, h->element, true, h->count);
  return true;
}

cn_arrays *cn_read_idx(cn_graph *g, const char *path) {
  cni_input in;
  header h;
  if (!cni_input_open(&in, g, "read_idx", path, true)) return NULL;
  cn_arrays *list = cn_arrays_new(g);
  const bool ok = list && cni_idx_header(&in, &h) && read_numbers(&in, &h, list);
  cni_input_close(&in);
  if (ok) return list;
  cn_arrays_free(g, list);
  return NULL;
}
