/* Optimizers as objects: options, text and JSON forms, learning rate. */
#include "optimizer.h"
#include <math.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include "optimizer_private.h"

const cn_class *const cni_optimizer_classes[] = {&cn_class_optimizer_SGD,
                                                 &cn_class_optimizer_RMSprop,
                                                 &cn_class_optimizer_Adam,
                                                 &cn_class_optimizer_AdamW,
                                                 &cn_class_optimizer_Adamax,
                                                 &cn_class_optimizer_Nadam,
                                                 &cn_class_optimizer_Adagrad,
                                                 &cn_class_optimizer_Adadelta,
                                                 &cn_class_optimizer_Ftrl,
                                                 &cn_class_optimizer_Lion,
                                                 &cn_class_optimizer_Lamb,
                                                 &cn_class_optimizer_Adafactor,
                                                 &cn_class_optimizer_Muon,
                                                 &cn_class_optimizer_ScheduleFreeAdamW,
                                                 &cn_class_optimizer_LossScaleOptimizer,
                                                 &cn_class_optimizer_MultiOptimizer,
                                                 NULL};

bool cni_optimizer_fail(const cn_optimizer *o, cn_code code, const char *format, ...) {
  char text[CNI_ERROR_SIZE];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  cn_fail(o->object.graph, code, "%s: %s", o->object.cls->schema.name, text);
  return false;
}

/* ---- options, by name: their places differ by class, and a user's class may lack some ---- */
static const void *option(const cn_optimizer *o, const char *name, cn_option_kind kind) {
  const cn_schema *s = &o->object.cls->schema;
  const int i = cni_option_find(s, name);
  return i >= 0 && s->rows[i].kind == kind ? cni_option_at_const(s, o->object.options, i) : NULL;
}
static double real_option(const cn_optimizer *o, const char *name, double none) {
  const double *v = option(o, name, CN_OPTION_REAL);
  return v && !isnan(*v) ? *v : none;
}
static int64_t int_option(const cn_optimizer *o, const char *name, int64_t none) {
  const int64_t *v = option(o, name, CN_OPTION_INT);
  return v && *v != CN_NONE ? *v : none;
}

static bool options_ok(cn_optimizer *o) {
  cn_graph *g = o->object.graph;
  const char *const clips[] = { "clipnorm", "clipvalue", "global_clipnorm" };
  int given = 0;
  for (int i = 0; i < 3; i++) given += !isnan(real_option(o, clips[i], NAN));
  if (given > 1) return cn_fail(g, CN_VALUE, "only one of clipnorm, clipvalue and global_clipnorm can be given"), false;
  const int64_t steps = int_option(o, "gradient_accumulation_steps", 2);
  if (steps < 2) return cn_fail(g, CN_VALUE, "gradient_accumulation_steps must be at least 2, got %lld", (long long)steps), false;
  return true;
}

static bool methods_ok(const cn_optimizer *o) {
  const cn_optimizer_methods *m = cni_methods(o);
  int slots = 0;
  if (!m || (!m->update && !m->rules)) return cn_fail(o->object.graph, CN_VALUE, "the class has no update"), false;
  while (m->slots && m->slots[slots].name && slots <= CN_OPTIMIZER_SLOTS) slots++;
  return slots <= CN_OPTIMIZER_SLOTS || (cn_fail(o->object.graph, CN_VALUE, "the class has more than %d slots", CN_OPTIMIZER_SLOTS), false);
}

static bool make_name(cn_optimizer *o) {
  char snake[128];
  const char *const *given = option(o, "name", CN_OPTION_STRING);
  return (o->state->name = cni_strdup(o->object.graph, given && *given ? *given : cni_snake_case(o->object.cls->schema.name, snake, sizeof snake))) != NULL;
}

static double positive_or(double v, double none) { return v > 0 ? v : none; }

bool cn_optimizer_init(cn_object *self) {
  cn_optimizer *o = (cn_optimizer *)(void *)self;
  cn_graph *g = self->graph;
  struct cni_optimizer_state *s = o->state = cni_alloc(g, sizeof *s);
  if (!s || !methods_ok(o) || !options_ok(o) || !make_name(o)) return false;
  const bool *use_ema = option(o, "use_ema", CN_OPTION_BOOL);
  s->learning_rate = real_option(o, "learning_rate", 0);
  s->weight_decay = real_option(o, "weight_decay", 0);
  s->clipnorm = positive_or(real_option(o, "clipnorm", 0), 0);
  s->clipvalue = positive_or(real_option(o, "clipvalue", 0), INFINITY);
  s->global_clipnorm = positive_or(real_option(o, "global_clipnorm", 0), 0);
  s->loss_scale = real_option(o, "loss_scale_factor", 1);
  s->accumulate = int_option(o, "gradient_accumulation_steps", 1);
  s->overwrite = int_option(o, "ema_overwrite_frequency", 0);
  s->ema_momentum = real_option(o, "ema_momentum", 0.99);
  s->use_ema = use_ema && *use_ema;
  cn_ref *schedule = (cn_ref *)(uintptr_t)option(o, "schedule", CN_OPTION_REF);
  if (schedule) s->schedule = cni_ref_resolve(g, CN_KIND_SCHEDULE, schedule, &cni_optim_factory);
  return cn_ok(g);
}

void cn_optimizer_finish(cn_object *self) {
  cn_optimizer *o = (cn_optimizer *)(void *)self;
  struct cni_optimizer_state *s = o->state;
  cn_graph *g = self->graph;
  if (!s) return;
  cni_entries_free(o);
  cn_free(s->iteration);
  cn_free(s->rate);
  for (int i = 0; i < 2; i++) cn_free(s->own[i]);
  for (int64_t i = 0; i < s->excluded_count; i++) cni_free(g, s->excluded[i]);
  cni_free(g, s->excluded);
  cni_free(g, s->name);
  cni_free(g, s);
  o->state = NULL;
}

void cn_optimizer_free(cn_optimizer *o) { cn_object_free(o ? &o->object : NULL); }

/* ---- learning rate and iterations ---- */
static const cn_optimizer *shown(const cn_optimizer *o) {
  const cni_wrapper *w = o ? cni_wrapper_of(o) : NULL;
  return w ? w->main(o) : o;
}

/* Counted by every call, accumulating ones too: schedules go by it. */
static int64_t calls_of(const struct cni_optimizer_state *s) { return s->iteration ? *(const int64_t *)s->iteration->data : 0; }

int64_t cn_optimizer_iterations(const cn_optimizer *o) {
  const cn_optimizer *of = shown(o);
  if (!of) of = o;
  return of && of->state ? calls_of(of->state) / of->state->accumulate : 0;
}

double cn_optimizer_learning_rate(const cn_optimizer *o) {
  const cn_optimizer *of = shown(o);
  const struct cni_optimizer_state *s = of ? of->state : NULL;
  if (!s) return NAN;
  if (s->rate_at) return (double)(float)s->rate_at(calls_of(s), s->rate_user);
  if (s->schedule) return (double)(float)cn_schedule_at(s->schedule, calls_of(s));
  return s->rate ? (double)*(const float *)s->rate->data : (double)(float)s->learning_rate;
}

bool cn_optimizer_set_learning_rate(cn_optimizer *o, double rate) {
  if (!o || !cn_ok(o->object.graph)) return false;
  cn_optimizer *of = (cn_optimizer *)(uintptr_t)shown(o);
  if (!of) return cni_optimizer_fail(o, CN_STATE, "set the learning rate of its optimizers");
  struct cni_optimizer_state *s = of->state;
  if (s->schedule || s->rate_at) return cni_optimizer_fail(of, CN_STATE, "the learning rate is given by a schedule");
  s->learning_rate = rate;
  const float value = (float)rate;
  return !s->rate || cn_assign_data(s->rate, &value);
}

bool cn_optimizer_set_schedule(cn_optimizer *o, double (*rate)(int64_t step, void *user), void *user) {
  if (!o || !cn_ok(o->object.graph)) return false;
  cn_optimizer *of = (cn_optimizer *)(uintptr_t)shown(o);
  if (!of) return cni_optimizer_fail(o, CN_STATE, "set the schedules of its optimizers");
  of->state->rate_at = rate;
  of->state->rate_user = user;
  return true;
}

double cn_optimizer_loss_scale(const cn_optimizer *o) {
  if (!o || !o->state) return 1;
  const cni_wrapper *w = cni_wrapper_of(o);
  return w ? w->loss_scale(o) : o->state->loss_scale;
}

/* ---- names ---- */
const char *cni_variable_path(const cn_tensor *v) {
  const char *name = cn_name_of(v);
  return *name ? name : "variable";
}

bool cni_pattern_matches(cn_optimizer *o, const char *pattern, const char *text, bool from_start, bool *matches) {
  regex_t compiled;
  regmatch_t at;
  char why[128];
  const int code = regcomp(&compiled, pattern, REG_EXTENDED);
  if (code) {
    regerror(code, &compiled, why, sizeof why);
    return cni_optimizer_fail(o, CN_VALUE, "\"%s\" is no pattern: %s", pattern, why);
  }
  *matches = regexec(&compiled, text, 1, &at, 0) == 0 && (!from_start || at.rm_so == 0);
  regfree(&compiled);
  return true;
}

static const char *last_part(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static bool exclude(cn_optimizer *o, const char *pattern) {
  struct cni_optimizer_state *s = o->state;
  bool matches;
  if (!cni_pattern_matches(o, pattern, "", false, &matches)) return false;
  if (s->excluded_count == s->excluded_capacity &&
      !cni_grow(o->object.graph, (void **)&s->excluded, s->excluded_count, &s->excluded_capacity, sizeof *s->excluded))
    return false;
  if (!(s->excluded[s->excluded_count] = cni_strdup(o->object.graph, pattern))) return false;
  s->excluded_count++;
  for (int64_t i = 0; i < s->count; i++) {
    if (!cni_pattern_matches(o, pattern, last_part(cni_variable_path(s->entries[i].variable)), false, &matches)) return false;
    s->entries[i].excluded |= matches;
  }
  return true;
}

bool cn_optimizer_exclude_from_weight_decay(cn_optimizer *o, const char *const *patterns, int64_t n) {
  if (!o || !cn_ok(o->object.graph)) return false;
  for (int64_t i = 0; i < n; i++)
    if (!exclude(o, patterns[i])) return false;
  return true;
}
