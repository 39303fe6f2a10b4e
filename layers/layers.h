/* Index of layers' public headers. */
#ifndef CN_LAYERS_LAYERS_H
#define CN_LAYERS_LAYERS_H
#include "activation.h"
#include "activation_layers.h"
#include "constraint.h"
#include "core_layers.h"
#include "einsum_dense.h"
#include "embedding.h"
#include "global_pooling.h"
#include "initializer.h"
#include "input.h"
#include "layer.h"
#include "merge.h"
#include "normalization.h"
#include "object.h"
#include "padding.h"
#include "regularization.h"
#include "regularizer.h"
#include "wrapper.h"
#include "reshape.h"
#include "upsampling.h"
#endif
