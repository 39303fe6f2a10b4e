/* Arithmetic on gradients' values: sums of parts, and broadcasting undone. */
#include "engine_private.h"
#include "../core/threads_private.h"
#include "elementwise_private.h"
#include "ops_layout_private.h"
#include "ops_reduce.h"
#include "profile.h"
#include "ops_shape.h"

typedef struct adding { const cni_kernels *k; char *y; const char *x; size_t width; } adding;
static void add_part(void *context, int64_t begin, int64_t end) {
  const adding *a = context;
  a->k->accumulate(a->y + (size_t)begin * a->width, a->x + (size_t)begin * a->width, end - begin);
}

static void values_add(cn_graph *g, cn_tensor *y, const cn_tensor *x) {
  if (y->count == 1) {
    if (y->dtype == CN_F32) *(float *)y->data += *(const float *)x->data;
    else *(double *)y->data += *(const double *)x->data;
    return;
  }
  adding a = { cni_kernels_for(g, (cn_dtype)y->dtype), y->data, x->data, cn_dtype_size((cn_dtype)y->dtype) };
  cni_parallel(g, y->count, CNI_GRAIN, add_part, &a);
}

void cni_values_add(cn_graph *g, cn_tensor *y, const cn_tensor *x) {
  if (!g->profile) {
    values_add(g, y, x);
    return;
  }
  const double began = cni_profile_clock();
  values_add(g, y, x);
  cni_profile_add(g, "(sum of gradients)", CN_PHASE_BACKWARD, began, (double)y->count, 3 * (double)y->count * (double)cn_dtype_size((cn_dtype)y->dtype));
}

cn_tensor *cni_sum_to(cn_graph *g, cn_tensor *t, const cn_dims *s) {
  int64_t axes[CN_MAX_RANK];
  int n = 0;
  const int lead = t->dims.rank - s->rank;
  for (int i = 0; i < t->dims.rank; i++)
    if (i < lead || (s->d[i - lead] == 1 && t->dims.d[i] != 1)) axes[n++] = i;
  const cn_ints over = { axes, n }, shape = { s->d, s->rank };
  cn_tensor *sum = n ? cn_sum(g, t, .axis = over) : t;
  return sum && !cn_dims_equal(&sum->dims, s) ? cn_reshape(g, sum, .newshape = shape) : sum;
}

void cni_values_widen(cn_graph *g, cn_tensor *y, const cn_tensor *x, const cn_tensor *numbers) {
  const size_t width = cn_dtype_size((cn_dtype)y->dtype);
  cni_binary *const multiply = cni_kernels_for(g, (cn_dtype)y->dtype)->multiply;
  if (numbers) cni_binary_raw(g, multiply, y->data, width, &y->dims, x->data, &x->dims, numbers->data, &numbers->dims, width);
  else cni_repeat(g, cn_dtype_size((cn_dtype)y->dtype), &y->dims, y->data, &x->dims, x->data);
}
