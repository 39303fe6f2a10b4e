/* Cornu: training neural networks in C, with the semantics of Keras. This header brings all of the library. */
#ifndef CN_CORNU_H
#define CN_CORNU_H
#include "autograd/autograd.h"
#include "core/core.h"
#include "io/io.h"
#include "layers/layers.h"
#include "models/models.h"
#include "optim/optim.h"
#endif
