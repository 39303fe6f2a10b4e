/* Sums of products over labelled axes: what einsum, tensordot, dot, inner, vdot and outer share. Pairs of operands become matrix products in place where their
 * memory allows. */
#ifndef CN_AUTOGRAD_CONTRACT_PRIVATE_H
#define CN_AUTOGRAD_CONTRACT_PRIVATE_H
#include "graph_private.h"

#define CNI_OPERANDS 16
#define CNI_AXES 16    /* of an operand or an intermediate result */
#define CNI_LABELS 60  /* 0 .. 25 a-z, 26 .. 51 A-Z, 52 .. 59 axes of an ellipsis, counted from the last */
#define CNI_ELLIPSIS 52

/* A strided array with a label an axis. */
typedef struct cni_labelled {
  const void *data;
  cni_buffer *own;     /* of an intermediate result */
  int rank;
  int8_t label[CNI_AXES];
  int64_t step[CNI_AXES];
} cni_labelled;

/* y[labels of y] = sum over all other labels of the product of the operands. */
typedef struct cni_contraction {
  cn_dtype dtype;
  int count;
  cni_labelled x[CNI_OPERANDS];
  cn_dims dims[CNI_OPERANDS];   /* shapes that the operands are seen with: their own, or flattened */
  int64_t size[CNI_LABELS];     /* 0 .. : sizes of the labels; -1: not used; or CN_UNKNOWN */
  int rank;
  int8_t y[CNI_AXES];
} cni_contraction;

void cni_contraction_init(cni_contraction *p);
/* Adds an operand of shape dims with these labels. False where a label has another size already (sizes 1 of ellipsis axes broadcast); that label is in *wrong.
 */
bool cni_contraction_add(cni_contraction *p, const cn_tensor *x, const cn_dims *dims, const int8_t *labels, int *wrong);
/* Drops broadcast axes and joins those of one label: after the last add, before cni_contract. */
void cni_contraction_finish(cni_contraction *p);
/* Runs it into `out`, contiguous; NO_MEMORY or UNSUPPORTED (more than CNI_AXES axes at once) after reporting it. */
cn_code cni_contract(cn_graph *g, const cni_contraction *p, void *out);

#endif
