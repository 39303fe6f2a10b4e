/* The convolution with everything given, and its two gradients: each is linear in both its inputs, and the gradient of each is the other two. */
#include "conv_private.h"
#include "ops.h"
#include "ops_conv.h"
#include "ops_private.h"
#include "slope_private.h"

/* The options that all three have. */
typedef struct taps { cn_ints sizes, strides, padding, dilation_rate; int64_t groups; } taps;
#define TAPS_OF(o) { (o)->sizes, (o)->strides, (o)->padding, (o)->dilation_rate, (o)->groups }
#define SAME_TAPS(o) .strides = (o)->strides, .padding = (o)->padding, .dilation_rate = (o)->dilation_rate, .groups = (o)->groups
#define AXES_OF(t) { (t)->d + 1, (t)->rank - 2 }
#define KERNEL_AXES_OF(t) { (t)->d, (t)->rank - 2 }

/* The operands' shapes; NULL for the one that is computed. */
typedef struct operands { const cn_dims *x, *kernel, *y; } operands;

static operands operands_of(const cn_call *c, cni_conv_kind kind) {
  const cn_dims *a = &c->x[0]->dims, *b = &c->x[1]->dims;
  return kind == CNI_CONV_FORWARD ? (operands){ a, b, NULL } : kind == CNI_CONV_INPUT ? (operands){ NULL, b, a } : (operands){ a, NULL, b };
}

/* ---- shapes ---- */
static bool fits(const cn_ints *v, int axes) { return v->n <= 0 || v->n == axes; }

static cn_code misfit(const cn_call *c, const char *what) {
  char a[160], b[160];
  return cn_fail(c->graph, CN_SHAPE, "%s: %s x %s", what, cn_dims_text(&c->x[0]->dims, a, sizeof a), cn_dims_text(&c->x[1]->dims, b, sizeof b));
}

/* Axis i of an operand, or of the result. */
static int64_t axis_of(const cn_dims *d, int before, const taps *o, int i) { return d ? d->d[before + i] : o->sizes.v[i]; }
static int64_t option_of(const cn_ints *v, int i, int64_t none) { return v->n > 0 ? v->v[i] : none; }

static void read_axes(const operands *d, const taps *o, int axes, cni_conv *c) {
  for (int i = 0; i < 3; i++) {
    const int from = i - 3 + axes;
    c->in[i] = from < 0 ? 1 : axis_of(d->x, 1, o, from);
    c->out[i] = from < 0 ? 1 : axis_of(d->y, 1, o, from);
    c->kernel[i] = from < 0 ? 1 : axis_of(d->kernel, 0, o, from);
    c->stride[i] = from < 0 ? 1 : option_of(&o->strides, from, 1);
    c->dilation[i] = from < 0 ? 1 : option_of(&o->dilation_rate, from, 1);
    c->pad[i] = from < 0 ? 0 : option_of(&o->padding, from, 0);
  }
}

/* The geometry of a call that has passed infer. */
static cni_conv geometry_of(const cn_call *call, const taps *o, cni_conv_kind kind) {
  const operands d = operands_of(call, kind);
  const int rank = call->x[0]->dims.rank;
  cni_conv c;
  memset(&c, 0, sizeof c);
  c.dtype = call->x[0]->dtype;
  c.batch = call->x[0]->dims.d[0];
  c.groups = o->groups;
  c.in_channels = d.x ? d.x->d[rank - 1] : d.kernel->d[rank - 2] * o->groups;
  c.out_channels = (d.y ? d.y : d.kernel)->d[rank - 1];
  read_axes(&d, o, rank - 2, &c);
  return c;
}

static bool differ(int64_t a, int64_t b) { return a != b && a != CN_UNKNOWN && b != CN_UNKNOWN; }
static bool all_taps(const operands *d, const taps *o, int axes) {
  for (int i = 0; i < axes; i++)
    if (axis_of(d->kernel, 0, o, i) == 0) return false;
  return true;
}

static cn_code infer(const cn_call *c, const taps *o, cni_conv_kind kind) {
  const operands d = operands_of(c, kind);
  const int rank = c->x[0]->dims.rank, axes = rank - 2;
  if (cni_window_dtypes(c) != CN_OK) return CN_DTYPE;
  if (rank < 3 || rank > 5 || c->x[1]->dims.rank != rank) return misfit(c, "needs two inputs of one rank, 3, 4 or 5");
  if (o->sizes.n != axes || !fits(&o->strides, axes) || !fits(&o->padding, axes) || !fits(&o->dilation_rate, axes))
    return cn_fail(c->graph, CN_VALUE, "needs sizes, and other lists, of %d numbers", axes);
  if (!all_taps(&d, o, axes)) return misfit(c, "the kernel has no taps");
  const int64_t y_channels = (d.y ? d.y : d.kernel)->d[rank - 1], x_channels = d.x ? d.x->d[rank - 1] : CN_UNKNOWN;
  if (d.x && d.y && differ(d.x->d[0], d.y->d[0])) return misfit(c, "batches differ");
  if (y_channels == 0 || x_channels == 0 || (d.kernel && d.kernel->d[rank - 2] == 0)) return misfit(c, "an operand has no channels");
  if ((d.kernel && d.y && differ(d.kernel->d[rank - 1], d.y->d[rank - 1])) ||
      (d.kernel && d.kernel->d[rank - 2] != CN_UNKNOWN && differ(x_channels, d.kernel->d[rank - 2] * o->groups)))
    return misfit(c, "channels differ");
  if ((y_channels != CN_UNKNOWN && y_channels % o->groups) || (x_channels != CN_UNKNOWN && x_channels % o->groups))
    return misfit(c, "groups do not divide the channels");
  cn_dims *to = &c->sig[0].dims;
  c->sig[0].dtype = (cn_dtype)c->x[0]->dtype;
  to->rank = rank;
  to->d[0] = c->x[0]->dims.d[0];
  for (int i = 0; i < axes; i++) to->d[i + (kind == CNI_CONV_KERNEL ? 0 : 1)] = o->sizes.v[i];
  if (kind == CNI_CONV_KERNEL) to->d[rank - 2] = x_channels == CN_UNKNOWN ? CN_UNKNOWN : x_channels / o->groups;
  to->d[rank - 1] = kind != CNI_CONV_INPUT ? y_channels : d.kernel->d[rank - 2] == CN_UNKNOWN ? CN_UNKNOWN : d.kernel->d[rank - 2] * o->groups;
  return CN_OK;
}

/* ---- conv_general ---- */
static taps general_taps(const cn_call *c) {
  const cn_conv_general_args *o = c->args;
  return (taps)TAPS_OF(o);
}
static int general_activation(const void *args) { return (int)((const cn_conv_general_args *)args)->activation; }

static cn_code general_infer(const cn_call *c) {
  const taps o = general_taps(c);
  const cn_tensor *b = c->x[2];
  char text[160];
  if (general_activation(c->args) >= CNI_FUSED_COUNT) return cn_fail(c->graph, CN_VALUE, "activation must be 0 to %d", CNI_FUSED_COUNT - 1);
  const cn_code code = infer(c, &o, CNI_CONV_FORWARD);
  const int64_t channels = c->x[1]->dims.d[c->x[1]->dims.rank - 1];
  if (code != CN_OK || !cni_given(b) || (b->dims.rank == 1 && !differ(b->dims.d[0], channels))) return code;
  return cn_fail(c->graph, CN_SHAPE, "bias must be [%lld], got %s", (long long)channels, cn_dims_text(&b->dims, text, sizeof text));
}

static cn_code general_forward(const cn_call *c) {
  const taps o = general_taps(c);
  const cni_conv t = geometry_of(c, &o, CNI_CONV_FORWARD);
  const cni_conv_data d = { .to = c->y[0]->data,
                            .x = c->x[0]->data,
                            .kernel = c->x[1]->data,
                            .bias = cni_given(c->x[2]) ? c->x[2]->data : NULL,
                            .activation = general_activation(c->args) };
  return cni_conv_run(c->graph, &t, CNI_CONV_FORWARD, &d);
}

/* Those of `to` that are wanted: the gradient of x, of the kernel, of y. */
static cn_code gradients(cn_graph *g, const cni_conv *t, void *const to[3], const void *x, const void *kernel, const void *y) {
  const cni_conv_data in = { .to = to[0], .kernel = kernel, .gy = y }, taps_of = { .to = to[1], .x = x, .gy = y },
                      out = { .to = to[2], .x = x, .kernel = kernel };
  cn_code code = to[0] ? cni_conv_run(g, t, CNI_CONV_INPUT, &in) : CN_OK;
  if (code == CN_OK && to[1]) code = cni_conv_run(g, t, CNI_CONV_KERNEL, &taps_of);
  return code == CN_OK && to[2] ? cni_conv_run(g, t, CNI_CONV_FORWARD, &out) : code;
}

static cn_code general_backward(const cn_call *c) {
  const taps o = general_taps(c);
  const cni_conv t = geometry_of(c, &o, CNI_CONV_FORWARD);
  cni_slope s;
  cn_code code = cni_slope_take(c, &s, t.out_channels, general_activation(c->args), c->gx[2]);
  if (code == CN_OK) code = gradients(c->graph, &t, (void *const[]){ c->gx[0], c->gx[1], NULL }, c->x[0]->data, c->x[1]->data, s.d);
  cni_slope_drop(c->graph, &s);
  return code;
}

static void general_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  const cn_conv_general_args *o = n->args;
  const cn_dims *x = &n->x[0]->dims, *kernel = &n->x[1]->dims;
  cn_tensor *d = cni_slope_of(g, general_activation(o), gy[0], n->y[0]);
  if (want[0]) gx[0] = cn_conv_input_gradient(g, d, n->x[1], .sizes = AXES_OF(x), SAME_TAPS(o));
  if (want[1]) gx[1] = cn_conv_kernel_gradient(g, n->x[0], d, .sizes = KERNEL_AXES_OF(kernel), SAME_TAPS(o));
  if (want[2]) gx[2] = cn_sum(g, cn_reshape(g, d, CN_INTS(n->y[0]->count / kernel->d[kernel->rank - 1], kernel->d[kernel->rank - 1])), .axis = CN_INTS(0));
}

static cni_geometry naive_geometry(const cn_call *c, const taps *o, cni_conv_kind kind) {
  return (cni_geometry){ .c = geometry_of(c, o, kind), .axes = 3, .first = false };
}

static void general_reference(const cn_reference *r) {
  const taps o = general_taps(r->call);
  const cni_geometry t = naive_geometry(r->call, &o, CNI_CONV_FORWARD);
  cni_conv_naive(&t, CNI_CONV_FORWARD, r->x[0], r->x[1], r->y[0]);
  cni_conv_naive_finish(&t, r->y[0], r->x[2], general_activation(r->call->args));
}
CN_OP(conv_general, CN_LIST_CONV_GENERAL, .outputs = 1, .reads = CN_READS_X(0) | CN_READS_X(1) | CN_READS_Y(0), .infer = general_infer,
      .forward = general_forward, .vjp = general_vjp, .backward = general_backward, .reference = general_reference,
      .samples = CN_TEXTS("f[2,6,3], f[3,3,2], f[2], sizes=[4]", "f[2,6,3], f[3,3,2], sizes=[9], padding=[3]",
                          "f[2,5,4,2], f[3,2,2,3], f[3], sizes=[3,3], activation=1",
                          "f[2,5,4,2], f[2,2,1,4], f[4], sizes=[2,2], groups=2, strides=[2,2], activation=2",
                          "f[1,5,4,3], f[3,3,1,3], f[3], sizes=[5,4], padding=[1,1], groups=3, activation=3",
                          "f[1,3,4,5,6], f[2,1,3,6,7], sizes=[2,2,4], dilation_rate=[1,2,1], padding=[0,0,1]",
                          "f[1,3,2], f[2,2,2], f[2], sizes=[7], padding=[5]", "f[2,4,3,5], f[1,1,5,2], f[2], sizes=[4,3]",
                          "f[0,3,2], f[2,2,2], f[2], sizes=[2]", "f[1,2,2], f[2,2,2], f[2], sizes=[0]"),
      .rejects =
          CN_TEXTS("f[2,6,3], f[3,3,2], f[3], sizes=[4] => bias must be [2], got [3]", "f[2,6,3], f[3,2,2], sizes=[4] => channels differ: [2,6,3] x [3,2,2]",
                   "f[2,6,3], f[3,3,2], sizes=[4,4] => needs sizes, and other lists, of 1 numbers",
                   "f[2,6,4], f[3,2,3], sizes=[4], groups=2 => groups do not divide the channels", "f[2,6], f[3,3], sizes=[4] => needs two inputs of one rank",
                   "f[2,6,3], f[0,3,2], sizes=[4] => the kernel has no taps", "f[2,6,3], f[3,0,2], sizes=[4] => an operand has no channels",
                   "f[2,6,3], f[3,3,2], sizes=[4], activation=7 => activation must be 0 to 3", "i[2,6,3]@0:3, f[3,3,2], sizes=[4] => needs inputs of float32"));

/* ---- conv_input_gradient: inputs gy, kernel ---- */
static taps input_taps(const cn_call *c) {
  const cn_conv_input_gradient_args *o = c->args;
  return (taps)TAPS_OF(o);
}
static cn_code input_infer(const cn_call *c) {
  const taps o = input_taps(c);
  return infer(c, &o, CNI_CONV_INPUT);
}
static cn_code input_forward(const cn_call *c) {
  const taps o = input_taps(c);
  const cni_conv t = geometry_of(c, &o, CNI_CONV_INPUT);
  return gradients(c->graph, &t, (void *const[]){ c->y[0]->data, NULL, NULL }, NULL, c->x[1]->data, c->x[0]->data);
}
static cn_code input_backward(const cn_call *c) {
  const taps o = input_taps(c);
  const cni_conv t = geometry_of(c, &o, CNI_CONV_INPUT);
  return gradients(c->graph, &t, (void *const[]){ NULL, c->gx[1], c->gx[0] }, c->gy[0], c->x[1]->data, c->x[0]->data);
}
static void input_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  const cn_conv_input_gradient_args *o = n->args;
  const cn_dims *y = &n->x[0]->dims, *kernel = &n->x[1]->dims;
  if (want[0]) gx[0] = cn_conv_general(g, gy[0], n->x[1], .sizes = AXES_OF(y), SAME_TAPS(o));
  if (want[1]) gx[1] = cn_conv_kernel_gradient(g, gy[0], n->x[0], .sizes = KERNEL_AXES_OF(kernel), SAME_TAPS(o));
}
static void input_reference(const cn_reference *r) {
  const taps o = input_taps(r->call);
  const cni_geometry t = naive_geometry(r->call, &o, CNI_CONV_INPUT);
  cni_conv_naive(&t, CNI_CONV_INPUT, r->y[0], r->x[1], r->x[0]);
}
CN_OP(conv_input_gradient, CN_LIST_CONV_INPUT_GRADIENT, .outputs = 1, .reads = CN_READS_X(0) | CN_READS_X(1), .infer = input_infer, .forward = input_forward,
      .vjp = input_vjp, .backward = input_backward, .reference = input_reference,
      .samples = CN_TEXTS("f[2,4,2], f[3,3,2], sizes=[6]", "f[2,3,3,3], f[3,2,2,3], sizes=[5,4]",
                          "f[1,2,2,4], f[2,2,1,4], sizes=[5,4], groups=2, strides=[2,2]", "f[1,5,4,3], f[3,3,1,3], sizes=[5,4], padding=[1,1], groups=3",
                          "f[1,3,4,4], f[3,3,1,4], sizes=[7,9], strides=[2,3], padding=[1,0], groups=2",
                          "f[1,3,2], f[2,2,2], sizes=[9], strides=[3], padding=[1], dilation_rate=[2]",
                          "f[1,2,4,3,6], f[2,1,3,5,6], sizes=[3,4,3], dilation_rate=[1,2,1], padding=[0,0,1]", "f[2,4,3,2], f[1,1,5,2], sizes=[4,3]",
                          "f[0,3,2], f[2,2,2], sizes=[4]", "f[1,0,2], f[2,2,2], sizes=[4]"),
      .rejects = CN_TEXTS("f[2,4,3], f[3,3,2], sizes=[6] => channels differ: [2,4,3] x [3,3,2]",
                          "f[2,4,2], f[3,3,2], sizes=[6], strides=[1,1] => needs sizes, and other lists, of 1 numbers",
                          "f[2,4,2], f[3,3,2,2], sizes=[6] => needs two inputs of one rank",
                          "f[2,4,2], f[3,3,2], sizes=[6], groups=0 => groups must be positive",
                          "f[2,4,3], f[3,3,3], sizes=[6], groups=2 => groups do not divide the channels"));

/* ---- conv_kernel_gradient: inputs x, gy ---- */
static taps kernel_taps(const cn_call *c) {
  const cn_conv_kernel_gradient_args *o = c->args;
  return (taps)TAPS_OF(o);
}
static cn_code kernel_infer(const cn_call *c) {
  const taps o = kernel_taps(c);
  return infer(c, &o, CNI_CONV_KERNEL);
}
static cn_code kernel_forward(const cn_call *c) {
  const taps o = kernel_taps(c);
  const cni_conv t = geometry_of(c, &o, CNI_CONV_KERNEL);
  return gradients(c->graph, &t, (void *const[]){ NULL, c->y[0]->data, NULL }, c->x[0]->data, NULL, c->x[1]->data);
}
static cn_code kernel_backward(const cn_call *c) {
  const taps o = kernel_taps(c);
  const cni_conv t = geometry_of(c, &o, CNI_CONV_KERNEL);
  return gradients(c->graph, &t, (void *const[]){ c->gx[0], NULL, c->gx[1] }, c->x[0]->data, c->gy[0], c->x[1]->data);
}
static void kernel_vjp(cn_graph *g, const cn_node *n, cn_tensor *const *gy, const bool *want, cn_tensor **gx) {
  const cn_conv_kernel_gradient_args *o = n->args;
  const cn_dims *x = &n->x[0]->dims, *y = &n->x[1]->dims;
  if (want[0]) gx[0] = cn_conv_input_gradient(g, n->x[1], gy[0], .sizes = AXES_OF(x), SAME_TAPS(o));
  if (want[1]) gx[1] = cn_conv_general(g, n->x[0], gy[0], .sizes = AXES_OF(y), SAME_TAPS(o));
}
static void kernel_reference(const cn_reference *r) {
  const taps o = kernel_taps(r->call);
  const cni_geometry t = naive_geometry(r->call, &o, CNI_CONV_KERNEL);
  cni_conv_naive(&t, CNI_CONV_KERNEL, r->x[0], r->y[0], r->x[1]);
}
CN_OP(conv_kernel_gradient, CN_LIST_CONV_KERNEL_GRADIENT, .outputs = 1, .reads = CN_READS_X(0) | CN_READS_X(1), .infer = kernel_infer,
      .forward = kernel_forward, .vjp = kernel_vjp, .backward = kernel_backward, .reference = kernel_reference,
      .samples = CN_TEXTS("f[2,6,3], f[2,4,2], sizes=[3]", "f[2,5,4,2], f[2,3,3,3], sizes=[3,2]",
                          "f[1,5,4,2], f[1,2,2,4], sizes=[2,2], groups=2, strides=[2,2]", "f[1,5,4,3], f[1,5,4,3], sizes=[3,3], padding=[1,1], groups=3",
                          "f[1,5,4,2], f[1,5,4,6], sizes=[3,3], padding=[1,1], groups=2",
                          "f[1,3,4,5,2], f[1,2,4,3,6], sizes=[2,1,3], dilation_rate=[1,2,1], padding=[0,0,1]", "f[1,3,2], f[1,7,2], sizes=[2], padding=[5]",
                          "f[2,4,3,5], f[2,4,3,2], sizes=[1,1]", "f[0,3,2], f[0,2,2], sizes=[2]"),
      .rejects = CN_TEXTS("f[2,6,3], f[1,4,2], sizes=[3] => batches differ: [2,6,3] x [1,4,2]", "f[2,6,3], f[2,4,2], sizes=[0] => the kernel has no taps",
                          "f[2,6,3], f[2,4,2], sizes=[3], groups=2 => groups do not divide the channels",
                          "f[2,6,0], f[2,4,2], sizes=[3] => an operand has no channels",
                          "f[2,6,3], f[2,4,2], sizes=[3,3] => needs sizes, and other lists, of 1 numbers"));

const cn_op *const cni_ops_conv_general[] = { &cn_op_conv_general, &cn_op_conv_input_gradient, &cn_op_conv_kernel_gradient, NULL };
