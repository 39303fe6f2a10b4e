/* SpectralNormalization. */
#include "layer_private.h"
#include "normalization.h"
#include "wrapper.h"

/* kernel [..., d] is the wrapped layer's; vector_u [1, d]. */
typedef struct spectral { cn_layer base; cn_tensor *kernel, *vector_u; } spectral;

/* ---- building ---- */
/* A layer's own weight of that name; NULL: it has none. */
static cn_tensor *weight_named(const cn_layer *l, const char *name) {
  for (int64_t i = 0; i < l->weights_count; i++) {
    const char *path = cn_name_of(l->weights[i]), *last = strrchr(path, '/');
    if (!strcmp(last ? last + 1 : path, name)) return l->weights[i];
  }
  return NULL;
}

static void build(cn_layer *l, const cn_dims *in, int64_t n) {
  spectral *s = (spectral *)l;
  cn_layer *inner = cn_wrapped(l);
  if (!cn_build(inner, in, n)) return;
  s->kernel = weight_named(inner, "kernel");
  if (!s->kernel) s->kernel = weight_named(inner, "embeddings");
  if (!s->kernel) {
    cn_fail(l->object.graph, CN_VALUE, "SpectralNormalization: %s has neither a kernel nor embeddings", inner->object.cls->schema.name);
    return;
  }
  for (int i = 1; i < in->rank && i <= CN_LAYER_AXES; i++) cn_expect_axis(l, i, in->d[i]);
  const cn_dims u = { 2, { 1, s->kernel->dims.d[s->kernel->dims.rank - 1] } };
  s->vector_u = cn_add_weight(l, "vector_u", &u, .initializer = CN_NAME("truncated_normal(stddev=0.02)"), .frozen = true, .dtype = (cn_dtype)s->kernel->dtype,
                              .use_dtype = true);
  if (s->vector_u) cni_lend_weight(l, s->kernel);
}

/* ---- calling ---- */
/* One more step of the power method: u and sigma = v W u^T [1, 1], W the kernel as [rows, d]. */
static cn_tensor *iterate(cn_graph *g, cn_tensor *w, int64_t iterations, cn_tensor **u) {
  cn_tensor *v = NULL;
  for (int64_t i = 0; i < iterations; i++) {
    v = cn_normalize(g, cn_matmul(g, *u, w, .transpose_b = true), .axis = (cn_ints)CN_NONE_INTS);
    *u = cn_normalize(g, cn_matmul(g, v, w), .axis = (cn_ints)CN_NONE_INTS);
  }
  return cn_matmul(g, cn_matmul(g, v, w), *u, .transpose_b = true);
}

/* Divides the kernel in place; one of zeros stays, and its vector too. Not recorded: the gradient is that of the divided kernel. */
static bool divide(spectral *s, cn_graph *g) {
  const cn_SpectralNormalizationOptions *o = s->base.object.options;
  const bool recording = cn_recording(g, false);
  const cn_dims *d = &s->kernel->dims;
  cn_tensor *w = cn_reshape(g, s->kernel, .newshape = CN_INTS(-1, d->d[d->rank - 1])), *u = s->vector_u;
  cn_tensor *sigma = w ? iterate(g, w, o->power_iterations, &u) : NULL, *any = sigma ? cn_any(g, cn_not_equal(g, w, cn_scalar_like(g, w, 0))) : NULL;
  if (any) {
    u = cn_where(g, any, u, s->vector_u);
    w = cn_divide(g, s->kernel, cn_where(g, any, cn_reshape(g, sigma, .newshape = CN_INTS(1)), cn_scalar_like(g, w, 1)));
  }
  const bool done = u && w && cn_ok(g) && cn_assign(s->vector_u, u) && cn_assign(s->kernel, w);
  cn_recording(g, recording);
  return done;
}

static cn_tensor *call(cn_layer *l, cn_graph *g, cn_inputs *in) {
  cn_tensor *x = in->x[0];
  if (in->training && !(x->flags & CNI_SYMBOLIC) && !divide((spectral *)l, g)) return NULL;
  cn_tensor *y = cn_call(g, cn_wrapped(l), x, .training = in->training);
  return !y || y->dtype == x->dtype ? y : cn_cast(g, y, .dtype = cn_dtype_name((cn_dtype)x->dtype));
}

CN_LAYER_OF(SpectralNormalization, spectral, CN_SPECTRAL_NORMALIZATION, (.init = cn_wrapper_init), .build = build, .call = call,
            .output_shape = cni_wrapped_shape)
