/* The head of a data set. */
#ifndef CN_MODELS_DATASET_PRIVATE_H
#define CN_MODELS_DATASET_PRIVATE_H
#include "dataset.h"

struct cn_dataset {
  cn_graph *graph;
  const cn_dataset_methods *methods;
  void *state;
  cn_stream stream;                 /* of the orders */
  cn_stream drawn_from;             /* as it was before the last reset */
  int64_t sample;                   /* handed out since */
  bool shuffled;
  bool draws;                       /* random numbers of its own: the same again has other values */
};

/* Reads on to a sample of the running epoch and throws away, a batch at a time; each ends a step. */
bool cni_dataset_read_on(cn_dataset *d, int64_t sample);

#endif
