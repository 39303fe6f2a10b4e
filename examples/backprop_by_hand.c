/* backprop_by_hand [--svg FILE]: a tour of one small network. Its graph as a table (and, with --svg, as a drawing; FILE -: printed), every rule of backward as
 * it is applied, every value and gradient beside the same numbers worked out by hand, and the gradients beside finite differences. */
#include <cornu.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void show(const char *name, cn_tensor *t) {
  cn_tensor *d = cn_grad(t);
  printf("  %-3s value", name);
  for (int64_t i = 0; i < cn_count(t); i++) printf(" %8.4f", cn_at(t, i));
  printf("   gradient");
  for (int64_t i = 0; i < cn_count(d); i++) printf(" %8.4f", cn_at(d, i));
  printf("\n");
}

static double apart(cn_tensor *t, const double *wanted) {
  double most = 0;
  for (int64_t i = 0; i < cn_count(t); i++) most = fmax(most, fabs(cn_at(t, i) - wanted[i]));
  return most;
}

static void show_values(const char *what, int64_t i, cn_tensor *t) {
  printf("  %s %d:", what, (int)i);
  for (int64_t k = 0; k < cn_count(t); k++) printf(" %8.4f", cn_at(t, k));
  printf("\n");
}

/* Called by backward at each operation: what came in and what the rule sends on. */
static bool show_step(cn_graph *g, const cn_backward_step *s, void *user) {
  (void)g;
  ++*(int *)user;
  printf("%d. #%d %s\n", (int)s->number + 1, (int)cn_node_number(s->node), cn_node_op(s->node)->name);
  show_values("gradient of the result", 0, s->gy[0]);
  for (int64_t i = 0; i < cn_node_inputs(s->node); i++)
    if (s->gx[i]) show_values("  sent to input", i, s->gx[i]);
  return true;
}

static bool write_svg(const char *name, const char *svg) {
  if (!strcmp(name, "-")) return fputs(svg, stdout) >= 0;
  FILE *f = fopen(name, "w");
  const bool ok = f && fputs(svg, f) >= 0;
  return f && fclose(f) == 0 && ok;
}

/* The same network as a function of W and v, for finite differences. */
static cn_tensor *network(cn_graph *g, cn_tensor *const *p, int64_t n, void *user) {
  cn_tensor *const *data = user;
  (void)n;
  return cn_square(g, cn_subtract(g, cn_matmul(g, cn_tanh(g, cn_matmul(g, data[0], p[0])), p[1]), data[1]));
}

int main(int argc, char **argv) {
  cn_graph *g = cn_graph_new(.seed = 1);
  /* x -> a = x W -> h = tanh(a) -> y = h v -> e = y - t -> l = e^2 */
  const double xv[] = { 1, -2 }, wv[] = { 0.5, -0.3, 0.2, 0.4 }, vv[] = { 0.7, -0.6 }, tv[] = { 0.5 };
  cn_tensor *x = cn_array(g, CN_F64, CN_DIMS(1, 2), xv), *t = cn_array(g, CN_F64, CN_DIMS(1, 1), tv);
  cn_tensor *W = cn_variable(g, CN_F64, CN_DIMS(2, 2), wv), *v = cn_variable(g, CN_F64, CN_DIMS(2, 1), vv);
  cn_tensor *a = cn_watch(cn_matmul(g, x, W));
  cn_tensor *h = cn_watch(cn_tanh(g, a));
  cn_tensor *y = cn_watch(cn_matmul(g, h, v));
  cn_tensor *e = cn_watch(cn_subtract(g, y, t));
  cn_tensor *l = cn_watch(cn_sum(g, cn_square(g, e)));
  cn_set_name(x, "x"), cn_set_name(t, "t"), cn_set_name(W, "W"), cn_set_name(v, "v");
  bool ok = argc < 3 || strcmp(argv[1], "--svg") || write_svg(argv[2], cn_graph_svg(g, l));
  int steps = 0;
  printf("backward, from the loss down:\n");
  ok = cn_backward(g, l, .step = show_step, .user = &steps) && steps == 6 && ok;

  printf("\nthe graph:\n");
  cn_explain(g, l);
  printf("\nforward, from the first node to the last; the gradients were found from the last to the first:\n");
  show("a", a), show("h", h), show("y", y), show("e", e), show("l", l), show("W", W), show("v", v);

  /* By hand: dl/de = 2 e; dy = de; dv = h dy; dh = v dy; da = (1 - h^2) dh; dW = x da. */
  double hv[2], de, dv[2], dh[2], da[2], dW[4];
  for (int j = 0; j < 2; j++) hv[j] = tanh(xv[0] * wv[j] + xv[1] * wv[2 + j]);
  de = 2 * (hv[0] * vv[0] + hv[1] * vv[1] - tv[0]);
  for (int j = 0; j < 2; j++) dv[j] = hv[j] * de, dh[j] = vv[j] * de, da[j] = (1 - hv[j] * hv[j]) * dh[j];
  for (int i = 0; i < 4; i++) dW[i] = xv[i / 2] * da[i % 2];
  const double off = fmax(fmax(apart(cn_grad(W), dW), apart(cn_grad(v), dv)), fmax(fmax(apart(cn_grad(a), da), apart(cn_grad(h), dh)), apart(cn_grad(e), &de)));
  printf("\nby hand: dl/de = 2 e, dy = de, dv = h dy, dh = v dy, da = (1 - h^2) dh, dW = x da\nlargest difference from the engine: %.1e\n", off);

  cn_tensor *data[] = { x, t };
  const cn_gradcheck_report r = cn_gradcheck(g, network, CN_TENSORS(W, v), .user = data, .order = 2);
  printf("\nfinite differences: %s\n", r.text);
  ok = ok && cn_ok(g) && off < 1e-12 && r.passed;
  if (!cn_ok(g)) fprintf(stderr, "%s\n", cn_error(g));
  cn_graph_free(g);
  return !ok;
}
