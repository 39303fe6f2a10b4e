/* Which columns of a table become inputs, targets and weights. */
#ifndef CN_IO_TABLE_PRIVATE_H
#define CN_IO_TABLE_PRIVATE_H
#include "source_private.h"

typedef struct cni_table {
  int64_t *column;                  // [count] of the table: inputs, then targets, then the weight
  int64_t count, inputs, targets, weights;
  cn_dtype dtype, target_dtype;
} cni_table;

/* What is asked for: inputs.n <= 0: every column that is neither target nor weight. */
typedef struct cni_wanted { cn_strings inputs, targets; const char *weight, *dtype, *target_dtype; } cni_wanted;
/* Reports `what: file: no column "aeg"; did you mean "age"?`, a column that is asked for twice, no input left. */
bool cni_table_choose(cn_graph *g, const char *what, const char *file, const char *const *names, int64_t n, const cni_wanted *w, cni_table *t);
/* Inputs as [inputs] of dtype; one target as a scalar, several as [targets], of target_dtype; the weight as a float32 scalar. */
bool cni_table_columns(cn_source *s, const char *what, const cni_table *t);
/* The memory of chosen column i in the sample that `out` points at, and its dtype. */
void *cni_table_at(const cni_table *t, const cn_samples *out, int64_t i, cn_dtype *dtype);
double cni_number_of(cn_dtype dtype, const void *p);

#endif
