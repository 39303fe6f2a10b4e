/* Index of models' public headers. */
#ifndef CN_MODELS_MODELS_H
#define CN_MODELS_MODELS_H
#include "callback.h"
#include "classification.h"
#include "dataset.h"
#include "gradcheck_layer.h"
#include "look.h"
#include "loss.h"
#include "metric.h"
#include "model.h"
#include "utilities.h"
#endif
