/* What the workloads share: data by hash, timing as bench/README.md says. */
#ifndef CORNU_BENCH_BENCH_H
#define CORNU_BENCH_BENCH_H
#include <cornu.h>

/* A workload while it runs. step(w, i) does step i whole; loss (may be NULL) gives the loss of the step just done. */
typedef struct workload workload;
struct workload {
  const char *name;
  cn_graph *g;
  bool (*setup)(workload *w);
  void (*step)(workload *w, int64_t i);
  double (*loss)(workload *w);
  bool whole_job;          /* runs once: its time is that of the process */
  int64_t batch, size;     /* as the name says */
  const char *variant;
  cn_model *m;
  cn_tensor *v[8];         /* variables */
  cn_tensor *directions[6];
  cn_tensor *parameters[20]; /* of ln_gelu */
  float *x, *y;            /* data of 8 batches */
  int32_t *labels;
  int64_t *ids[3];
  double value;            /* loss or result of the last step */
  double accuracy;
  cn_optimizer *optimizer;
};

uint32_t hash(uint32_t seed, uint32_t i);
float symmetric(uint32_t seed, uint32_t i);                                       /* in [-1, 1) */
float *floats(workload *w, int64_t n, uint32_t seed, double scale);               /* scale * symmetric(seed, i) */
void set_weights(cn_model *m);                                                    /* the k-th array that is no bias: sqrt(6 / (in + out)) * symmetric(k, i) */
extern workload workloads[];

#endif
