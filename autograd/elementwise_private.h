/* What elementwise operations share: threaded maps, broadcasting, naive references. */
#ifndef CN_AUTOGRAD_ELEMENTWISE_PRIVATE_H
#define CN_AUTOGRAD_ELEMENTWISE_PRIVATE_H
#include <math.h>
#include "../core/threads_private.h"
#include "graph_private.h"
#include "ops_private.h"

/* y = f(x; p), divided among threads. */
cn_code cni_map(const cn_call *c, cni_unary *f, const double *p);
/* gx = gy f'(x). */
cn_code cni_map_grad(const cn_call *c, cni_unary_grad *f, const double *p);
/* y = a op b with broadcasting; result_size: bytes of one element of y. */
cn_code cni_binary_map(const cn_call *c, cni_binary *f, size_t result_size);
/* The same to elsewhere. */
void cni_binary_into(const cn_call *c, cni_binary *f, void *to, size_t result_size);
/* to [of y's shape] = p op q, each a tensor's data broadcast to y's shape: for backward kernels. */
void cni_binary_raw(cn_graph *g, cni_binary *f, void *to, size_t result_size, const cn_dims *y, const void *a, const cn_dims *da, const void *b,
                    const cn_dims *db, size_t size);
/* Index into x of element i of an array of shape y that x was broadcast to. */
int64_t cni_broadcast_index(const cn_dims *x, const cn_dims *y, int64_t i);
/* Of integer dtypes and bool: element i, without a detour over double. */
int64_t cni_integer_at(const cn_tensor *t, int64_t i);
void cni_integer_set(cn_tensor *t, int64_t i, int64_t v);

#define CNI_REFERENCE1(op, expression)                                            \
  static void op##_reference(const cn_reference *r) {                             \
    const cn_##op##_args *o = r->call->args;                                      \
    (void)o;                                                                      \
    for (int64_t i = 0; i < r->call->y[0]->count; i++) {                          \
      const double x = r->x[0][i];                                                \
      r->y[0][i] = (expression);                                                  \
    }                                                                             \
  }
#define CNI_REFERENCE2(op, expression)                                            \
  static void op##_reference(const cn_reference *r) {                             \
    const cn_dims *s = &r->call->y[0]->dims;                                      \
    for (int64_t i = 0; i < r->call->y[0]->count; i++) {                          \
      const double a = r->x[0][cni_broadcast_index(&r->call->x[0]->dims, s, i)];  \
      const double b = r->x[1][cni_broadcast_index(&r->call->x[1]->dims, s, i)];  \
      r->y[0][i] = (expression);                                                  \
    }                                                                             \
  }
#define CNI_VJP(op) static void op##_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx)
#define CNI_UNUSED_VJP (void)g, (void)n, (void)gy, (void)want, (void)gx
#define X0 cn_node_input(n, 0)
#define X1 cn_node_input(n, 1)
#define Y0 cn_node_output(n, 0)
/* A number of x's dtype. */
#define NUMBER(x, v) cn_scalar_like(g, x, v)
cn_tensor *cni_without_nan(cn_graph *g, cn_tensor *x, double value); /* ops_nan.c: x with the value in place of NaN */

#endif
