/* The one way of every error, what the library prints, and the nearest known name. */
#include "error.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "context_private.h"

static const char *const code_names[] = { "OK", "NO_MEMORY", "SHAPE", "DTYPE", "VALUE", "INDEX", "STATE", "IO", "FORMAT", "UNSUPPORTED" };

const char *cn_code_name(cn_code code) { return (unsigned)code < sizeof code_names / sizeof *code_names ? code_names[code] : "unknown"; }

bool cn_ok(const cn_graph *g) { return g && cni_context_of_const(g)->code == CN_OK; }

const char *cn_error(const cn_graph *g) { return g ? cni_context_of_const(g)->error : "out of memory"; }

cn_code cn_error_code(const cn_graph *g) { return g ? cni_context_of_const(g)->code : CN_NO_MEMORY; }

static void append(char *text, const char *before, const char *what, const char *after) {
  const size_t used = strlen(text);
  snprintf(text + used, CNI_ERROR_SIZE - used, "%s%s%s", before, what, after);
}

static void append_caller(cni_context *c, const char *before) {
  const size_t used = strlen(c->error);
  snprintf(c->error + used, CNI_ERROR_SIZE - used, "%scalled from %s, batch %lld)", before, c->caller, (long long)c->batch);
}

cn_code cni_vfail(cn_graph *g, cn_code code, const char *format, va_list args) {
  if (!g || cni_context_of(g)->code != CN_OK || code == CN_OK) return code;
  cni_context *c = cni_context_of(g);
  c->code = code;
  c->error[0] = '\0';
  if (c->where) append(c->error, "", c->where, ": ");
  const size_t used = strlen(c->error);
  vsnprintf(c->error + used, CNI_ERROR_SIZE - used, format, args);
  const char *path = c->path ? c->path : c->scope;
  if (path[0]) append(c->error, " (in ", path + (path[0] == '/'), c->caller ? "" : ")");
  if (c->caller) append_caller(c, path[0] ? ", " : " (");
  if (c->on_error) c->on_error(c->on_error_user, code, c->error);
  return code;
}

cn_code cn_fail(cn_graph *g, cn_code code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  cni_vfail(g, code, format, args);
  va_end(args);
  return code;
}

void cni_error_clear(cn_graph *g) {
  cni_context *c = cni_context_of(g);
  c->code = CN_OK;
  c->error[0] = '\0';
  c->where = NULL;
  c->scope[0] = '\0';
  c->path = c->caller = NULL;
}

void cn_set_error_callback(cn_graph *g, cn_error_callback callback, void *user) {
  if (!g) return;
  cni_context_of(g)->on_error = callback;
  cni_context_of(g)->on_error_user = user;
}

void cn_set_output_callback(cn_graph *g, cn_output_callback callback, void *user) {
  if (!g) return;
  cni_context_of(g)->output = callback;
  cni_context_of(g)->output_user = user;
}

size_t cni_scope_push(cn_graph *g, const char *name) {
  char *scope = cni_context_of(g)->scope;
  const size_t mark = strlen(scope), room = CNI_SCOPE_SIZE - mark, length = strlen(name); /* room >= 1: the end's */
  if (room < 3) return mark;
  const size_t kept = length < room - 2 ? length : room - 2;
  scope[mark] = '/';
  memcpy(scope + mark + 1, name, kept);
  scope[mark + 1 + kept] = '\0';
  return mark;
}

void cni_scope_pop(cn_graph *g, size_t mark) {
  if (mark < CNI_SCOPE_SIZE) cni_context_of(g)->scope[mark] = '\0';
}

static void emit(const cni_context *c, const char *text) {
  if (c->output) {
    c->output(c->output_user, text);
    return;
  }
  fputs(text, stdout);
  fflush(stdout);
}

void cni_print(cn_graph *g, const char *format, ...) {
  const cni_context *c = cni_context_of(g);
  char small[1024];
  va_list args;
  va_start(args, format);
  const int length = vsnprintf(small, sizeof small, format, args);
  va_end(args);
  if (length < 0) return;
  if ((size_t)length < sizeof small) {
    emit(c, small);
    return;
  }
  char *large = cni_alloc(g, (size_t)length + 1);
  if (!large) return;
  va_start(args, format);
  vsnprintf(large, (size_t)length + 1, format, args);
  va_end(args);
  emit(c, large);
  cni_free(g, large);
}

/* Edit distance (a neighbouring swap is one edit), UNIT an edit; letters that differ in case only cost 1, so the spelling that is nearest in case wins. */
enum { UNIT = 16, LONGEST = 64 };

static int least(int a, int b) { return a < b ? a : b; }

static int letter_cost(char a, char b) {
  if (a == b) return 0;
  return tolower((unsigned char)a) == tolower((unsigned char)b) ? 1 : UNIT;
}

static int distance(const char *a, size_t na, const char *b, size_t nb) {
  int rows[3][LONGEST + 1]; /* of the last three letters of a */
  for (size_t j = 0; j <= nb; j++) rows[0][j] = (int)j * UNIT;
  for (size_t i = 1; i <= na; i++) {
    int *now = rows[i % 3];
    const int *before = rows[(i + 2) % 3], *older = rows[(i + 1) % 3];
    now[0] = (int)i * UNIT;
    for (size_t j = 1; j <= nb; j++) {
      now[j] = least(before[j - 1] + letter_cost(a[i - 1], b[j - 1]), least(before[j], now[j - 1]) + UNIT);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = least(now[j], older[j - 2] + UNIT);
    }
  }
  return rows[na % 3][nb];
}

int cni_distance(const char *word, const char *name) {
  const size_t nw = strlen(word), nn = strlen(name);
  if (nw == 0 || nw > LONGEST || nn > LONGEST) return INT32_MAX;
  const int edits = nw < 6 ? 1 : (int)nw / 3, d = distance(word, nw, name, nn);
  return d < (edits + 1) * UNIT ? d : INT32_MAX;
}

const char *cni_nearest(const char *word, const char *const *names, int64_t count) {
  const char *nearest = NULL;
  int best = INT32_MAX;
  for (int64_t i = 0; i < count; i++) {
    const int d = cni_distance(word, names[i]);
    if (d >= best) continue;
    best = d;
    nearest = names[i];
  }
  return nearest;
}
