/* word_vectors FILE [--steps N] [--learning-rate R]: skip-gram with negative sampling (Mikolov et al. 2013) on a text, then the words nearest to a few. The
 * words of the text are counted; those seen at least five times become the vocabulary. Debian's package bible-kjv-text with bible-kjv gives a text: bible -f
 * gen1:1-rev22:21 > kjv.txt */
#include <cornu.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 64, PAIRS = 512, NEGATIVES = 5, WINDOW = 4, TABLE = 1 << 17, MOST = 20000 };
typedef struct word { char text[24]; int count, id; } word;
static word table[TABLE];
static word *vocabulary[MOST];
static int64_t *tokens, count, words;

static word *slot(const char *text) {
  unsigned h = 5381;
  for (const char *p = text; *p; p++) h = h * 33 + (unsigned char)*p;
  h %= TABLE;
  while (table[h].count && strcmp(table[h].text, text)) h = (h + 1) % TABLE;
  return &table[h];
}

/* The next word of the text, in small letters; false at its end. */
static bool next_word(FILE *f, char *text, int size) {
  int c, n = 0;
  while ((c = fgetc(f)) != EOF && !isalpha(c)) {}
  for (; c != EOF && isalpha(c); c = fgetc(f))
    if (n + 1 < size) text[n++] = (char)tolower(c);
  text[n] = 0;
  return n > 0;
}

static int more_often(const void *a, const void *b) { return (*(word *const *)b)->count - (*(word *const *)a)->count; }

static bool read_text(const char *path) {
  FILE *f = fopen(path, "r");
  char text[24];
  if (!f) return false;
  int64_t total = 0;
  while (next_word(f, text, sizeof text)) {
    word *w = slot(text);
    if (!w->count) strcpy(w->text, text);
    w->count++;
    total++;
  }
  for (int i = 0; i < TABLE && words < MOST; i++) {
    table[i].id = -1;
    if (table[i].count >= 5) vocabulary[words++] = &table[i];
  }
  qsort(vocabulary, (size_t)words, sizeof *vocabulary, more_often);
  for (int64_t i = 0; i < words; i++) vocabulary[i]->id = (int)i;
  tokens = malloc((size_t)(total + 1) * sizeof *tokens);
  rewind(f);
  while (tokens && next_word(f, text, sizeof text))
    if (slot(text)->id >= 0) tokens[count++] = slot(text)->id;
  fclose(f);
  return tokens && words > 10 && count > 1000;
}

/* A batch: centres, contexts, and negatives drawn by the text's own frequencies. */
static double step(cn_graph *g, cn_optimizer *o, cn_tensor *in, cn_tensor *out, cn_stream *s) {
  int64_t c[PAIRS], p[PAIRS], n[PAIRS * NEGATIVES], at[PAIRS], off[PAIRS], from[PAIRS * NEGATIVES];
  cn_random_fill_integers(s, CN_I64, at, PAIRS, WINDOW, count - WINDOW);
  cn_random_fill_integers(s, CN_I64, off, PAIRS, 0, 2 * WINDOW);
  cn_random_fill_integers(s, CN_I64, from, PAIRS * NEGATIVES, 0, count);
  for (int i = 0; i < PAIRS; i++) {
    c[i] = tokens[at[i]];
    p[i] = tokens[at[i] + (off[i] < WINDOW ? off[i] - WINDOW : off[i] - WINDOW + 1)];
  }
  for (int i = 0; i < PAIRS * NEGATIVES; i++) n[i] = tokens[from[i]];
  cn_tensor *centre = cn_take(g, in, cn_array(g, CN_I64, CN_DIMS(PAIRS), c), .axis = 0),
            *near = cn_take(g, out, cn_array(g, CN_I64, CN_DIMS(PAIRS), p), .axis = 0);
  cn_tensor *far = cn_take(g, out, cn_array(g, CN_I64, CN_DIMS(PAIRS, NEGATIVES), n), .axis = 0);
  cn_tensor *good = cn_sum(g, cn_multiply(g, centre, near), .axis = CN_INTS(1)), *bad = cn_matmul(g, far, cn_reshape(g, centre, CN_INTS(PAIRS, WIDTH, 1)));
  cn_tensor *loss = cn_add(g, cn_sum(g, cn_softplus(g, cn_negative(g, good))), cn_sum(g, cn_softplus(g, bad)));
  const double value = cn_item(loss) / PAIRS;
  cn_optimizer_minimize(o, loss, true);
  cn_graph_reset(g);
  return value;
}

/* The five words whose vectors have the largest cosine with a word's. */
static void nearest(cn_tensor *in, const char *text) {
  const word *w = slot(text);
  const float *v = cn_data(in);
  if (!w->count || w->id < 0 || !v) return;
  printf("%-10s", text);
  bool shown[MOST] = { false };
  shown[w->id] = true;
  for (int k = 0; k < 5; k++) {
    int64_t best = -1;
    double most = -2;
    for (int64_t i = 0; i < words; i++) {
      double dot = 0, a = 0, b = 0;
      for (int d = 0; d < WIDTH; d++) {
        const double x = (double)v[i * WIDTH + d], y = (double)v[w->id * WIDTH + d];
        dot += x * y, a += x * x, b += y * y;
      }
      const double cosine = dot / (sqrt(a * b) + 1e-12);
      if (!shown[i] && cosine > most) most = cosine, best = i;
    }
    if (best < 0) break;
    shown[best] = true;
    printf(" %s (%.2f)", vocabulary[best]->text, most);
  }
  printf("\n");
}

int main(int argc, char **argv) {
  long steps = 3000;
  double rate = 0.1;
  for (int i = 2; i + 1 < argc; i += 2) {
    if (!strcmp(argv[i], "--steps")) steps = atol(argv[i + 1]);
    if (!strcmp(argv[i], "--learning-rate")) rate = atof(argv[i + 1]);
  }
  if (argc < 2 || !read_text(argv[1]))
    return fprintf(stderr, "usage: word_vectors FILE [--steps N] [--learning-rate R]; the text must have over 1,000 words\n"), 2;
  cn_graph *g = cn_graph_new(.seed = 1);
  cn_tensor *in = cn_variable(g, CN_F32, CN_DIMS(words, WIDTH), cn_data(cn_random_uniform(g, CN_INTS(words, WIDTH), -0.5 / WIDTH, 0.5 / WIDTH))),
            *out = cn_variable(g, CN_F32, CN_DIMS(words, WIDTH), NULL);
  cn_optimizer *o = cn_optimizer_Adagrad(g, .learning_rate = rate);
  cn_stream s = cn_stream_new(g);
  double loss = 0;
  cn_optimizer_build(o, (cn_tensor *[]){ in, out }, 2);
  for (long i = 0; i < steps && cn_ok(g); i++) {
    const double l = step(g, o, in, out, &s);
    loss = i ? 0.99 * loss + 0.01 * l : l;
    if ((i + 1) % 1000 == 0) printf("step %ld: loss %.4f\n", i + 1, loss);
  }
  static const char *const probes[] = { "king", "god", "water", "son", "city", "day" };
  for (int i = 0; i < 6 && cn_ok(g); i++) nearest(in, probes[i]);
  const bool ok = cn_ok(g);
  if (!ok) fprintf(stderr, "word_vectors: %s\n", cn_error(g));
  else printf("loss: %.4f\n", loss);
  cn_graph_free(g);
  free(tokens);
  return !ok;
}
