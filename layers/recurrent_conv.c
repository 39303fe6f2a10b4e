/* The cell of ConvLSTM1D to 3D. */
#include "recurrent_conv.h"
#include "../autograd/conv_private.h"
#include "recurrent_private.h"

typedef struct conv_cell { cni_cell base; const char *padding; } conv_cell;

static const cn_ConvLSTMCellOptions *options_of(const cn_layer *l) { return l->object.options; }
static int channel_axis(const cn_layer *l) { return cni_channels_first(options_of(l)->data_format) ? 1 : -1; }
static int64_t channels_of(const cn_layer *l, const cn_dims *step) { return step->d[channel_axis(l) < 0 ? step->rank - 1 : 1]; }

/* [kernel_size..., a, b] for a step of that rank. */
static cn_dims kernel_dims(const cn_layer *l, int rank, int64_t a, int64_t b) {
  cn_dims d = { rank, { 0 } };
  for (int i = 0; i < rank - 2; i++) d.d[i] = cni_size_at(&options_of(l)->kernel_size, i);
  d.d[rank - 2] = a;
  d.d[rank - 1] = b;
  return d;
}

/* ---- shapes ---- */
static bool right_step(cn_layer *l, const cn_dims *step) {
  char text[160];
  const int first = channel_axis(l) < 0 ? 1 : 2;
  if (step->rank < 3 || step->rank > 5)
    return cn_fail(l->object.graph, CN_SHAPE, "ConvLSTM: a step needs 1 to 3 spatial axes, got %s", cn_dims_text(step, text, sizeof text)), false;
  for (int i = first; i < first + step->rank - 2; i++)
    if (step->d[i] == CN_UNKNOWN)
      return cn_fail(l->object.graph, CN_SHAPE, "ConvLSTM: the spatial axes must be known, got %s", cn_dims_text(step, text, sizeof text)), false;
  return true;
}

/* Of the output and of each state. */
static bool output_of(cn_layer *l, const cn_dims *step, cn_dims *out) {
  const cn_ConvLSTMCellOptions *o = options_of(l);
  const cni_window w = { .strides = o->strides, .dilation_rate = o->dilation_rate, .padding = o->padding, .data_format = o->data_format };
  cni_geometry t;
  if (!right_step(l, step)) return false;
  const cn_dims kernel = kernel_dims(l, step->rank, channels_of(l, step), o->filters);
  return cni_window_read(l->object.graph, &w, CNI_WINDOW_DIRECT, step, &kernel, &t, out) == CN_OK;
}

static int64_t state_shapes(cn_layer *l, const cn_dims *step, cn_dims *states) {
  if (!output_of(l, step, &states[0])) return -1;
  states[1] = states[0];
  return 2;
}

static bool output_shape(cn_layer *l, const cn_dims *in, int64_t n, cn_dims *out) {
  (void)n;
  return output_of(l, in, out);
}

/* ---- the cell ---- */
/* conv(x, K) + b of a step [n, ...], or of all steps at once: [n, t, ...] as a batch of n t. */
static cn_tensor *product(const cni_cell_run *r, cn_graph *g, cn_tensor *x) {
  const conv_cell *c = (const conv_cell *)r->cell;
  const cn_ConvLSTMCellOptions *o = options_of(r->cell);
  const cn_dims d = x->dims;
  const bool sequence = d.rank > c->base.rank;
  if (sequence) {
    int64_t folded[CN_MAX_RANK] = { d.d[0] * d.d[1] };
    memcpy(folded + 1, d.d + 2, (size_t)(d.rank - 2) * sizeof *folded);
    const cn_ints shape = { folded, d.rank - 1 };
    x = cn_reshape(g, x, .newshape = shape);
  }
  cn_tensor *y = x ? cn_conv_bias(g, x, c->base.kernel, .bias = c->base.bias, .strides = o->strides, .padding = c->padding, .data_format = o->data_format,
                                  .dilation_rate = o->dilation_rate)
                   : NULL;
  if (!y || !sequence) return y;
  int64_t unfolded[CN_MAX_RANK] = { d.d[0], d.d[1] };
  memcpy(unfolded + 2, y->dims.d + 1, (size_t)(d.rank - 2) * sizeof *unfolded);
  const cn_ints shape = { unfolded, d.rank };
  return cn_reshape(g, y, .newshape = shape);
}

static cn_tensor *step(const cni_cell_run *r, cn_graph *g, cn_tensor *x, cn_tensor *const *state, cn_tensor **next) {
  const cn_ConvLSTMCellOptions *o = options_of(r->cell);
  const cni_cell *c = (const cni_cell *)r->cell;
  cn_tensor *h = cni_dropped(r, g, state[0]);
  cn_tensor *z = h ? cn_add(g, x, cn_conv(g, h, c->recurrent, .padding = "same", .data_format = o->data_format)) : NULL;
  return cni_lstm_gates(g, z, state[1], channel_axis(r->cell), &o->activation, &o->recurrent_activation, next);
}
static const cni_cell_kind kind = { step, NULL, 2, product };

static bool init(cn_object *self) {
  conv_cell *c = (conv_cell *)(void *)self;
  const cn_ConvLSTMCellOptions *o = self->options;
  c->base.kind = &kind;
  c->base.dropout = o->dropout;
  c->base.recurrent_dropout = o->recurrent_dropout;
  return cn_layer_init(self) && (c->padding = cni_padding(&c->base.base, o->padding, NULL)) != NULL;
}

static void build(cn_layer *l, const cn_dims *in, int64_t n) {
  cni_cell *c = (cni_cell *)l;
  const cn_ConvLSTMCellOptions *o = options_of(l);
  const int64_t channels = channels_of(l, in), f = o->filters;
  const cn_dims kernel = kernel_dims(l, in->rank, channels, 4 * f), recurrent = kernel_dims(l, in->rank, f, 4 * f);
  (void)n;
  if (!right_step(l, in) || !cni_size_fits(l, "kernel_size", o->kernel_size, in->rank - 2)) return;
  c->rank = in->rank;
  cni_cell_stream(c, o->seed);
  c->kernel =
      cn_add_weight(l, "kernel", &kernel, .initializer = o->kernel_initializer, .regularizer = o->kernel_regularizer, .constraint = o->kernel_constraint);
  c->recurrent = cn_add_weight(l, "recurrent_kernel", &recurrent, .initializer = o->recurrent_initializer, .regularizer = o->recurrent_regularizer,
                               .constraint = o->recurrent_constraint);
  c->bias = CN_NO_TENSOR;
  if (o->use_bias)
    c->bias =
        cn_add_weight(l, "bias", CN_DIMS(4 * f), .initializer = o->bias_initializer, .regularizer = o->bias_regularizer, .constraint = o->bias_constraint);
  cn_expect_axis(l, channel_axis(l), channels);
  if (o->use_bias && o->unit_forget_bias) cni_forget_ones(l, &o->bias_initializer, f, c->bias);
}

CN_LAYER_OF(ConvLSTMCell, conv_cell, CN_CONV_LSTM_CELL, (.init = init), .build = build, .call = cni_cell_call, .state = cni_cell_state,
            .output_shape = output_shape, .state_shapes = state_shapes, .max_inputs = INT64_MAX, .min_rank = 3, .max_rank = 5)
