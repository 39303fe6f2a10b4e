/* Joining tensors along an axis. Any dtype but string; all inputs of one. */
#ifndef CN_AUTOGRAD_OPS_JOIN_H
#define CN_AUTOGRAD_OPS_JOIN_H
#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One behind the other along axis; the other sizes must agree. concatenate: cn_concatenate(g, CN_TENSORS(a, b), .axis = 0). */
#define CN_LIST_CONCATENATE(X, S) CN_LIST_XS(X, S) X(S, int64_t, axis, 0, ANY, "along which they are joined")
CN_OP_DECLARE(concatenate, CN_LIST_CONCATENATE)
/* Along a new axis; all of one shape. */
#define CN_LIST_STACK(X, S) CN_LIST_XS(X, S) X(S, int64_t, axis, 0, ANY, "where the new axis stands in the result")
CN_OP_DECLARE(stack, CN_LIST_STACK)

#ifndef __cplusplus
#define cn_concatenate(...) CN_CALL_(concatenate, CN_LIST_CONCATENATE, __VA_ARGS__)
#define cn_stack(...) CN_CALL_(stack, CN_LIST_STACK, __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
