/* ZIP archives of NumPy arrays, by libzip. */
#include "npy.h"
#include "io_private.h"

#ifndef CN_HAVE_LIBZIP

static bool unsupported(cn_graph *g, const char *what) {
  if (cn_ok(g)) cn_fail(g, CN_UNSUPPORTED, "%s: this build reads and writes no archives: the feature npz (libzip) was left out", what);
  return false;
}

cn_arrays *cn_read_npz(cn_graph *g, const char *path) { return (void)path, unsupported(g, "read_npz"), NULL; }

bool cn_write_npz(cn_graph *g, const char *path, const cn_arrays *a) { return (void)path, (void)a, unsupported(g, "write_npz"); }

bool cni_npz_open(cni_input *in, void **archive, cn_graph *g, const char *path, const char *array) {
  return (void)in, (void)archive, (void)path, (void)array, unsupported(g, "read_npz");
}

void cni_npz_close(cni_input *in, void *archive) { (void)in, (void)archive; }

#else
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#define DEFLATE_RATIO 1032 /* a byte of deflate makes at most so many */
#define FIRST_DAY 0x21     /* 1980-01-01 in DOS' form, which numpy.savez writes too */

static bool fail_zip(cn_graph *g, const char *what, const char *path, zip_error_t *e) {
  const cn_code system = zip_error_system_type(e) == ZIP_ET_SYS ? CN_IO : CN_FORMAT;
  cn_fail(g, zip_error_code_zip(e) == ZIP_ER_MEMORY ? CN_NO_MEMORY : system, "%s: %s: %s", what, path, zip_error_strerror(e));
  return false;
}

static bool fail_code(cn_graph *g, const char *what, const char *path, int code) {
  zip_error_t e;
  zip_error_init_with_code(&e, code);
  fail_zip(g, what, path, &e);
  zip_error_fini(&e);
  return false;
}

/* ---- reading ---- */

static int64_t pull_member(cni_input *in, void *to, size_t n) {
  const zip_int64_t got = zip_fread(in->source, to, n < INT32_MAX ? n : INT32_MAX);
  if (got < 0) cni_input_fail(in, "%s", zip_file_strerror(in->source)); /* "CRC error": seen only by a read at the end, which cni_input_end makes */
  return got;
}

/* x.npz: a/weights.npy */
static char *member_name(cn_graph *g, const char *path, const char *member) {
  const size_t size = strlen(cni_file_name(path)) + strlen(member) + 3;
  char *name = cni_alloc(g, size);
  if (name) snprintf(name, size, "%s: %s", cni_file_name(path), member);
  return name;
}

static bool open_stream(zip_t *z, const zip_stat_t *s, cni_input *in) {
  if (s->encryption_method != ZIP_EM_NONE || (s->comp_method != ZIP_CM_STORE && s->comp_method != ZIP_CM_DEFLATE))
    return cn_fail(in->g, CN_UNSUPPORTED, "read_npz: %s: is neither stored nor deflated", in->name), false;
  in->source = zip_fopen_index(z, s->index, 0);
  return in->source || fail_zip(in->g, "read_npz", in->name, zip_get_error(z));
}

static bool read_stream(zip_t *z, const zip_stat_t *s, cni_input *in, cn_arrays *list) {
  const size_t length = strlen(s->name);
  if (length < 5 || strcmp(s->name + length - 4, ".npy") != 0) return cni_input_fail(in, "is no NPY file");
  char *name = cni_strdup(in->g, s->name);
  if (!name) return false;
  name[length - 4] = '\0';
  const bool ok = (!cn_arrays_find(list, name) || cni_input_fail(in, "stands twice in the archive")) && open_stream(z, s, in) && cni_npy_read(in, list, name);
  if (in->source) zip_fclose(in->source);
  cni_free(in->g, name);
  return ok;
}

/* The sizes are what the archive says; no more is believed than the file can hold. */
static bool member_input(cn_graph *g, const char *path, uint64_t file_bytes, zip_t *z, uint64_t i, zip_stat_t *s, cni_input *in) {
  const uint64_t wanted = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  if (zip_stat_index(z, i, 0, s) != 0) return fail_zip(g, "read_npz", cni_file_name(path), zip_get_error(z));
  if ((s->valid & wanted) != wanted) return fail_code(g, "read_npz", cni_file_name(path), ZIP_ER_INCONS);
  const uint64_t packed = s->comp_size < file_bytes ? s->comp_size : file_bytes, ratio = s->comp_method == ZIP_CM_STORE ? 1 : DEFLATE_RATIO;
  const uint64_t most = packed < UINT64_MAX / DEFLATE_RATIO ? packed * ratio : packed;
  *in = (cni_input){
    .g = g, .what = "read_npz", .name = member_name(g, path, s->name), .pull = pull_member, .at_most = s->size < most ? s->size : most, .exact = s->size <= most
  };
  return in->name != NULL;
}

static bool read_member(cn_graph *g, const char *path, uint64_t file_bytes, zip_t *z, uint64_t i, cn_arrays *list) {
  zip_stat_t s;
  cni_input in;
  if (!member_input(g, path, file_bytes, z, i, &s, &in)) return false;
  const bool ok = read_stream(z, &s, &in, list);
  cni_free(g, (char *)(uintptr_t)in.name);
  return ok;
}

static bool read_members(cn_graph *g, const char *path, uint64_t file_bytes, zip_t *z, cn_arrays *list) {
  const int64_t n = zip_get_num_entries(z, 0);
  for (int64_t i = 0; i < n; i++)
    if (!read_member(g, path, file_bytes, z, (uint64_t)i, list)) return false;
  return true;
}

static zip_t *open_archive(cn_graph *g, const char *path, uint64_t *bytes) {
  cni_input in;
  int code = ZIP_ER_OK;
  if (!cni_input_open(&in, g, "read_npz", path, false)) return NULL; /* a regular file, and its length */
  *bytes = in.at_most;
  cni_input_close(&in);
  zip_t *z = zip_open(path, ZIP_RDONLY | ZIP_CHECKCONS, &code);
  if (!z) fail_code(g, "read_npz", cni_file_name(path), code);
  return z;
}

cn_arrays *cn_read_npz(cn_graph *g, const char *path) {
  uint64_t bytes;
  zip_t *z = open_archive(g, path, &bytes);
  cn_arrays *list = z ? cn_arrays_new(g) : NULL;
  const bool ok = list && read_members(g, path, bytes, z, list);
  if (z) zip_discard(z);
  if (ok) return list;
  cn_arrays_free(g, list);
  return NULL;
}

bool cni_npz_open(cni_input *in, void **archive, cn_graph *g, const char *path, const char *array) {
  uint64_t bytes;
  zip_stat_t s;
  *in = (cni_input){ .g = g };
  zip_t *z = *archive = open_archive(g, path, &bytes);
  char *member = z ? cni_alloc(g, strlen(array) + 5) : NULL;
  if (!member) return false;
  snprintf(member, strlen(array) + 5, "%s.npy", array);
  const int64_t i = zip_name_locate(z, member, 0);
  cni_free(g, member);
  if (i < 0) return cn_fail(g, CN_FORMAT, "read_npz: %s: no array \"%.60s\"", cni_file_name(path), array), false;
  return member_input(g, path, bytes, z, (uint64_t)i, &s, in) && open_stream(z, &s, in);
}

void cni_npz_close(cni_input *in, void *archive) {
  if (in->source) zip_fclose(in->source);
  if (archive) zip_discard(archive);
  cni_free(in->g, (char *)(uintptr_t)in->name);
  *in = (cni_input){ .g = in->g };
}

/* ---- writing ---- */

typedef struct member { cni_npy npy; size_t at; zip_error_t error; } member;

static zip_int64_t read_from(member *m, void *to, size_t n) {
  const size_t header = m->npy.header_bytes, total = header + m->npy.bytes;
  const bool in_header = m->at < header;
  const size_t left = (in_header ? header : total) - m->at, k = n < left ? n : left;
  if (k) memcpy(to, in_header ? m->npy.header + m->at : (const char *)m->npy.data + (m->at - header), k);
  m->at += k;
  return (zip_int64_t)k;
}

static zip_int64_t describe(const member *m, void *to, size_t n) {
  zip_stat_t s;
  if (n < sizeof s) return -1;
  zip_stat_init(&s);
  s.size = m->npy.header_bytes + m->npy.bytes;
  s.valid = ZIP_STAT_SIZE;
  memcpy(to, &s, sizeof s);
  return sizeof s;
}

/* The array as libzip reads it while it writes the archive: header, then data, without a copy of both. */
static zip_int64_t serve(void *user, void *to, zip_uint64_t n, zip_source_cmd_t command) {
  member *m = user;
  switch (command) {
    case ZIP_SOURCE_OPEN: return m->at = 0, 0;
    case ZIP_SOURCE_READ: return read_from(m, to, (size_t)n);
    case ZIP_SOURCE_STAT: return describe(m, to, (size_t)n);
    case ZIP_SOURCE_ERROR: return zip_error_to_data(&m->error, to, n);
    case ZIP_SOURCE_SUPPORTS:
      return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE, -1);
    default: return 0;
  }
}

static bool add_member(cn_graph *g, zip_t *z, const cn_named_array *v, member *m) {
  char *name = cni_alloc(g, strlen(v->name) + 5);
  if (!name || !cni_npy_encode(g, "write_npz", v, &m->npy)) return cni_free(g, name), false;
  snprintf(name, strlen(v->name) + 5, "%s.npy", v->name);
  zip_error_init(&m->error);
  zip_source_t *source = zip_source_function(z, serve, m);
  const zip_int64_t i = source ? zip_file_add(z, name, source, ZIP_FL_ENC_UTF_8) : -1;
  if (source && i < 0) zip_source_free(source);
  const bool ok = i >= 0 && zip_set_file_compression(z, (zip_uint64_t)i, ZIP_CM_STORE, 0) == 0 &&
                  zip_file_set_dostime(z, (zip_uint64_t)i, 0, FIRST_DAY, 0) == 0;
  const int code = zip_error_code_zip(zip_get_error(z));
  if (!ok && code == ZIP_ER_EXISTS) cn_fail(g, CN_VALUE, "write_npz: there are two arrays named %s", v->name);
  else if (!ok && code == ZIP_ER_INVAL) cn_fail(g, CN_VALUE, "write_npz: the name \"%.60s\" is no UTF-8 text", v->name);
  else if (!ok) fail_zip(g, "write_npz", v->name, zip_get_error(z));
  cni_free(g, name);
  return ok;
}

/* libzip writes a file of its own beside the temporary one and renames it to that. */
static bool write_members(cni_output *out, const cn_arrays *a, member *members) {
  int code = ZIP_ER_OK;
  zip_t *z = zip_open(out->temporary, ZIP_CREATE | ZIP_TRUNCATE, &code);
  if (!z) return fail_code(out->g, out->what, out->path, code);
  for (int64_t i = 0; i < a->n; i++)
    if (!add_member(out->g, z, &a->v[i], &members[i])) return zip_discard(z), false;
  if (zip_close(z) == 0) return true;
  fail_zip(out->g, out->what, out->path, zip_get_error(z));
  zip_discard(z);
  return false;
}

/* The stream of the temporary file is that of what libzip replaced; the new one is flushed in its place. */
static bool reopen(cni_output *out) {
  FILE *f = fopen(out->temporary, "r+be");
  if (!f) return cn_fail(out->g, CN_IO, "%s: %s: %s", out->what, out->path, strerror(errno)), false;
  fclose(out->f);
  out->f = f;
  return true;
}

static bool write_archive(cni_output *out, const cn_arrays *a) {
  static const char empty[22] = "PK\5\6"; /* an archive without members, which libzip does not write */
  if (a->n == 0) return cni_output_write(out, empty, sizeof empty);
  member *members = cni_alloc(out->g, (size_t)a->n * sizeof *members);
  const bool ok = members && write_members(out, a, members) && reopen(out);
  for (int64_t i = 0; members && i < a->n; i++) cni_npy_free(out->g, &members[i].npy);
  cni_free(out->g, members);
  return ok;
}

bool cn_write_npz(cn_graph *g, const char *path, const cn_arrays *a) {
  cni_output out;
  return cni_arrays_check(g, "write_npz", path, a, true) && cni_output_open(&out, g, "write_npz", path) && cni_output_close(&out, write_archive(&out, a));
}
#endif
