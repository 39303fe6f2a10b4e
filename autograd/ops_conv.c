/* The convolutions of keras.ops: the options read, channels brought to the end, the rest done by conv_general and its gradients. */
#include "ops_conv.h"
#include "conv_private.h"
#include "ops.h"
#include "ops_private.h"

/* ---- what all do ---- */
#define AXES_OF(v, t) { (v) + 3 - (t)->axes, (t)->axes }

static cn_tensor *channels_last(cn_graph *g, cn_tensor *x, const cni_geometry *t) {
  return t->first ? cn_moveaxis(g, x, .source = CN_INTS(1), .destination = CN_INTS(-1)) : x;
}
static cn_tensor *channels_back(cn_graph *g, cn_tensor *y, const cni_geometry *t) {
  return t->first ? cn_moveaxis(g, y, .source = CN_INTS(-1), .destination = CN_INTS(1)) : y;
}

static cn_tensor *direct(cn_graph *g, cn_tensor *x, cn_tensor *kernel, cn_tensor *bias, int64_t activation, const cni_geometry *t) {
  const cni_conv *c = &t->c;
  cn_tensor *y = cn_conv_general(g, channels_last(g, x, t), kernel, bias, .sizes = AXES_OF(c->out, t), .strides = AXES_OF(c->stride, t),
                                 .padding = AXES_OF(c->pad, t), .dilation_rate = AXES_OF(c->dilation, t), .groups = c->groups, .activation = activation);
  return channels_back(g, y, t);
}

static cn_code infer(const cn_call *c, const cni_window *w, cni_window_kind kind, cni_geometry *t) {
  if (cni_window_dtypes(c) != CN_OK) return CN_DTYPE;
  c->sig[0].dtype = (cn_dtype)c->x[0]->dtype;
  return cni_window_read(c->graph, w, kind, &c->x[0]->dims, &c->x[1]->dims, t, &c->sig[0].dims);
}

/* The geometry of a call that has passed infer. */
static cni_geometry geometry_of(const cn_call *c, const cni_window *w, cni_window_kind kind) {
  cni_geometry t;
  cn_dims result;
  cni_window_read(c->graph, w, kind, &c->x[0]->dims, &c->x[1]->dims, &t, &result);
  return t;
}

/* ---- conv ---- */
static cni_window conv_window(const cn_call *c) {
  const cn_conv_args *o = c->args;
  return (cni_window){ CNI_WINDOW_OF(o) };
}
static cn_code conv_infer(const cn_call *c) {
  const cni_window w = conv_window(c);
  cni_geometry t;
  return infer(c, &w, CNI_WINDOW_DIRECT, &t);
}
static void conv_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cni_window w = conv_window(c);
  const cni_geometry t = geometry_of(c, &w, CNI_WINDOW_DIRECT);
  y[0] = direct(g, c->x[0], c->x[1], CN_NO_TENSOR, CNI_FUSED_NONE, &t);
}
static void conv_reference(const cn_reference *r) {
  const cni_window w = conv_window(r->call);
  const cni_geometry t = geometry_of(r->call, &w, CNI_WINDOW_DIRECT);
  cni_conv_naive(&t, CNI_CONV_FORWARD, r->x[0], r->x[1], r->y[0]);
}
#define WINDOW_REJECTS(kernel)                                                                                                                                                   \
  "f[1,6,6,2], " kernel ", strides=[1,2,3] => strides has 3 numbers for 2 axes", "f[1,6,6,2], " kernel ", strides=-1 => strides must be positive, got -1",                          \
      "f[1,6,6,2], " kernel ", dilation_rate=[2,-1] => dilation_rate must be positive, got -1", "f[1,6,6,2], " kernel ", strides=4294967296 => strides must be at most",            \
      "f[1,6,6,2], " kernel ", padding='nosuch' => padding must be valid or same, got \"nosuch\"", "f[1,6,6,2], " kernel ", padding=none => padding must be valid or same",          \
      "f[1,6,6,2], " kernel ", data_format='channels' => data_format must be channels_last or channels_first, got \"channels\"",                                                    \
      "f[6,2], f[3,2] => needs inputs of rank 3, 4 or 5: inputs [6,2], kernel [3,2]", "f[1,5,2], f[3,3,2,2] => needs a kernel of the inputs' rank: inputs [1,5,2], kernel [3,3,2,2]", \
      "f[1,2,2,2,2,2], f[1,1,1,1,2,2] => needs inputs of rank 3, 4 or 5", "i[1,6,6,2]@0:3, " kernel " => needs inputs of float32 or of float64, all of one"
CN_OP(conv, CN_LIST_CONV, .outputs = 1, .infer = conv_infer, .compose = conv_compose, .reference = conv_reference,
      .samples = CN_TEXTS("f[2,6,3], f[3,3,2]", "f[1,8,2], f[3,2,2], dilation_rate=2", "f[2,6,4], f[2,1,4], padding='same'",
                          "f[1,7,2], f[3,2,2], padding='same', dilation_rate=2", "f[2,5,4,2], f[3,2,2,3]",
                          "f[1,6,7,2], f[3,2,2,2], strides=[2,3], padding='same'", "f[1,5,5,4], f[3,3,2,4]", "f[1,4,5,3], f[1,1,3,4]",
                          "f[2,5,4,4], f[1,1,2,6], strides=2", "f[1,4,4,4,1], f[2,2,2,1,2]", "f[1,5,4,6,2], f[4,3,2,1,2], strides=2, padding='same'",
                          "f[1,3,4,5,2], f[2,2,2,2,1], strides=[1,2,3], padding='SAME'", "f[1,2,5,4], f[2,2,2,3], data_format='channels_first'",
                          "f[2,4,6], f[3,2,4], padding='same', strides=2, data_format='channels_first'",
                          "f[1,2,3,4,3], f[2,2,1,2,2], padding='same', dilation_rate=[2,1,1], data_format='channels_first'",
                          "f[1,9,2], f[3,2,2], strides=2, dilation_rate=2", "f[0,5,2], f[3,2,3]", "f[2,0,2], f[3,2,3], padding='same'", "f[1,1,1], f[1,1,1]",
                          "f[1,2,3,1], f[5,5,1,2], padding='same'", "f[1,3,2], f[3,2,2], padding='same', dilation_rate=5", "f[1,5,6], f[2,1,6], strides=3",
                          "f[1,4,9,17], f[2,2,17,9]"),
      .rejects = CN_TEXTS(WINDOW_REJECTS("f[3,3,2,2]"),
                          "f[1,5,2], f[3,3,2] => 3 input channels of the kernel do not divide the inputs' 2: inputs [1,5,2], kernel [3,3,2]",
                          "f[1,5,4], f[3,2,3] => 3 filters cannot be shared among 2 groups: inputs [1,5,4], kernel [3,2,3]",
                          "f[1,3,6,1], f[5,5,1,2] => the output would be empty: inputs [1,3,6,1], kernel [5,5,1,2]",
                          "f[1,6,2], f[4,2,2], dilation_rate=3 => the output would be empty", "f[1,6,2], f[0,2,2] => the kernel has no taps",
                          "f[1,6,2], f[2,0,2] => the kernel has no channels", "f[1,6,0], f[2,2,2] => do not divide the inputs' 0",
                          "f[1,6,2], f[2,2,2], padding='causal' => padding must be valid or same, got \"causal\""));

/* ---- conv_bias ---- */
static cni_window conv_bias_window(const cn_call *c) {
  const cn_conv_bias_args *o = c->args;
  return (cni_window){ CNI_WINDOW_OF(o), .causal = true };
}
static cn_code conv_bias_infer(const cn_call *c) {
  const cni_window w = conv_bias_window(c);
  const cn_tensor *b = c->x[2];
  cni_geometry t;
  char text[160];
  if (((const cn_conv_bias_args *)c->args)->activation >= CNI_FUSED_COUNT)
    return cn_fail(c->graph, CN_VALUE, "activation must be 0 to %d", CNI_FUSED_COUNT - 1);
  const cn_code code = infer(c, &w, CNI_WINDOW_DIRECT, &t);
  if (code != CN_OK || !cni_given(b) || (b->dims.rank == 1 && b->dims.d[0] == t.c.out_channels)) return code;
  return cn_fail(c->graph, CN_SHAPE, "bias must be [%lld], got %s", (long long)t.c.out_channels, cn_dims_text(&b->dims, text, sizeof text));
}
static void conv_bias_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cni_window w = conv_bias_window(c);
  const cni_geometry t = geometry_of(c, &w, CNI_WINDOW_DIRECT);
  y[0] = direct(g, c->x[0], c->x[1], c->x[2], ((const cn_conv_bias_args *)c->args)->activation, &t);
}
static void conv_bias_reference(const cn_reference *r) {
  const cni_window w = conv_bias_window(r->call);
  const cni_geometry t = geometry_of(r->call, &w, CNI_WINDOW_DIRECT);
  cni_conv_naive(&t, CNI_CONV_FORWARD, r->x[0], r->x[1], r->y[0]);
  cni_conv_naive_finish(&t, r->y[0], r->x[2], (int)((const cn_conv_bias_args *)r->call->args)->activation);
}
CN_OP(conv_bias, CN_LIST_CONV_BIAS, .outputs = 1, .infer = conv_bias_infer, .compose = conv_bias_compose, .reference = conv_bias_reference,
      .samples = CN_TEXTS("f[2,6,3], f[3,3,2], f[2]", "f[2,6,3], f[3,3,2], padding='causal'",
                          "f[2,6,3], f[3,3,2], f[2], padding='causal', dilation_rate=2, strides=2", "f[2,5,4,2], f[3,2,2,3], f[3], activation=1",
                          "f[2,5,4,2], f[3,2,1,4], f[4], activation=2, padding='same'", "f[2,4,3,3], f[2,2,1,3]@0.1:2, f[3], activation=1",
                          "f[1,2,5,4], f[2,2,2,3], f[3], data_format='channels_first', activation=3", "f[0,5,2], f[3,2,3], f[3], activation=1"),
      .rejects = CN_TEXTS("f[2,6,3], f[3,3,2], f[3] => bias must be [2], got [3]", "f[2,6,3], f[3,3,2], f[1,2] => bias must be [2], got [1,2]",
                          "f[2,6,3], f[3,3,2], activation=4 => activation must be 0 to 3",
                          "f[1,6,6,2], f[3,3,2,2], padding='causal' => padding must be valid or same, got \"causal\"",
                          "f[1,6,2], f[3,2,2], padding='full' => padding must be valid, same or causal, got \"full\"",
                          "f[1,5,2], f[3,3,2] => 3 input channels of the kernel do not divide the inputs' 2",
                          "f[2,6,3], f[3,3,2], i[2]@0:3 => needs inputs of float32 or of float64, all of one"));

/* ---- depthwise_conv ---- */
static cni_window depthwise_window(const cn_call *c) {
  const cn_depthwise_conv_args *o = c->args;
  return (cni_window){ CNI_WINDOW_OF(o) };
}
static cn_code depthwise_infer(const cn_call *c) {
  const cni_window w = depthwise_window(c);
  cni_geometry t;
  return infer(c, &w, CNI_WINDOW_DEPTHWISE, &t);
}
/* kernel [axes..., channels, multiplier] as [axes..., 1, channels multiplier] */
static void depthwise_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cni_window w = depthwise_window(c);
  const cni_geometry t = geometry_of(c, &w, CNI_WINDOW_DEPTHWISE);
  cn_dims d = c->x[1]->dims;
  d.d[d.rank - 2] = 1;
  d.d[d.rank - 1] = t.c.out_channels;
  const cn_ints shape = { d.d, d.rank };
  y[0] = direct(g, c->x[0], cn_reshape(g, c->x[1], .newshape = shape), CN_NO_TENSOR, CNI_FUSED_NONE, &t);
}
static void depthwise_reference(const cn_reference *r) {
  const cni_window w = depthwise_window(r->call);
  const cni_geometry t = geometry_of(r->call, &w, CNI_WINDOW_DEPTHWISE);
  cni_conv_naive(&t, CNI_CONV_FORWARD, r->x[0], r->x[1], r->y[0]);
}
CN_OP(depthwise_conv, CN_LIST_CONV, .outputs = 1, .infer = depthwise_infer, .compose = depthwise_compose, .reference = depthwise_reference,
      .samples = CN_TEXTS("f[2,6,2], f[3,2,1]", "f[1,5,5,2], f[3,3,2,1]", "f[1,6,6,3], f[3,3,3,1], strides=2, padding='same'", "f[2,5,4,3], f[2,3,3,2]",
                          "f[1,6,5,2], f[2,2,2,3], strides=2, dilation_rate=[2,1], padding='same'", "f[1,3,4,5,2], f[3,1,4,2,1]",
                          "f[2,3,5,4], f[2,2,3,2], data_format='channels_first'", "f[1,4,1], f[2,1,3]", "f[1,5,5,35], f[3,3,35,1]",
                          "f[1,7,6,40], f[3,3,40,1], strides=2, padding='same'", "f[0,4,2], f[2,2,1]"),
      .rejects = CN_TEXTS(WINDOW_REJECTS("f[3,3,2,2]"),
                          "f[1,5,5,2], f[3,3,3,1] => the kernel is for 3 input channels, the inputs have 2: inputs [1,5,5,2], kernel [3,3,3,1]",
                          "f[1,6,2], f[7,2,2] => the output would be empty: inputs [1,6,2], kernel [7,2,2]",
                          "f[1,6,2], f[2,2,0] => the kernel has no channels"));

/* ---- separable_conv ---- */
static cni_window separable_window(const cn_call *c) {
  const cn_separable_conv_args *o = c->args;
  return (cni_window){ CNI_WINDOW_OF(o) };
}
/* The convolution that follows the first: its options are the first's data_format and dilation_rate. */
static cni_window pointwise_window(const cn_call *c) {
  const cn_separable_conv_args *o = c->args;
  return (cni_window){ .strides = { { 1 } }, .padding = "valid", .data_format = o->data_format, .dilation_rate = o->dilation_rate };
}
static cn_code separable_infer(const cn_call *c) {
  const cni_window first = separable_window(c), second = pointwise_window(c);
  cni_geometry t;
  const cn_code code = infer(c, &first, CNI_WINDOW_DEPTHWISE, &t);
  const cn_dims between = c->sig[0].dims;
  return code == CN_OK ? cni_window_read(c->graph, &second, CNI_WINDOW_DIRECT, &between, &c->x[2]->dims, &t, &c->sig[0].dims) : code;
}
static void separable_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cn_separable_conv_args *o = c->args;
  cn_tensor *between = cn_depthwise_conv(g, o->inputs, o->depthwise_kernel, .strides = o->strides, .padding = o->padding, .data_format = o->data_format,
                                         .dilation_rate = o->dilation_rate);
  y[0] = cn_conv(g, between, o->pointwise_kernel, .data_format = o->data_format, .dilation_rate = o->dilation_rate);
}
static void separable_reference(const cn_reference *r) {
  const cn_call *c = r->call;
  const cni_window first = separable_window(c), second = pointwise_window(c);
  cni_geometry t, u;
  cn_dims between, result;
  cni_window_read(c->graph, &first, CNI_WINDOW_DEPTHWISE, &c->x[0]->dims, &c->x[1]->dims, &t, &between);
  cni_window_read(c->graph, &second, CNI_WINDOW_DIRECT, &between, &c->x[2]->dims, &u, &result);
  double *middle = cni_arena_take(c->graph, cni_step_arena(c->graph), (size_t)(cn_dims_count(&between) + 1) * sizeof *middle);
  if (!middle) return;
  cni_conv_naive(&t, CNI_CONV_FORWARD, r->x[0], r->x[1], middle);
  cni_conv_naive(&u, CNI_CONV_FORWARD, middle, r->x[2], r->y[0]);
}
CN_OP(separable_conv, CN_LIST_SEPARABLE_CONV, .outputs = 1, .infer = separable_infer, .compose = separable_compose, .reference = separable_reference,
      .samples = CN_TEXTS("f[2,6,2], f[3,2,2], f[1,4,3]", "f[1,5,4,2], f[2,2,2,2], f[1,1,4,2], padding='same'",
                          "f[1,6,5,3], f[2,2,3,1], f[1,1,3,2], strides=2, padding='same'",
                          "f[1,2,6,5], f[2,2,2,1], f[1,1,2,3], data_format='channels_first', dilation_rate=2", "f[1,3,3,3,1], f[2,2,2,1,2], f[1,1,1,2,2]"),
      .rejects = CN_TEXTS("f[1,5,2], f[3,3,1], f[1,3,2] => the kernel is for 3 input channels, the inputs have 2",
                          "f[1,5,2], f[3,2,2], f[1,3,2] => 3 input channels of the kernel do not divide the inputs' 4",
                          "f[1,6,2], f[7,2,2], f[1,4,2] => the output would be empty",
                          "f[1,6,2], f[3,2,2], f[1,4,2], padding='full' => padding must be valid or same",
                          "f[1,6,2], f[3,2,2], f[1,1,4,2] => needs a kernel of the inputs' rank",
                          "f[1,6,2], f[3,2,2], i[1,4,2]@0:3 => needs inputs of float32 or of float64, all of one"));

/* ---- conv_transpose ---- */
static cni_window transpose_window(const cn_call *c) {
  const cn_conv_transpose_args *o = c->args;
  return (cni_window){ CNI_WINDOW_OF(o), .output_padding = o->output_padding };
}
static cn_code transpose_infer(const cn_call *c) {
  const cni_window w = transpose_window(c);
  cni_geometry t;
  return infer(c, &w, CNI_WINDOW_TRANSPOSED, &t);
}
static void transpose_compose(cn_graph *g, const cn_call *c, cn_tensor **y) {
  const cni_window w = transpose_window(c);
  const cni_geometry t = geometry_of(c, &w, CNI_WINDOW_TRANSPOSED);
  cn_tensor *large = cn_conv_input_gradient(g, channels_last(g, c->x[0], &t), c->x[1], .sizes = AXES_OF(t.c.in, &t), .strides = AXES_OF(t.c.stride, &t),
                                            .padding = AXES_OF(t.c.pad, &t), .dilation_rate = AXES_OF(t.c.dilation, &t));
  y[0] = channels_back(g, large, &t);
}
static void transpose_reference(const cn_reference *r) {
  const cni_window w = transpose_window(r->call);
  const cni_geometry t = geometry_of(r->call, &w, CNI_WINDOW_TRANSPOSED);
  cni_conv_naive(&t, CNI_CONV_INPUT, r->y[0], r->x[1], r->x[0]);
}
CN_OP(conv_transpose, CN_LIST_CONV_TRANSPOSE, .outputs = 1, .infer = transpose_infer, .compose = transpose_compose, .reference = transpose_reference,
      .samples = CN_TEXTS("f[2,4,2], f[3,3,2]", "f[1,3,2], f[2,3,2], strides=2, padding='same'", "f[1,3,4,2], f[3,2,3,2], strides=2, padding='same'",
                          "f[1,3,3,2], f[3,3,2,2], strides=2, padding='same', output_padding=1", "f[1,2,3,4,1], f[2,1,3,5,1], strides=2",
                          "f[1,4,2], f[2,3,2], strides=4", "f[1,4,2], f[3,3,2], dilation_rate=2", "f[2,4,3,2], f[3,2,1,2], strides=[2,3], output_padding=[1,2]",
                          "f[1,2,3,4], f[3,2,3,2], strides=2, padding='same', data_format='channels_first'",
                          "f[1,5,1], f[4,2,1], strides=3, padding='same', output_padding=0", "f[0,4,2], f[3,3,2]",
                          "f[1,4,2], f[2,3,2], strides=2, output_padding=5", "f[1,4,2], f[3,1,2], strides=2, dilation_rate=2, padding='same'",
                          "f[1,1,1], f[1,1,1]"),
      .rejects = CN_TEXTS(WINDOW_REJECTS("f[3,3,2,2]"),
                          "f[1,5,2], f[3,2,3] => the kernel is for 3 input channels, the inputs have 2: inputs [1,5,2], kernel [3,2,3]",
                          "f[1,6,6,2], f[3,3,2,2], output_padding=[1,1,1] => output_padding has 3 numbers for 2 axes",
                          "f[1,6,6,2], f[3,3,2,2], output_padding=-1 => output_padding must not be negative, got -1",
                          "f[1,0,2], f[1,2,2], strides=2 => the output would be empty", "f[1,6,2], f[0,2,2] => the kernel has no taps"));

const cn_op *const cni_ops_conv[] = { &cn_op_conv, &cn_op_conv_bias, &cn_op_depthwise_conv, &cn_op_separable_conv, &cn_op_conv_transpose, NULL };
