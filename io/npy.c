/* Reading one array in NumPy's format: the magic, a version, a length, a Python dictionary as text, the elements. */
#include "npy.h"
#include <string.h>
#include "io_private.h"

#define LONGEST_HEADER 65536u /* NumPy itself does not read one above 10,000 bytes unless told to */
enum { UTF32 = CNI_ELEMENTS, BYTES };

typedef struct header {
  int element;            /* a cni_element, UTF32 or BYTES */
  size_t size;            /* bytes of one */
  bool big_endian, fortran, has_type, has_order, has_shape;
  cn_dims dims;
  int64_t count;
  uint64_t total;         /* bytes of the file */
} header;

typedef struct parser { cni_input *in; const char *p; header *h; } parser;

static const struct { char text[3]; cni_element element; } types[] = {
  { "i1", CNI_I8 },  { "u1", CNI_U8 },  { "b1", CNI_BOOL }, { "i2", CNI_I16 }, { "u2", CNI_U16 }, { "f2", CNI_F16 },
  { "i4", CNI_I32 }, { "u4", CNI_U32 }, { "f4", CNI_F32 },  { "i8", CNI_I64 }, { "f8", CNI_F64 },
};

static bool bad_header(const parser *s) { return cni_input_fail(s->in, "its header is no dictionary of descr, fortran_order and shape"); }

static bool unsupported(const parser *s, const char *type, size_t n) {
  cn_fail(s->in->g, CN_UNSUPPORTED, "%s: %s: elements of type %.*s are not read", s->in->what, s->in->name, (int)(n < 40 ? n : 40), type);
  return false;
}

static void skip_blanks(parser *s) { s->p += strspn(s->p, " \t\r\n"); }

static bool accept(parser *s, char c) {
  skip_blanks(s);
  if (*s->p != c) return false;
  s->p++;
  return true;
}

/* 'text' or "text"; NULL where there is none. */
static const char *quoted(parser *s, size_t *n) {
  skip_blanks(s);
  const char quote = *s->p, *text = s->p + 1;
  const char *end = quote == '\'' || quote == '"' ? strchr(text, quote) : NULL;
  if (!end) return NULL;
  *n = (size_t)(end - text);
  s->p = end + 1;
  return text;
}

static bool parse_flexible(parser *s, const char *text, size_t n) {
  int64_t length;
  const char *end = cni_integer_parse(text + 2, &length);
  if (end != text + n || text[2] < '0' || text[2] > '9' || length > INT32_MAX) return unsupported(s, text, n);
  s->h->element = text[1] == 'U' ? UTF32 : BYTES;
  s->h->size = (size_t)length * (text[1] == 'U' ? 4 : 1);
  return true;
}

static bool parse_type(parser *s) {
  size_t n;
  skip_blanks(s);
  if (*s->p == '[') return unsupported(s, "with fields", 11);
  const char *text = quoted(s, &n);
  if (!text) return bad_header(s);
  if (n < 3 || !strchr("<>|=", text[0])) return unsupported(s, text, n);
  s->h->has_type = true;
  s->h->big_endian = text[0] == '>';
  if (text[1] == 'U' || text[1] == 'S') return parse_flexible(s, text, n);
  for (size_t i = 0; n == 3 && i < sizeof types / sizeof *types; i++) {
    if (memcmp(types[i].text, text + 1, 2) != 0) continue;
    s->h->element = (int)types[i].element;
    s->h->size = cni_element_size(types[i].element);
    return true;
  }
  return unsupported(s, text, n);
}

static bool parse_order(parser *s) {
  skip_blanks(s);
  s->h->fortran = strncmp(s->p, "True", 4) == 0;
  if (!s->h->fortran && strncmp(s->p, "False", 5) != 0) return bad_header(s);
  s->p += s->h->fortran ? 4 : 5;
  s->h->has_order = true;
  return true;
}

static bool parse_shape(parser *s) {
  cn_dims *d = &s->h->dims;
  if (!accept(s, '(')) return bad_header(s);
  d->rank = 0;
  while (!accept(s, ')')) {
    int64_t size;
    const char *end = *s->p >= '0' && *s->p <= '9' ? cni_integer_parse(s->p, &size) : NULL;
    if (!end) return bad_header(s);
    if (d->rank == CN_MAX_RANK) return cni_input_fail(s->in, "has more than %d axes", CN_MAX_RANK);
    d->d[d->rank++] = size;
    s->p = end + (*end == 'L'); /* as Python 2 wrote them */
    if (accept(s, ',')) continue;
    if (!accept(s, ')')) return bad_header(s);
    break;
  }
  s->h->has_shape = true;
  return true;
}

static bool parse_entry(parser *s) {
  size_t n;
  const char *key = quoted(s, &n);
  if (!key || !accept(s, ':')) return bad_header(s);
  if (n == 5 && memcmp(key, "descr", n) == 0 && !s->h->has_type) return parse_type(s);
  if (n == 13 && memcmp(key, "fortran_order", n) == 0 && !s->h->has_order) return parse_order(s);
  if (n == 5 && memcmp(key, "shape", n) == 0 && !s->h->has_shape) return parse_shape(s);
  return bad_header(s);
}

static bool parse_header(parser *s) {
  header *h = s->h;
  if (!accept(s, '{')) return bad_header(s);
  while (!accept(s, '}')) {
    if (!parse_entry(s)) return false;
    if (accept(s, ',')) continue;
    if (!accept(s, '}')) return bad_header(s);
    break;
  }
  skip_blanks(s);
  if (*s->p || !h->has_type || !h->has_order || !h->has_shape) return bad_header(s);
  h->count = cn_dims_count(&h->dims);
  size_t bytes;
  if (h->count < 0 || !cni_size_multiply((size_t)h->count, h->size, &bytes) || bytes > SIZE_MAX / 8)
    return cni_input_fail(s->in, "the sizes in its header overflow");
  h->total = s->in->position + bytes;
  return cni_input_holds(s->in, h->total);
}

static bool read_header_text(cni_input *in, header *h, size_t length) {
  char *text = cni_alloc(in->g, length + 1);
  parser s = { in, text, h };
  bool ok = text && cni_input_exactly(in, text, length, in->position + length);
  if (ok && strlen(text) != length) ok = bad_header(&s);
  ok = ok && parse_header(&s);
  cni_free(in->g, text);
  return ok;
}

static bool read_header(cni_input *in, header *h) {
  unsigned char head[8], size[4] = { 0 };
  const uint64_t start = in->position;
  if (!cni_input_exactly(in, head, sizeof head, start + sizeof head)) return false;
  if (memcmp(head, "\x93NUMPY", 6) != 0) return cni_input_fail(in, "no NPY file: it does not begin with \\x93NUMPY");
  if (head[6] < 1 || head[6] > 3 || head[7] != 0) return cni_input_fail(in, "is of version %d.%d, read are 1.0 to 3.0", head[6], head[7]);
  const size_t width = head[6] == 1 ? 2 : 4;
  if (!cni_input_exactly(in, size, width, start + sizeof head + width)) return false;
  const uint32_t length = (uint32_t)size[0] | (uint32_t)size[1] << 8 | (uint32_t)size[2] << 16 | (uint32_t)size[3] << 24;
  if (length > LONGEST_HEADER) return cni_input_fail(in, "its header of %u bytes is too long", length);
  return cni_input_holds(in, in->position + length) && read_header_text(in, h, length);
}

/* Where the elements of row-major order stand in one whose first axis runs fastest. */
typedef struct order { cn_dims dims; int64_t index[CN_MAX_RANK], stride[CN_MAX_RANK], at; } order;

static order order_of(const header *h) {
  order o = { .dims = h->dims };
  int64_t stride = 1;
  for (int i = 0; i < o.dims.rank; i++) {
    const int k = h->fortran ? i : o.dims.rank - 1 - i;
    o.stride[k] = stride;
    stride *= o.dims.d[k];
  }
  return o;
}

static void order_next(order *o) {
  for (int k = o->dims.rank - 1; k >= 0; k--) {
    o->at += o->stride[k];
    if (++o->index[k] < o->dims.d[k]) return;
    o->at -= o->stride[k] * o->dims.d[k];
    o->index[k] = 0;
  }
}

static bool to_row_major(cn_graph *g, const header *h, cn_named_array *v) {
  const size_t size = cn_dtype_size(v->dtype);
  char *from = v->data, *to = cni_alloc(g, cni_array_bytes(v) + 1);
  if (!to) return false;
  order o = order_of(h);
  for (int64_t i = 0; i < h->count; i++, order_next(&o)) memcpy(to + (size_t)i * size, from + (size_t)o.at * size, size);
  v->data = to;
  cni_free(g, from);
  return true;
}

static bool read_numbers(cni_input *in, const header *h, cn_arrays *list, const char *name) {
  const cni_element e = (cni_element)h->element;
  cn_named_array *v = cn_arrays_add(in->g, list, name, cni_element_dtype(e), &h->dims, NULL);
  if (!v || !cni_input_exactly(in, v->data, (size_t)h->count * h->size, h->total) || !cni_input_end(in)) return false;
  cni_elements_decode(v->data, e, h->big_endian, h->count);
  return !h->fortran || h->dims.rank < 2 || to_row_major(in->g, h, v);
}

/* UTF-8 of a code point, 1 to 4 bytes; 0 where it is none. `to` may be NULL. */
static size_t utf8(uint32_t c, char *to) {
  char text[4];
  const size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return 0;
  static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
  for (size_t i = n - 1; i > 0; i--, c >>= 6) text[i] = (char)(0x80 | (c & 0x3f));
  text[0] = (char)(lead[n] | c);
  if (to) memcpy(to, text, n);
  return n;
}

static uint32_t code_point(const header *h, const unsigned char *p) {
  uint32_t c;
  memcpy(&c, p, sizeof c);
  return h->big_endian ? __builtin_bswap32(c) : c;
}

/* Bytes of a text as it is kept; -1 where it is no Unicode. */
static int64_t copy_text(const header *h, const unsigned char *p, char *to) {
  size_t n = h->size, bytes = 0;
  while (n > 0 && p[n - 1] == 0) n--;
  if (h->element == BYTES) {
    if (to && n) memcpy(to, p, n);
    return (int64_t)n;
  }
  for (size_t i = 0; i < n; i += 4) {
    const size_t k = utf8(code_point(h, p + i), to ? to + bytes : NULL);
    if (!k) return -1;
    bytes += k;
  }
  return (int64_t)bytes;
}

static bool convert_texts(cni_input *in, const header *h, cn_arrays *list, const char *name, const unsigned char *p) {
  int64_t bytes = 0;
  for (int64_t i = 0; i < h->count; i++) {
    const int64_t n = copy_text(h, p + (size_t)i * h->size, NULL);
    if (n < 0) return cni_input_fail(in, "text %lld is no Unicode", (long long)i);
    bytes += n;
  }
  const cn_named_array *v = cni_arrays_add(in->g, list, name, CN_STRING, &h->dims, ((size_t)h->count + 1) * sizeof(int64_t) + (size_t)bytes);
  if (!v) return false;
  int64_t *offsets = v->data;
  char *to = (char *)(offsets + h->count + 1);
  order o = order_of(h);
  for (int64_t i = 0; i < h->count; i++, order_next(&o)) offsets[i + 1] = offsets[i] + copy_text(h, p + (size_t)o.at * h->size, to + offsets[i]);
  return true;
}

static bool read_texts(cni_input *in, const header *h, cn_arrays *list, const char *name) {
  const size_t bytes = (size_t)h->count * h->size;
  char text[32];
  /* Texts of no length take no bytes, and yet each takes an offset. */
  if (h->size == 0 && (uint64_t)h->count > in->at_most)
    return cni_input_fail(in, "has %s empty texts, more than bytes", cni_thousands((uint64_t)h->count, text, sizeof text));
  unsigned char *p = cni_alloc(in->g, bytes + 1);
  const bool ok = p && cni_input_exactly(in, p, bytes, h->total) && cni_input_end(in) && convert_texts(in, h, list, name, p);
  cni_free(in->g, p);
  return ok;
}

bool cni_npy_header(cni_input *in, cni_header *out) {
  header h = { .element = 0 };
  if (!read_header(in, &h)) return false;
  if (h.element >= CNI_ELEMENTS || (h.fortran && h.dims.rank > 1)) {
    cn_fail(in->g, CN_UNSUPPORTED, "%s: %s: %s cannot be read row by row; read it whole (cn_read_npy)", in->what, in->name,
            h.element >= CNI_ELEMENTS ? "texts" : "an array in Fortran order");
    return false;
  }
  *out = (cni_header){ (cni_element)h.element, h.big_endian, h.dims, h.count, h.total };
  return true;
}

bool cni_npy_read(cni_input *in, cn_arrays *list, const char *name) {
  header h = { .element = 0 };
  if (!read_header(in, &h)) return false;
  return h.element < CNI_ELEMENTS ? read_numbers(in, &h, list, name) : read_texts(in, &h, list, name);
}

cn_arrays *cn_read_npy(cn_graph *g, const char *path) {
  cni_input in;
  if (!cni_input_open(&in, g, "read_npy", path, false)) return NULL;
  cn_arrays *list = cn_arrays_new(g);
  const bool ok = list && cni_npy_read(&in, list, in.name);
  cni_input_close(&in);
  if (ok) return list;
  cn_arrays_free(g, list);
  return NULL;
}
