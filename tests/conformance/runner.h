/* The conformance runner: reads a case, hands the library its inputs, compares what comes back. */
#ifndef CORNU_TESTS_CONFORMANCE_RUNNER_H
#define CORNU_TESTS_CONFORMANCE_RUNNER_H
#include <jansson.h>
#include "../../models/model_private.h"
#include "../../optim/optimizer_private.h"

typedef enum { PASSED, FAILED, UNSUPPORTED } status;
typedef struct outcome { status status; char text[600]; } outcome;

/* A case while it runs: its own graph, what failed first. */
typedef struct run {
  const json_t *c;      /* the case */
  const char *folder;   /* of its file */
  cn_graph *g;
  outcome *out;
  double rtol, atol;
  bool per_element;     /* tolerance by each element's size, not the array's largest */
  double scale;         /* of the array's largest, at least this (1 in most families) */
  cn_dtype real;        /* what float64 arrays become: CN_F32 with --f32 */
  bool rounded;         /* inputs are rounded to float32 first */
} run;

bool fail(run *r, const char *format, ...) CN_PRINTF(2, 3);           /* returns false */
bool unsupported(run *r, const char *format, ...) CN_PRINTF(2, 3);
bool library_failed(run *r, const char *what);                        /* fails with the graph's error */

/* arrays.c */
cn_tensor *tensor_from(run *r, const json_t *array);                  /* NULL for null */
double number_of(const json_t *v);                                    /* a number, or "nan", "inf", "-inf" */
bool same(run *r, const char *what, const cn_tensor *got, const json_t *want);                 /* got NULL: zeros */
bool same_number(run *r, const char *what, double got, const json_t *want);
bool same_scaled(run *r, const char *what, const cn_tensor *got, const json_t *want, double largest);
double largest_of(const json_t *arrays);                              /* |element| over a list of arrays, infinities left out */
bool dims_from(const json_t *shape, cn_dims *out);
const char *text_of(const json_t *object, const char *key);           /* "" if missing */
bool is_null(const json_t *object, const char *key);

/* One function for each kind. */
typedef void runner(run *r);
runner run_op, run_op_edge, run_op_error, run_graph, run_layer, run_layer_shape, run_layer_stat, run_layer_error, run_activation, run_regularizer,
    run_constraint, run_initializer, run_initializer_stat, run_history, run_model_error, run_loss, run_loss_function, run_metric, run_model, run_optimizer,
    run_schedule, run_util;

/* sum over i of sum(outputs[i] * cotangents[i]), over floating outputs; extra (may be NULL) is added. */
cn_tensor *total_of(run *r, cn_tensor *const *outputs, int64_t n, const json_t *cotangents, cn_tensor *extra);

/* run_models.c: whole models. */
#define MODEL_ENDS 32
#include "../../models/config_private.h"
bool classes_known(run *r, const json_t *v);                          /* every class and operation that a config names; else unsupported */
bool layer_known(run *r, const char *name);
cn_model *model_from(run *r, const json_t *config);
size_t flat(const json_t *s, const json_t **out, const char **names, size_t most);  /* the arrays of a structure; those of a dict in the order of its keys */
int64_t tensors_from(run *r, const json_t *s, cn_tensor **out);       /* at most MODEL_ENDS; -1 after a failure */
bool set_model_weights(run *r, cn_model *m, const json_t *weights);
cn_dataset *dataset_from(run *r, cn_model *m, const json_t *x, const json_t *y, const json_t *w);
bool fit_args_from(run *r, const json_t *given, cn_fit_args *a, double *weights, int64_t most);
bool compile_from(run *r, cn_model *m, const json_t *config);
bool compile_known(run *r, const json_t *config);
bool same_weights(run *r, cn_model *m, const json_t *want, const char *what);

#endif
