/* CSVLogger: a row an epoch, as Python's csv module writes it. */
#include <stdio.h>
#include <stdlib.h>
#include "callback_private.h"

typedef struct csv_logger {
  cn_callback base;
  bool header;            /* is still to be written */
  int64_t at;             /* length of the file so far */
  char *names;            /* of the columns behind "epoch", each with its 0; NULL: the first epoch tells */
  int64_t names_bytes;
} csv_logger;
static const cn_callback_CSVLoggerOptions *options(const cn_callback *c) { return c->object.options; }

static bool logger_init(cn_object *self) {
  const char *separator = ((const cn_callback_CSVLoggerOptions *)self->options)->separator;
  if (strlen(separator) != 1) return cn_fail(self->graph, CN_VALUE, "separator must be one character, got \"%s\"", separator), false;
  return cni_callback_init(self);
}
static void logger_finish(cn_object *self) { cni_free(self->graph, ((csv_logger *)(void *)self)->names); }

/* The file keeps what it has until the first row: a training that goes on from a backup finds its rows. */
static bool logger_begin(cn_callback *c) {
  csv_logger *s = (csv_logger *)(void *)c;
  const int64_t size = cni_file_size(options(c)->filename);
  cni_free(c->object.graph, s->names);
  s->names = NULL;
  s->names_bytes = 0;
  s->at = options(c)->append ? size : 0;
  s->header = s->at == 0;
  return cni_file_end(c->object.graph, "CSVLogger", options(c)->filename, size, "", 0);
}

/* ---- columns ---- */
static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static bool put_name(cni_text *t, const char *prefix, const char *name) { return cni_text_add(t, prefix) && cni_text_put(t, name, strlen(name) + 1); }

static bool find_columns(csv_logger *s, const cn_logs *logs) {
  const cn_model *m = s->base.model;
  cn_graph *g = s->base.object.graph;
  const int64_t all = cni_log_names(m, true);
  const char **v = cni_alloc(g, (size_t)(all + 1) * sizeof *v);
  cni_text t = { .g = g };
  int64_t n = 0;
  bool validated = false;
  for (int64_t i = 0; v && i < all; i++)
    if (cn_log_has(logs, cni_log_name(m, true, i))) v[n++] = cni_log_name(m, true, i);
  if (n > 1) qsort((void *)v, (size_t)n, sizeof *v, by_text);
  for (int64_t i = 0; i < n; i++) {
    put_name(&t, "", v[i]);
    validated |= !strncmp(v[i], "val_", 4);
  }
  for (int64_t i = 0; !validated && i < n; i++) put_name(&t, "val_", v[i]);
  cni_free(g, (void *)v);
  if (!cn_ok(g) || !(s->names = cni_alloc(g, t.size + 1))) return false;
  if (t.size) memcpy(s->names, t.p, t.size);
  s->names_bytes = (int64_t)t.size;
  return true;
}

/* ---- rows ---- */
/* In quotes, which are doubled inside, where the text needs them. */
static void put_cell(cni_text *t, char separator, const char *text) {
  const char special[] = { separator, '"', '\r', '\n', '\0' };
  if (!strpbrk(text, special)) {
    cni_text_add(t, text);
    return;
  }
  cni_text_add(t, "\"");
  for (; *text; text++) cni_text_put(t, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
  cni_text_add(t, "\"");
}

static bool logger_epoch_end(cn_callback *c, int64_t epoch, cn_logs *logs) {
  csv_logger *s = (csv_logger *)(void *)c;
  cn_graph *g = c->object.graph;
  const char *separator = options(c)->separator;
  cni_text t = { .g = g };
  char number[64];
  if (!s->names && !find_columns(s, logs)) return false;
  if (s->header) cni_text_add(&t, "epoch");
  for (const char *p = s->names; s->header && p < s->names + s->names_bytes; p += strlen(p) + 1) cni_text_add(&t, separator), put_cell(&t, *separator, p);
  if (s->header) cni_text_add(&t, "\r\n");
  snprintf(number, sizeof number, "%lld", (long long)epoch);
  cni_text_add(&t, number);
  for (const char *p = s->names; p < s->names + s->names_bytes; p += strlen(p) + 1) {
    if (cn_log_has(logs, p)) cni_number_text(cn_log_at(logs, p), 17, number, sizeof number);
    cni_text_add(&t, separator);
    put_cell(&t, *separator, cn_log_has(logs, p) ? number : "NA");
  }
  const bool ok = cni_text_add(&t, "\r\n") && cni_file_end(g, "CSVLogger", options(c)->filename, s->at, t.p, t.size);
  if (ok) s->at += (int64_t)t.size, s->header = false;
  return ok;
}

/* Where the whole rows end of a file that has lost its end, or itself. */
static int64_t whole_rows(const char *path) {
  FILE *f = fopen(path, "rb");
  int64_t end = 0, n = 0;
  for (int c; f && (c = getc(f)) != EOF;)
    if (n++, c == '\n') end = n;
  if (f) fclose(f);
  return end;
}

/* Rows that were written after the backup are written again in their place; those that have been lost since are not. */
static bool logger_state(cn_callback *c, cn_state *state) {
  csv_logger *s = (csv_logger *)(void *)c;
  if (!cn_state_bytes(state, "header", &s->header, sizeof s->header) || !cn_state_bytes(state, "at", &s->at, sizeof s->at)) return false;
  if (!cn_state_bytes(state, "names_bytes", &s->names_bytes, sizeof s->names_bytes)) return false;
  if (cn_state_loading(state)) {
    cni_free(c->object.graph, s->names);
    s->names = s->names_bytes > 0 ? cni_alloc(c->object.graph, (size_t)s->names_bytes) : NULL;
    if (s->names_bytes > 0 && !s->names) return false;
  }
  if (s->names_bytes > 0 && !cn_state_bytes(state, "names", s->names, (size_t)s->names_bytes)) return false;
  if (!cn_state_loading(state) || cni_file_size(options(c)->filename) >= s->at) return true;
  s->at = whole_rows(options(c)->filename);
  s->header = s->at == 0;
  return true;
}

static bool logger_end(cn_callback *c) {
  const csv_logger *s = (const csv_logger *)(const void *)c;
  return s->at || cni_file_end(c->object.graph, "CSVLogger", options(c)->filename, 0, "", 0);
}

CNI_CALLBACK(CSVLogger, csv_logger, CN_CALLBACK_CSV_LOGGER, logger_init, logger_finish, .train_begin = logger_begin, .train_end = logger_end,
             .epoch_end = logger_epoch_end, .state = logger_state)
