/* Inside of optimizers. */
#ifndef CN_OPTIM_OPTIMIZER_PRIVATE_H
#define CN_OPTIM_OPTIMIZER_PRIVATE_H
#include "../autograd/graph_private.h"
#include "../core/options_private.h"
#include "../core/threads_private.h"
#include "optim.h"

/* Makes optimizers and schedules, and what their options hold. */
extern const cni_factory cni_optim_factory;
extern const cn_class *const cni_optimizer_classes[], *const cni_schedule_classes[];

/* One variable of an optimizer. */
typedef struct cni_entry {
  cn_tensor *variable;
  int64_t count;                       /* of the variable when its slots were made: another means that its header serves a new one */
  cn_dtype dtype;
  cn_tensor *slot[CN_OPTIMIZER_SLOTS];
  cn_tensor *average, *accumulator;    /* NULL without use_ema, gradient_accumulation_steps */
  bool excluded;                       /* from weight decay */
  uint64_t met, averaged;              /* the last call that had a gradient for it, that moved its average */
} cni_entry;

/* Scalars of the running step. */
typedef struct cni_step {
  double rate;
  int64_t t;                           /* 1 in the first */
  double scale;                        /* of gradients: 1 / loss scale; of accumulators: 1 / gradient_accumulation_steps */
  bool updates;                        /* false: this call only accumulates */
  bool prepared, constrained;          /* constrained: a variable with a gradient has a projection */
  double decay;                        /* of a variable: the option weight_decay times the rate; from prepare on */
  double p[6];                         /* the class' own */
  cni_update common;                   /* what the updates of all variables begin with; from prepare on */
} cni_step;

/* A gradient on its way into an update. */
typedef struct cni_gradient { cni_entry *entry; cn_tensor *dense; cn_rows rows; } cni_gradient;
typedef struct cni_gradient_list { cn_tensor *const *gradients; const cn_rows *rows /* or NULL */; cn_tensor *const *variables; int64_t n; } cni_gradient_list;

struct cni_optimizer_state {
  char *name;
  cni_entry *entries;
  int64_t count, capacity;
  int32_t *table;                      /* open hash of variables: index of the entry or -1 */
  int64_t table_size;                  /* a power of two */
  cn_tensor *iteration, *rate;         /* rate NULL with a schedule */
  cn_tensor *own[2];                   /* variables of the class beside the slots */
  cn_object *schedule;
  double (*rate_at)(int64_t step, void *user);
  void *rate_user;
  double learning_rate;                /* before the first build */
  double weight_decay, clipnorm, clipvalue, global_clipnorm, loss_scale;   /* 0, 0, infinity, 0, 1: none */
  int64_t accumulate, overwrite;       /* 1, 0: none */
  double ema_momentum;
  bool use_ema, built;
  char **excluded;                     /* patterns */
  int64_t excluded_count, excluded_capacity;
  uint64_t calls;
  cni_step step;
};

/* What the library's own classes add to cn_optimizer_methods. */
typedef struct cni_wrapper {
  bool (*build)(cn_optimizer *self, cn_tensor *const *variables, int64_t n);
  bool (*apply)(cn_optimizer *self, const cni_gradient_list *l);
  int64_t (*variables)(cn_optimizer *self, cn_tensor **out, int64_t capacity);   /* after its own */
  cn_optimizer *(*main)(const cn_optimizer *self);                               /* whose rate and iterations are shown, or NULL */
  double (*loss_scale)(const cn_optimizer *self);
  bool (*finalize)(cn_optimizer *self);
} cni_wrapper;
struct cni_optimizer_rules {
  void (*prepare)(cn_optimizer *self, cni_step *s);    /* once an update: fills s->p */
  /* The pass for a variable, after filling slots and parameters (w, decay, scale, clip, ema and rate are there; the parameters are the
   * same for every variable); NULL: methods' update does it. */
  cni_update_pass *(*pass)(const cn_optimizer *self, const cni_entry *e, const cni_kernels *k, cni_update *c);
  bool (*rows_only)(const cn_optimizer *self);         /* a row with a zero gradient does not change */
  bool sums;                                           /* of repeated rows only the sum matters: squares are not needed */
  bool (*build)(cn_optimizer *self);                   /* makes state->own */
  double (*decay)(const cn_optimizer *self, const cni_entry *e); /* weight decay of a variable; NULL: the option's */
  const cni_wrapper *wrapper;
};

static inline const cn_optimizer_methods *cni_methods(const cn_optimizer *o) { return o->object.cls->methods; }
static inline const cni_wrapper *cni_wrapper_of(const cn_optimizer *o) { return cni_methods(o)->rules ? cni_methods(o)->rules->wrapper : NULL; }
static inline bool cni_entry_live(const cni_entry *e) {
  const cn_tensor *v = e->variable;
  return v->epoch == CNI_PERSISTENT && (v->flags & CNI_VARIABLE) && v->count == e->count && v->dtype == e->dtype;
}
static inline void *cni_slot_data(const cni_entry *e, int i) { return e->slot[i] ? e->slot[i]->data : NULL; }

/* optimizer.c */
bool cni_optimizer_fail(const cn_optimizer *o, cn_code code, const char *format, ...) CN_PRINTF(3, 4); /* "Adam: ..."; returns false */
bool cni_pattern_matches(cn_optimizer *o, const char *pattern, const char *text, bool from_start, bool *matches); /* false after an error */
const char *cni_variable_path(const cn_tensor *v);

/* multi.c: optimizer i of count + 1, and its pattern; the last is the default */
int64_t cni_multi_count(const cn_optimizer *multi);
cn_optimizer *cni_multi_part(const cn_optimizer *multi, const char **pattern, int64_t i);

/* optimizer_build.c */
cni_entry *cni_entry_of(const cn_optimizer *o, const cn_tensor *variable);      /* NULL: not one of its variables */
/* Frozen, named "adam/NAME", with `value` in every element. */
cn_tensor *cni_optimizer_variable(cn_optimizer *o, cn_dtype dtype, const cn_dims *dims, const char *name, double value);
void cni_entries_free(cn_optimizer *o);

/* optimizer_step.c */
bool cni_optimizer_apply(cn_optimizer *o, const cni_gradient_list *l);
bool cni_list_scaled(cn_graph *g, const cni_gradient_list *l, double scale, cni_gradient_list *out); /* arrays and tensors of this step */

/* optimizer_step.c: a step whose forward half has been replayed. */
bool cni_optimizer_replay(cn_optimizer *o, struct cni_replay *r);

/* clipping.c */
double cni_sum_squares(cn_graph *g, const void *x, int64_t n, cn_dtype dtype);  /* threaded; the same bits at every call */
double cni_clip_factor(double norm, double limit);                              /* min(1, limit / norm); NaN passes */

/* optimizer_rows.c */
/* Runs a pass with a sparse gradient: rows without one get zeros, or are left alone with rows_only. */
bool cni_rows_pass(cn_optimizer *o, cni_entry *e, cn_rows *rows, const cni_update *c, cni_update_pass *pass, bool rows_only);
/* Dense forms of a sparse gradient, step tensors: the sums; the sums of squares (or absolute values). */
bool cni_rows_expand(cn_optimizer *o, const cni_entry *e, const cn_rows *rows, double scale, double clip, cn_tensor **sum, cn_tensor **squares);
cn_tensor *cni_scaled(cn_graph *g, const cn_tensor *x, double scale, double clip);   /* a step tensor */

#endif
