#include "embedding.h"
#include <math.h>
#include "lora_private.h"

typedef struct embedding {
  cn_layer base;
  cn_tensor *table, *reversed; /* [input_dim, output_dim]; [output_dim, input_dim], CN_NO_TENSOR where the table serves both ways */
  cni_lora lora;
  int64_t output_dim;
  bool mask_zero;
} embedding;

/* What build needs of either class' options. */
#define BUILD(L, tied)                                                                                                                                                        \
  static void L##_build(cn_layer *l, const cn_dims *in, int64_t n) {                                                                                                          \
    const cn_##L##Options *o = l->object.options;                                                                                                                             \
    embedding *e = (embedding *)l;                                                                                                                                            \
    (void)in;                                                                                                                                                                 \
    (void)n;                                                                                                                                                                  \
    e->table = cn_add_weight(l, "embeddings", CN_DIMS(o->input_dim, o->output_dim), .initializer = o->embeddings_initializer, .regularizer = o->embeddings_regularizer,       \
                             .constraint = o->embeddings_constraint);                                                                                                        \
    cni_lora_build(l, &e->lora, "lora_embeddings", e->table, o->lora_rank, o->lora_alpha, &o->embeddings_regularizer, &o->embeddings_constraint);                             \
    e->reversed = CN_NO_TENSOR;                                                                                                                                               \
    if (!(tied)) e->reversed = cn_add_weight(l, "reverse_embeddings", CN_DIMS(o->output_dim, o->input_dim), .initializer = o->embeddings_initializer);                        \
  }                                                                                                                                                                           \
  static bool L##_init(cn_object *self) {                                                                                                                                     \
    cn_##L##Options *o = self->options;                                                                                                                                       \
    embedding *e = (embedding *)(void *)self;                                                                                                                                 \
    e->output_dim = o->output_dim;                                                                                                                                            \
    e->mask_zero = o->mask_zero;                                                                                                                                              \
    cn_tensor *given = o->weights;                                                                                                                                            \
    o->weights = CN_NO_TENSOR; /* it may die at the next reset */                                                                                                             \
    return cn_layer_init(self) && first_values(&e->base, given);                                                                                                              \
  }

static bool first_values(cn_layer *l, cn_tensor *given) {
  const embedding *e = (const embedding *)l;
  cn_graph *g = l->object.graph;
  if (!given) return cn_fail(g, CN_VALUE, "weights must not be NULL"), false;
  l->supports_masking = e->mask_zero;
  if (!cni_given(given)) return true;
  if (!cni_readable(g, given, true)) return false;
  const cn_dims in = { 1, { CN_UNKNOWN } };
  char text[160];
  if (!cn_build(l, &in, 1)) return false;
  if (cn_dims_equal(&given->dims, &e->table->dims) && given->dtype == e->table->dtype) return cn_assign(e->table, given), cn_ok(g);
  return cn_fail(g, CN_SHAPE, "weights must have the table's shape and dtype, got %s %s", cn_dtype_name((cn_dtype)given->dtype),
                 cn_dims_text(&given->dims, text, sizeof text)),
         false;
}
BUILD(Embedding, true)
BUILD(ReversibleEmbedding, o->tie_weights)

/* Rows of the table; the low-rank update's rows are added, so that no gradient is dense. */
static cn_tensor *look_up(cn_layer *l, cn_graph *g, cn_inputs *in) {
  const embedding *e = (const embedding *)l;
  cn_tensor *x = in->x[0];
  if (cni_is_float((cn_dtype)x->dtype)) x = cn_cast(g, x, .dtype = "int32");
  cn_tensor *rows = cn_take(g, e->table, x, .axis = 0);
  return e->lora.a ? cn_add(g, rows, cn_scale(g, cn_matmul(g, cn_take(g, e->lora.a, x, .axis = 0), e->lora.b), e->lora.scale)) : rows;
}

static bool backwards(const cn_inputs *in) { return in->args->reverse != CN_NONE && in->args->reverse; }

/* x . table^T, in reverse_dtype, capped. */
static cn_tensor *logits(cn_layer *l, cn_graph *g, cn_tensor *x) {
  const cn_ReversibleEmbeddingOptions *o = l->object.options;
  const embedding *e = (const embedding *)l;
  const bool tied = !cni_given(e->reversed);
  cn_tensor *kernel = tied ? cni_lora_kernel(g, &e->lora, e->table) : e->reversed;
  if (o->reverse_dtype) x = cn_cast(g, x, .dtype = o->reverse_dtype), kernel = cn_cast(g, kernel, .dtype = o->reverse_dtype);
  cn_tensor *y = cn_matmul(g, x, kernel, .transpose_b = tied);
  return y && !isnan(o->logit_soft_cap) ? cn_scale(g, cn_tanh(g, cn_scale(g, y, 1 / o->logit_soft_cap)), o->logit_soft_cap) : y;
}

static cn_tensor *reversible_call(cn_layer *l, cn_graph *g, cn_inputs *in) { return backwards(in) ? logits(l, g, in->x[0]) : look_up(l, g, in); }

static cn_tensor *embedding_mask(cn_layer *l, cn_graph *g, const cn_inputs *in) {
  if (!((const embedding *)l)->mask_zero) return NULL;
  return cn_not_equal(g, in->x[0], cn_scalar_like(g, in->x[0], 0));
}

static bool embedding_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  (void)n;
  if (in->rank == CN_MAX_RANK) return cn_fail(l->object.graph, CN_SHAPE, "Embedding: the input's rank must be less than %d", CN_MAX_RANK), false;
  *out = *in;
  out->d[out->rank++] = ((const embedding *)l)->output_dim;
  return true;
}
CN_LAYER_OF(Embedding, embedding, CN_EMBEDDING, (.init = Embedding_init), .build = Embedding_build, .call = look_up, .output_shape = embedding_shape,
            .compute_mask = embedding_mask, .per_sample = cni_per_sample)
CN_LAYER_OF(ReversibleEmbedding, embedding, CN_REVERSIBLE_EMBEDDING, (.init = ReversibleEmbedding_init), .build = ReversibleEmbedding_build,
            .call = reversible_call, .output_shape = embedding_shape, .compute_mask = embedding_mask, .per_sample = cni_per_sample)

/* ---- by hand ---- */
/* x min(1, max_norm / norm of a row), the rows standing behind the ids' axes. */
static cn_tensor *bounded(cn_graph *g, cn_tensor *x, int ids, double max_norm) {
  int64_t axes[CN_MAX_RANK];
  cn_ints row = { axes, 0 };
  for (int i = ids; i < x->dims.rank; i++) axes[row.n++] = i;
  cn_tensor *squares = cn_sum(g, cn_square(g, x), .axis = row, .keepdims = true), *most = cn_scalar_like(g, x, max_norm);
  /* the root of what is positive: that of a row of zeros has no gradient */
  return squares && most ? cn_multiply(g, x, cn_divide(g, most, cn_sqrt(g, cn_maximum(g, squares, cn_square(g, most))))) : NULL;
}

cn_tensor *cn_embedding_lookup(cn_graph *g, cn_tensor *params, cn_tensor *ids, double max_norm) {
  if (!cn_ok(g) || !params || !ids) return NULL;
  if (!isnan(max_norm) && max_norm <= 0) return cn_fail(g, CN_VALUE, "embedding_lookup: max_norm must be positive, got %g", max_norm), NULL;
  cn_tensor *rows = cn_take(g, params, ids, .axis = 0);
  return rows && !isnan(max_norm) ? bounded(g, rows, ids->dims.rank, max_norm) : rows;
}
