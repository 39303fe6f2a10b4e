/* backprop_by_hand: every value and every gradient of a network of two layers, step by step, beside the same numbers worked out by hand. */
#include <cornu.h>
#include <math.h>
#include <stdio.h>

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

int main(void) {
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
  cn_backward(g, l);

  printf("forward, from the first node to the last; the gradients were found from the last to the first:\n");
  show("a", a), show("h", h), show("y", y), show("e", e), show("l", l), show("W", W), show("v", v);

  /* By hand: dl/de = 2 e; dy = de; dv = h dy; dh = v dy; da = (1 - h^2) dh; dW = x da. */
  double hv[2], de, dv[2], dh[2], da[2], dW[4];
  for (int j = 0; j < 2; j++) hv[j] = tanh(xv[0] * wv[j] + xv[1] * wv[2 + j]);
  de = 2 * (hv[0] * vv[0] + hv[1] * vv[1] - tv[0]);
  for (int j = 0; j < 2; j++) dv[j] = hv[j] * de, dh[j] = vv[j] * de, da[j] = (1 - hv[j] * hv[j]) * dh[j];
  for (int i = 0; i < 4; i++) dW[i] = xv[i / 2] * da[i % 2];
  const double off = fmax(fmax(apart(cn_grad(W), dW), apart(cn_grad(v), dv)), fmax(fmax(apart(cn_grad(a), da), apart(cn_grad(h), dh)), apart(cn_grad(e), &de)));
  printf("\nby hand: dl/de = 2 e, dy = de, dv = h dy, dh = v dy, da = (1 - h^2) dh, dW = x da\nlargest difference from the engine: %.1e\n", off);
  const bool ok = cn_ok(g) && off < 1e-12;
  if (!cn_ok(g)) fprintf(stderr, "%s\n", cn_error(g));
  cn_graph_free(g);
  return !ok;
}
