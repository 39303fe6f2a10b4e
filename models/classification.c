/* The confusion matrix and what follows from it. */
#include "classification.h"
#include <math.h>
#include <stdio.h>
#include "../autograd/graph_private.h"
#include "../autograd/text_private.h"
#include "../core/options_private.h"

#define MOST_CLASSES 32768 /* a matrix of 8 GiB */

/* ---- classes of samples ---- */
static int64_t samples_of(const cn_tensor *x) { return x->dims.rank ? x->dims.d[0] : 0; }
static int64_t scores_of(const cn_tensor *x) { return x->dims.rank == 2 ? x->dims.d[1] : 1; }

static bool is_whole(const cn_tensor *x) {
  for (int64_t i = 0; i < x->count; i++) {
    const double v = cni_value_at(x, i);
    if (v != floor(v)) return false;
  }
  return true;
}

/* labels[n] of x. */
static bool labels_of(cn_graph *g, const cn_tensor *x, const char *name, bool may_be_probabilities, int64_t *labels) {
  const int64_t n = samples_of(x), k = scores_of(x);
  const bool probabilities = k == 1 && may_be_probabilities && !is_whole(x);
  for (int64_t i = 0; i < n; i++) {
    const double v = cni_value_at(x, i * k);
    labels[i] = 0;
    for (int64_t j = 1; j < k; j++)
      if (cni_value_at(x, i * k + j) > cni_value_at(x, i * k + labels[i])) labels[i] = j;
    if (k > 1) continue;
    if (probabilities ? !(v >= 0 && v <= 1) : !(v == floor(v) && fabs(v) < 0x1p53))
      return cn_fail(g, CN_VALUE, "classification: %s is %g at position %lld, which is no class%s", name, v, (long long)i,
                     probabilities ? " and no probability" : ""),
             false;
    labels[i] = probabilities ? v > 0.5 : (int64_t)v;
  }
  return true;
}

static bool input_ok(const cn_classification_args *a, const cn_tensor *x, const char *name) {
  cn_graph *g = a->graph;
  char text[160];
  if (!x || x == &cn_missing_) return cn_ok(g) && (cn_fail(g, CN_VALUE, "classification: %s is missing", name), false);
  if (!cni_readable(g, x, true)) return false;
  if (x->dtype == CN_STRING) return cn_fail(g, CN_DTYPE, "classification: %s holds texts", name), false;
  if (x->dims.rank == 1 || (x->dims.rank == 2 && x->dims.d[1] > 0)) return true;
  return cn_fail(g, CN_SHAPE, "classification: %s is %s, not [n], [n,1] or [n,classes]", name, cn_dims_text(&x->dims, text, sizeof text)), false;
}

typedef struct counts { int64_t n, classes, *t, *p; double *matrix; bool weighted, all; } counts;

static int64_t classes_of(const cn_classification_args *a, const counts *c) {
  if (a->classes != CN_NONE) return a->classes;
  if (a->names.n > 0) return a->names.n;
  const int64_t scores = scores_of(a->y_pred) > scores_of(a->y_true) ? scores_of(a->y_pred) : scores_of(a->y_true);
  int64_t largest = scores - 1;
  for (int64_t i = 0; i < c->n; i++) {
    if (c->t[i] > largest) largest = c->t[i];
    if (c->p[i] > largest) largest = c->p[i];
  }
  return largest + 1;
}

static bool range_ok(cn_graph *g, const counts *c) {
  if (c->classes < 1 || c->classes > MOST_CLASSES)
    return cn_fail(g, CN_VALUE, "classification: %lld classes; 1 to %d are possible", (long long)c->classes, MOST_CLASSES), false;
  for (int64_t i = 0; i < c->n; i++) {
    const bool wrong_true = c->t[i] < 0 || c->t[i] >= c->classes;
    if (!wrong_true && c->p[i] >= 0 && c->p[i] < c->classes) continue;
    cn_fail(g, CN_INDEX, "classification: %s is %lld at position %lld, out of range for %lld classes", wrong_true ? "y_true" : "y_pred",
            (long long)(wrong_true ? c->t[i] : c->p[i]), (long long)i, (long long)c->classes);
    return false;
  }
  return true;
}

static bool arguments_ok(const cn_classification_args *a, bool weighted) {
  cn_graph *g = a->graph;
  const long long n = samples_of(a->y_true);
  if (samples_of(a->y_pred) != n)
    return cn_fail(g, CN_SHAPE, "classification: y_true has %lld samples, y_pred has %lld", n, (long long)samples_of(a->y_pred)), false;
  if (!n) return cn_fail(g, CN_SHAPE, "classification: there are no samples"), false;
  if (a->names.n > 0 && a->classes != CN_NONE && a->names.n != a->classes)
    return cn_fail(g, CN_VALUE, "classification: %lld names for %lld classes", (long long)a->names.n, (long long)a->classes), false;
  if (!weighted) return true;
  if (!cni_readable(g, a->sample_weight, true)) return false;
  if (a->sample_weight->count != n || samples_of(a->sample_weight) != n)
    return cn_fail(g, CN_SHAPE, "classification: y_true has %lld samples, sample_weight has %lld numbers", n, (long long)a->sample_weight->count), false;
  return true;
}

static bool count(const cn_classification_args *a, counts *c) {
  cn_graph *g = a->graph;
  *c = (counts){ .weighted = a->sample_weight && cni_given(a->sample_weight), .all = a->classes != CN_NONE || a->names.n > 0 };
  if (!cn_ok(g) || !input_ok(a, a->y_true, "y_true") || !input_ok(a, a->y_pred, "y_pred") || !arguments_ok(a, c->weighted)) return false;
  c->n = samples_of(a->y_true);
  c->t = cni_arena_take(g, cni_step_arena(g), 2 * (size_t)c->n * sizeof *c->t);
  if (!c->t) return false;
  c->p = c->t + c->n;
  if (!labels_of(g, a->y_true, "y_true", false, c->t) || !labels_of(g, a->y_pred, "y_pred", true, c->p)) return false;
  c->classes = classes_of(a, c);
  if (!range_ok(g, c)) return false;
  const size_t cells = (size_t)c->classes * (size_t)c->classes;
  if (!(c->matrix = cni_arena_take(g, cni_step_arena(g), cells * sizeof *c->matrix))) return false;
  memset(c->matrix, 0, cells * sizeof *c->matrix);
  for (int64_t i = 0; i < c->n; i++) c->matrix[c->t[i] * c->classes + c->p[i]] += c->weighted ? cni_value_at(a->sample_weight, i) : 1;
  return true;
}

CNI_ARGS_INIT(cn_classification, CN_CLASSIFICATION, graph)

cn_tensor *cn_confusion_matrix_run(const cn_classification_args *a) {
  counts c;
  return count(a, &c) ? cn_array_from_doubles(a->graph, c.weighted ? CN_F64 : CN_I64, &(const cn_dims){ 2, { c.classes, c.classes } }, c.matrix) : NULL;
}

/* ---- scores ---- */
static double ratio(double a, double b, double none) { return b != 0 ? a / b : none; }

static cn_class_score score_of(const counts *c, int64_t k, double none, bool *occurs) {
  double truth = 0, taken = 0;
  const double right = c->matrix[k * c->classes + k];
  for (int64_t j = 0; j < c->classes; j++) {
    truth += c->matrix[k * c->classes + j];
    taken += c->matrix[j * c->classes + k];
  }
  *occurs = c->all;
  for (int64_t i = 0; i < c->n && !*occurs; i++) *occurs = c->t[i] == k || c->p[i] == k;
  const cn_class_score s = { ratio(right, taken, none), ratio(right, truth, none), ratio(2 * right, truth + taken, none), truth };
  return s;
}

static void add_to(cn_class_score *sum, const cn_class_score *s, double weight) {
  sum->precision += s->precision * weight;
  sum->recall += s->recall * weight;
  sum->f1 += s->f1 * weight;
  sum->support += s->support;
}
static void divide(cn_class_score *sum, double by, double none) {
  sum->precision = ratio(sum->precision, by, none);
  sum->recall = ratio(sum->recall, by, none);
  sum->f1 = ratio(sum->f1, by, none);
}

static const cn_classification *scores(const cn_classification_args *a, const counts *c) {
  cn_graph *g = a->graph;
  cn_classification *r = cni_arena_take(g, cni_step_arena(g), sizeof *r);
  cn_class_score *each = cni_arena_take(g, cni_step_arena(g), (size_t)c->classes * sizeof *each);
  bool *occurs = cni_arena_take(g, cni_step_arena(g), (size_t)c->classes * sizeof *occurs);
  double right = 0;
  int64_t present = 0;
  if (!r || !each || !occurs) return NULL;
  *r = (cn_classification){ .classes = c->classes, .each = each, .occurs = occurs };
  for (int64_t k = 0; k < c->classes; k++) {
    each[k] = score_of(c, k, a->zero_division, &occurs[k]);
    if (!occurs[k]) continue;
    present++;
    right += c->matrix[k * c->classes + k];
    add_to(&r->macro, &each[k], 1);
    add_to(&r->weighted, &each[k], each[k].support);
  }
  divide(&r->macro, (double)present, a->zero_division);
  divide(&r->weighted, r->weighted.support, a->zero_division);
  r->accuracy = ratio(right, r->weighted.support, a->zero_division);
  return r;
}

const cn_classification *cn_classification_run(const cn_classification_args *a) {
  counts c;
  return count(a, &c) ? scores(a, &c) : NULL;
}

/* ---- text ---- */
static const char *name_of(const cn_strings *names, int64_t i, char *text, size_t size) {
  if (i < names->n && names->v[i]) return names->v[i];
  snprintf(text, size, "%lld", (long long)i);
  return text;
}
static void put_right(cni_text *t, const char *s, int64_t width) {
  for (int64_t n = (int64_t)strlen(s); n < width; n++) cni_text_put(t, " ", 1);
  cni_text_add(t, s);
}
static void put_fixed(cni_text *t, double v, int64_t digits) {
  char s[400];
  cni_fixed_text(v, (int)digits, s, sizeof s);
  cni_text_put(t, " ", 1);
  put_right(t, s, 9);
}
static void put_support(cni_text *t, double v, bool weighted) {
  char s[64];
  if (!weighted) snprintf(s, sizeof s, "%lld", (long long)v);
  else {
    cni_number_text(v, 17, s, sizeof s);
    if (!strpbrk(s, ".en")) strcat(s, ".0");
  }
  cni_text_put(t, " ", 1);
  put_right(t, s, 9);
  cni_text_put(t, "\n", 1);
}

static void put_row(cni_text *t, const cn_classification_args *a, const char *name, const cn_class_score *s, int64_t width, bool weighted) {
  put_right(t, name, width);
  cni_text_put(t, " ", 1);
  put_fixed(t, s->precision, a->digits);
  put_fixed(t, s->recall, a->digits);
  put_fixed(t, s->f1, a->digits);
  put_support(t, s->support, weighted);
}

const char *cn_classification_report_run(const cn_classification_args *a) {
  counts c;
  char number[32];
  if (cn_ok(a->graph) && (a->digits < 0 || a->digits > 17))
    return cn_fail(a->graph, CN_VALUE, "classification: digits must be 0 to 17, got %lld", (long long)a->digits), "";
  const cn_classification *r = count(a, &c) ? scores(a, &c) : NULL;
  if (!r) return "";
  int64_t width = (int64_t)strlen("weighted avg");
  for (int64_t k = 0; k < r->classes; k++) {
    const int64_t n = (int64_t)strlen(name_of(&a->names, k, number, sizeof number));
    if (r->occurs[k] && n > width) width = n;
  }
  cni_text t = { .g = a->graph };
  put_right(&t, "", width);
  cni_text_format(&t, "  %9s %9s %9s %9s\n\n", "precision", "recall", "f1-score", "support");
  for (int64_t k = 0; k < r->classes; k++)
    if (r->occurs[k]) put_row(&t, a, name_of(&a->names, k, number, sizeof number), &r->each[k], width, c.weighted);
  cni_text_put(&t, "\n", 1);
  put_right(&t, "accuracy", width);
  cni_text_format(&t, "  %9s %9s", "", "");
  put_fixed(&t, r->accuracy, a->digits);
  put_support(&t, r->weighted.support, c.weighted);
  put_row(&t, a, "macro avg", &r->macro, width, c.weighted);
  put_row(&t, a, "weighted avg", &r->weighted, width, c.weighted);
  return cni_text_done(&t);
}

static const char *cell_text(const cn_tensor *m, int64_t i, char *text, size_t size) {
  if (m->dtype == CN_F64 || m->dtype == CN_F32) cni_number_text(cni_value_at(m, i), 9, text, size);
  else snprintf(text, size, "%lld", (long long)cni_value_at(m, i));
  return text;
}

const char *cn_confusion_text(cn_graph *g, cn_tensor *m, cn_strings names) {
  char cell[64];
  if (!cn_ok(g) || !m || !cni_readable(g, m, true)) return "";
  const int64_t n = m->dims.rank ? m->dims.d[0] : 0;
  if (m->dims.rank != 2 || m->dims.d[1] != n || m->dtype == CN_STRING)
    return cn_fail(g, CN_SHAPE, "confusion_text: %s is no square matrix of numbers", cn_dims_text(&m->dims, cell, sizeof cell)), "";
  int64_t first = (int64_t)strlen("true \\ predicted"), width = 1;
  for (int64_t i = 0; i < n; i++) {
    const int64_t length = (int64_t)strlen(name_of(&names, i, cell, sizeof cell));
    if (length > first) first = length;
    if (length > width) width = length;
  }
  for (int64_t i = 0; i < m->count; i++)
    if ((int64_t)strlen(cell_text(m, i, cell, sizeof cell)) > width) width = (int64_t)strlen(cell_text(m, i, cell, sizeof cell));
  cni_text t = { .g = g };
  put_right(&t, "true \\ predicted", first);
  for (int64_t j = 0; j < n; j++) cni_text_put(&t, "  ", 2), put_right(&t, name_of(&names, j, cell, sizeof cell), width);
  for (int64_t i = 0; i < n; i++) {
    cni_text_put(&t, "\n", 1);
    put_right(&t, name_of(&names, i, cell, sizeof cell), first);
    for (int64_t j = 0; j < n; j++) cni_text_put(&t, "  ", 2), put_right(&t, cell_text(m, i * n + j, cell, sizeof cell), width);
  }
  cni_text_put(&t, "\n", 1);
  return cni_text_done(&t);
}
