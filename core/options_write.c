/* Options as text that the parser reads again. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "options_private.h"

void cni_write(cni_writer *w, const char *format, ...) {
  const bool room = w->length >= 0 && (size_t)w->length < w->size;
  va_list args;
  va_start(args, format);
  const int n = vsnprintf(room ? w->text + w->length : NULL, room ? w->size - (size_t)w->length : 0, format, args);
  va_end(args);
  if (n > 0) w->length += n;
}

static void write_integer(cni_writer *w, int64_t v) {
  if (v == CN_NONE) cni_write(w, "none");
  else cni_write(w, "%" PRId64, v);
}

static void write_number(cni_writer *w, double v) {
  char text[32];
  cni_number_text(v, 17, text, sizeof text);
  cni_write(w, "%s", text);
}

static void write_quoted(cni_writer *w, const char *text) {
  if (!text) {
    cni_write(w, "none");
    return;
  }
  cni_write(w, "'");
  for (const char *p = text; *p; p++) cni_write(w, *p == '\'' || *p == '\\' ? "\\%c" : "%c", *p);
  cni_write(w, "'");
}

static void write_object(cni_writer *w, const cn_object *o) {
  if (!o) {
    cni_write(w, "none");
    return;
  }
  cni_write(w, "%s", o->cls->schema.name);
  const bool room = w->length >= 0 && (size_t)w->length < w->size;
  w->length += cni_options_text(&o->cls->schema, o->options, room ? w->text + w->length : NULL, room ? w->size - (size_t)w->length : 0);
}

static void write_int(cni_writer *w, const void *at) { write_integer(w, *(const int64_t *)at); }

static void write_real(cni_writer *w, const void *at) {
  const double v = *(const double *)at;
  if (v != v) cni_write(w, "none");
  else write_number(w, v);
}

static void write_bool(cni_writer *w, const void *at) { cni_write(w, *(const bool *)at ? "true" : "false"); }

static void write_string(cni_writer *w, const void *at) { write_quoted(w, *(const char *const *)at); }

static void write_ref(cni_writer *w, const void *at) {
  const cn_ref *ref = at;
  if (ref->name) write_quoted(w, ref->name);
  else if (ref->object || !(ref->fn || ref->fn2)) write_object(w, ref->object);
  else cni_write(w, "<function>");
}

static void write_layer(cni_writer *w, const void *at) { write_object(w, *(const void *const *)at); }

static void write_pointer(cni_writer *w, const void *at) { cni_write(w, *(const void *const *)at ? "<pointer>" : "none"); }

static void write_size(cni_writer *w, const void *at) {
  const cn_size *size = at;
  const int n = cni_size_given(size);
  const bool list = size->d[1] != 0;
  if (list) cni_write(w, "[");
  for (int i = 0; i < n; i++) {
    if (i > 0) cni_write(w, ", ");
    write_integer(w, size->d[i]);
  }
  if (list) cni_write(w, "]");
}

/* Every list: a pointer and a count, whose elements one function writes. */
static void write_list(cni_writer *w, const void *at, size_t size, void (*element)(cni_writer *w, const void *at)) {
  const cn_ints *list = at;
  if (list->n < 0) {
    cni_write(w, "none");
    return;
  }
  cni_write(w, "[");
  for (int64_t i = 0; i < list->n; i++) {
    if (i > 0) cni_write(w, ", ");
    element(w, (const char *)list->v + (size_t)i * size);
  }
  cni_write(w, "]");
}

static void write_number_at(cni_writer *w, const void *at) { write_number(w, *(const double *)at); }

static void write_ints(cni_writer *w, const void *at) { write_list(w, at, sizeof(int64_t), write_int); }

static void write_reals(cni_writer *w, const void *at) { write_list(w, at, sizeof(double), write_number_at); }

static void write_strings(cni_writer *w, const void *at) { write_list(w, at, sizeof(char *), write_string); }

static void write_layers(cni_writer *w, const void *at) { write_list(w, at, sizeof(cn_layer *), write_layer); }

static void write_pointers(cni_writer *w, const void *at) { write_list(w, at, sizeof(void *), write_pointer); }

void cni_write_option(cni_writer *w, const cn_schema *s, int row, const void *options) {
  static void (*const writers[])(cni_writer *, const void *) = {
    [CN_OPTION_INT] = write_int,       [CN_OPTION_REAL] = write_real,      [CN_OPTION_BOOL] = write_bool,        [CN_OPTION_STRING] = write_string,
    [CN_OPTION_SIZE] = write_size,     [CN_OPTION_INTS] = write_ints,      [CN_OPTION_REALS] = write_reals,      [CN_OPTION_STRINGS] = write_strings,
    [CN_OPTION_REF] = write_ref,       [CN_OPTION_TENSOR] = write_pointer, [CN_OPTION_TENSORS] = write_pointers, [CN_OPTION_LAYER] = write_layer,
    [CN_OPTION_LAYERS] = write_layers, [CN_OPTION_POINTER] = write_pointer,
  };
  writers[s->rows[row].kind](w, cni_option_at_const(s, options, row));
}

int64_t cni_options_text(const cn_schema *s, const void *options, char *text, size_t size) {
  cni_writer w = { text, size, 0 };
  const char *separator = "(";
  for (int i = 0; i < s->count; i++) {
    if (cni_option_same(s, i, options, s->defaults)) continue;
    cni_write(&w, "%s%s=", separator, s->rows[i].name);
    cni_write_option(&w, s, i, options);
    separator = ", ";
  }
  cni_write(&w, *separator == '(' ? "()" : ")");
  return w.length;
}
