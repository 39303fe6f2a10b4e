/* Index of layers' public headers. */
#ifndef CN_LAYERS_LAYERS_H
#define CN_LAYERS_LAYERS_H
#include "activation.h"
#include "constraint.h"
#include "core_layers.h"
#include "initializer.h"
#include "input.h"
#include "layer.h"
#include "object.h"
#include "pooling.h"
#include "regularization.h"
#include "regularizer.h"
#include "wrapper.h"
#endif
